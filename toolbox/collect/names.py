# SPDX-License-Identifier: Apache-2.0
"""What secrets are called, as expressions for other expressions, which ignore case.

Each name begins with its letters and looks back after them: so most of a line is passed at once.
"""

from __future__ import annotations

import re
from typing import Final

# A name that says that its value is a secret; what stands before it in the name does not matter.
WORD: Final = (
    rb"(?:passw(?:or)?d|passphrase|passcode|pwd(?![\"']?\s*+[:=]\s*+[\"']?[/~])|secret|token(?!iz)|credential|cookie(?<!syncookie)|psk"
    rb"|(?:api|access|private|client|encryption|signing|shared|license|account|storage|master|hmac)"
    rb"[-_.]?key|key[-_.]?data|session[-_.]?(?:id|key)|user[-_.]?data|custom[-_.]?data"
    rb"|auth(?![a-z])(?<![a-z]auth)|pw(?![a-z0-9])(?<=[a-z_.\-]pw)"
    # `dbpass`, and no word of the language
    rb"|pass(?![a-z])(?<!bypass)(?<!compass)(?<!surpass)(?<!trespass)(?<!overpass)(?<!underpass)"
    rb"(?<!multipass)(?<!lowpass)(?<!highpass)(?<!bandpass))"
)
# A name of a place is no secret if the value is one; nor is what only counts, names or times one.
_NO_PLACE: Final = (
    rb"""(?![\w.\-]{0,40}(?:(?:file|path|dir)["']?[\s:=,]++["']?[/~.]"""
    rb"""|(?:interval|timeout|ttl|name|type)["']?\s*+[:=]))"""
)
# `prompt_tokens=17`, `password_min_length = 8`
_NO_COUNT: Final = (
    rb"""(?!(?:s|[-_.]?(?:count|min|max|len|limit|size|age|num|retries|days|version|warn)[\w.\-]{0,40})"""
    rb"""["']?\s*+[:=]\s*+\d{1,9}(?![\w.]))"""
)
# `token_manager.go:121` is a line of a program.
_NO_SOURCE: Final = b"".join(
    rb"(?<!\.%s)" % each
    for each in (b"go", b"py", b"rs", b"c", b"cc", b"cpp", b"h", b"java", b"js", b"ts", b"rb")
)
NAME: Final = WORD + _NO_PLACE + _NO_COUNT + rb"[\w.\-]{0,64}+" + _NO_SOURCE
# One of them is in every name that NAME matches.
HINTS: Final = (
    *(b"pass", b"pwd", b"pw", b"secret", b"token", b"credential", b"cookie", b"psk", b"key"),
    *(b"data", b"session", b"auth"),
)
# For lines in lower case: that is twice as fast.
NAMED: Final = re.compile(WORD)

# Below a secret's name, as in a pod's volume, these say which one it is and not what.
NEUTRAL: Final = (
    rb"(?:(?:secret)?name|namespace|optional|(?:default)?mode|type|path|audience"
    rb"|expirationseconds|items)"
)
# A name that refers to a secret elsewhere.
NO_REFERENCE: Final = rb"(?<!ref)(?<!refs)"
