# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.errors import UsageError
from toolbox.target.name import Name, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("containerd://abc", ("containerd", "abc", "k8s.io", "")),
        ("containerd://moby/abc", ("containerd", "abc", "moby", "")),
        ("docker://web_1", ("docker", "web_1", "", "")),
        ("podman://web.1", ("podman", "web.1", "", "")),
        ("pod/web-0", ("pod", "web-0", "", "")),
        ("pod/web-0/app", ("pod", "web-0", "", "app")),
        ("pod/kube-system/dns-x/", ("pod", "dns-x", "kube-system", "")),
        ("pod/kube-system/dns-x/dns", ("pod", "dns-x", "kube-system", "dns")),
        ("k8s://kube-system/dns-x", ("pod", "dns-x", "kube-system", "")),
        ("k8s://kube-system/dns-x/dns", ("pod", "dns-x", "kube-system", "dns")),
        ("pid:42", ("pid", "42", "", "")),
    ],
)
def test_each_form_is_understood(text: str, expected: tuple[str, str, str, str]) -> None:
    found = parse(text)
    assert (found.kind, found.name, found.namespace, found.container) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "web", "pod", "pod/", "pod//", "pod//web/", "pod/a/b/c/d", "containerd://",
        "containerd:///x", "containerd://a/b/c", "docker://a/b", "docker://", "pid:", "pid:0",
        "pid:-1", "pid:1 ", "pid:٣", "pid:12345678901", "containerd://a b", 'containerd://a"',
        "containerd://-x", "podman://a\n", "k8s://web", "ssh://host", "pod/../x", "docker://$(x)",
    ],
)  # fmt: skip
def test_everything_else_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert "containerd://" in refused.value.hint


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return
    assert isinstance(found, Name)
    assert not set(found.name + found.namespace + found.container) & set(' "\\\n$|()[]*')
