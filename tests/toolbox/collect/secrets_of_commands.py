# SPDX-License-Identifier: Apache-2.0
"""Secrets among the words of commands, as units, audit and shells have them."""

from __future__ import annotations

from tests.toolbox.collect.planted import WORD, planted

OF_COMMANDS = (
    planted("words in audit", f'EXECVE argc=3 a0="vault" a1="--token" a2="{WORD}"'),
    planted("variable in audit", f'EXECVE argc=4 a0="docker" a1="run" a2="-e" a3="FOO={WORD}"'),
    planted(
        "command line in audit", f"proctitle={f'x --token {WORD}'.encode().hex().upper()}",
        f"--token {WORD}".encode().hex().upper(),
    ),
    planted(
        "word with a blank in audit",
        f'EXECVE argc=2 a0="x" a1={f"a {WORD}".encode().hex().upper()}',
        WORD.encode().hex().upper(),
    ),
    planted("flag and value on two lines", f"  --token \\\n  {WORD} \\\n  --verbose"),
    planted("flag with equals and value on two lines", f"  --token=\\\n  {WORD} \\\n  --verbose"),
    planted("two flags on three lines", f"x --token \\\n a --password \\\n {WORD}"),
    planted("variables of a unit on two lines", f'Environment="FOO=a" \\\n  "BAR={WORD}"\nUser=x'),
    planted(
        "variables of a unit on three lines",
        f"Environment=FOO=a \\\n  BAR=b \\\n  Q={WORD}\nUser=x",
    ),
    planted("setting on two lines", f"db.password = two \\\n  {WORD}\nport = 1"),
    planted("value escaped", rf'"cmd":"x --token \"{WORD}\" y"'),
    planted("words in JSON in JSON", rf'"[\"--password\",\"{WORD}\"]"'),
    planted("quoted value of a variable", f'docker run --env FOO="two {WORD}" web'),
    planted("single quotes", f"docker run -e FOO='two {WORD}' web"),
    planted("quoted variable with quotes", rf'docker run -e "FOO=a \" {WORD}" web'),
    planted("escaped value of a variable", rf'"cmd":"docker run -e FOO=\"two {WORD}\" web"'),
    planted("keytool", f"keytool -storepass {WORD}9 -keypass {WORD}"),
)  # fmt: skip
