# SPDX-License-Identifier: Apache-2.0
"""Names and addresses become stand-ins, always the same."""

from __future__ import annotations

import re

from toolbox.collect.disguise import Disguise


def test_the_same_name_gets_the_same_stand_in_everywhere() -> None:
    disguise = Disguise({"node7.example.com", "node7"})
    one = disguise(b"node7.example.com kubelet: NODE7 is node7.example.com, not node77")
    assert one == b"host-1 kubelet: host-2 is host-1, not node77"
    assert disguise(b"node7") == b"host-2"


def test_addresses_keep_their_form() -> None:
    disguise = Disguise(())
    line = disguise(b"10.1.2.3:6443 fe80::1%eth0 ::ffff:10.9.9.9 aa:bb:cc:dd:ee:ff 10.1.2.3")
    assert re.fullmatch(
        rb"198\.18\.0\.1:6443 2001:db8::1%eth0 2001:db8::2 02:00:00:00:00:01 198\.18\.0\.1", line
    )


def test_what_names_no_machine_stays() -> None:
    line = b"127.0.0.1 0.0.0.0 ::1 :: 255.255.255.0 12:30:45 localhost 1.2.3 sha256:ab:cd"
    assert Disguise({"localhost"})(line) == line


def test_a_long_text_is_replaced_to_its_end() -> None:
    text = b"node7 has 10.1.2.3\n" * 150_000 + b"node7"
    disguise = Disguise({"node7"})
    assert disguise.whole(text) == b"host-1 has 198.18.0.1\n" * 150_000 + b"host-1"


def test_the_mapping_leads_back() -> None:
    disguise = Disguise({"node7"})
    disguise(b"node7 has 10.1.2.3, as ip-10-1-2-3")
    assert disguise.mapping() == {
        "names": {"node7": "host-1", "ip-10-1-2-3": "host-2"},
        "ipv4": {"10.1.2.3": "198.18.0.1"},
        "ipv6": {},
        "mac": {},
    }
