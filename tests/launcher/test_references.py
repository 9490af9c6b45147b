# SPDX-License-Identifier: Apache-2.0
"""Image references: what is one, what is none, and what they come to."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.errors import ImageError
from launcher.references import Reference

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"

CANONICAL = {
    "alpine": "docker.io/library/alpine:latest",
    "alpine:3": "docker.io/library/alpine:3",
    "index.docker.io/alpine": "docker.io/library/alpine:latest",
    "docker.io/library/alpine": "docker.io/library/alpine:latest",
    "team/app": "docker.io/team/app:latest",
    "localhost/app": "localhost/app:latest",
    "localhost:5000/app:v1": "localhost:5000/app:v1",
    "reg.example/app": "reg.example/app:latest",
    "REG.example/app": "reg.example/app:latest",
    "reg:5000/a/b/c:v1.2_3-4": "reg:5000/a/b/c:v1.2_3-4",
    "[::1]:5000/app": "[::1]:5000/app:latest",
    "[2001:db8::1]/app": "[2001:db8::1]/app:latest",
    "127.0.0.1:5000/a__b/c--d/e.f": "127.0.0.1:5000/a__b/c--d/e.f:latest",
    f"reg.example/app@{DIGEST}": f"reg.example/app@{DIGEST}",
    f"reg.example/app:v1@{DIGEST}": f"reg.example/app:v1@{DIGEST}",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items(), ids=CANONICAL)
def test_a_reference_has_one_canonical_form(text: str, canonical: str) -> None:
    assert canonical == str(Reference.parse(text))
    assert canonical == str(Reference.parse(canonical))


WRONG = {
    "": "empty",
    " alpine": "white space",
    "alpine\n": "white space",
    "docker://alpine": "a URL",
    "https://reg.example/app": "a URL",
    HEX: "bare image ID",
    "Alpine": "lower case",
    "reg.example/Team/app": "lower case",
    "reg.example/": "missing",
    "/app": "no part",
    "reg.example//app": "no part",
    "app:": "no tag",
    "app:v 1": "no tag",
    f"app:{'v' * 129}": "no tag",
    "app:v1:v2": "no tag",
    "app@": "no digest",
    "app@sha256:123": "no digest",
    f"app@sha256:{HEX.upper()}": "no digest",
    f"app@{DIGEST}0": "no digest",
    f"app@sha512:{HEX * 2}": "only sha256",
    "reg:99999/app": "no registry host",
    "reg:0/app": "no registry host",
    "reg:/app": "no registry host",
    "-reg.example/app": "no registry host",
    "[::1/app": "no registry host",
    "[::g]/app": "no registry host",
    "[::1]x:5000/app": "no registry host",
    "a..b/app": "no registry host",
    "app\N{GREEK SMALL LETTER ALPHA}": "no part",
    "app\0": "no part",
    "a---/b": "no part",
    "reg.example/" + "a" * 250: "more than 255",
    "a" * 10_000: "more than 512",
    "a" * 100 + "-.x/app": "no registry host",
    "[fe80::1%eth0]/app": "no registry host",
}


@pytest.mark.parametrize(("text", "what"), WRONG.items(), ids=range(len(WRONG)))
def test_what_is_no_reference_is_told_with_a_hint(text: str, what: str) -> None:
    with pytest.raises(ImageError) as caught:
        Reference.parse(text)
    assert caught.value.code == "image.reference"
    assert what in caught.value.message
    assert caught.value.hint


def test_upper_case_comes_with_the_name_to_try() -> None:
    with pytest.raises(ImageError) as caught:
        Reference.parse("reg.example/Team/App:V1")
    assert "'team/app'" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("reg.example/app:v1", "reg.example/app:v1"),
        (f"reg.example/app:v1@{DIGEST}", "reg.example/app:v1"),
        (f"reg.example/app@{DIGEST}", "reg.example/app:pinned-0123456789ab"),
    ],
)
def test_an_engine_gets_a_name_that_it_can_tag(text: str, name: str) -> None:
    assert name == Reference.parse(text).local_name()
    assert name == str(Reference.parse(name))


@pytest.mark.parametrize(
    ("text", "asked"), [("app:v1", "v1"), (f"app:v1@{DIGEST}", DIGEST), ("app", "latest")]
)
def test_a_registry_is_asked_for_the_digest_first(text: str, asked: str) -> None:
    assert asked == Reference.parse(text).selector()


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ImageError) as caught:
        Reference.parse("https://me:word@reg.example/app")
    assert "word" not in caught.value.message


COMPONENT = r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}"
REFERENCES = st.from_regex(
    rf"(reg\.example|localhost|\[::1\])(:[1-9][0-9]{{0,3}})?/{COMPONENT}(/{COMPONENT}){{0,3}}"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?(@sha256:[a-f0-9]{64})?",
    fullmatch=True,
)


@given(REFERENCES)
def test_every_reference_survives_a_round_trip(text: str) -> None:
    reference = Reference.parse(text)
    assert reference == Reference.parse(str(reference))
    assert Reference.parse(reference.local_name()).name() == reference.name()


@given(st.text() | st.text("a/:@.[]-_0A"))
def test_any_text_is_a_reference_or_a_clear_error(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except ImageError as error:
        assert error.code == "image.reference"  # noqa: PT017
    else:
        assert reference == Reference.parse(str(reference))


def test_looking_for_an_image_loads_nothing_heavy() -> None:
    heavy = ("urllib.request", "http.client", "ssl", "stamina", "rich", "pydantic")
    code = (
        "import sys, launcher.images, launcher.references, launcher.registry.endpoint;"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
