# SPDX-License-Identifier: Apache-2.0
"""How often something runs, as cloud-init's lists of modules say it: `[scripts-user, always]`.

Which modules there are, and their order, is fixed here; how often one runs can be asked for.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from bootstrap_image import spelling, whole
from bootstrap_image.findings import child
from bootstrap_image.forms import Form
from bootstrap_image.step import Frequency
from bootstrap_image.table import as_text

if TYPE_CHECKING:
    from bootstrap_image.table import Table

_LISTS: Final = ("cloud_init_modules", "cloud_config_modules", "cloud_final_modules")
_WORDS: Final = {
    "always": Frequency.ALWAYS,
    "once-per-instance": Frequency.ONCE,
    "once": Frequency.ONCE_EVER,
}
# Modules of cloud-init: the steps here that do what each of them does there. There, runcmd only
# writes the script that scripts_user runs.
_STEPS: Final[dict[str, tuple[str, ...]]] = {
    "bootcmd": ("bootcmd",),
    "runcmd": ("runcmd",),
    "scripts_user": (Form.SCRIPT, "runcmd"),
    "scripts_per_boot": (Form.PER_BOOT,),
    "scripts_per_instance": (Form.PER_INSTANCE,),
    "scripts_per_once": (Form.PER_ONCE,),
    "write_files": ("write_files",),
    "write_files_deferred": ("write_files_deferred",),
    "users_groups": ("users", "users_homes"),
    "ssh": ("ssh_authorized_keys",),
    "growpart": ("growpart",),
    "resizefs": ("growpart",),
    "mounts": ("mounts", "swap"),
    "set_hostname": ("hostname",),
    "update_hostname": ("hostname",),
    "update_etc_hosts": ("manage_etc_hosts",),
    "ca_certs": ("ca_certs",),
    "ntp": ("ntp",),
    "timezone": ("timezone",),
    "final_message": ("final_message",),
}
# Those that do nothing here, and are called almost like one that does.
_OTHERS: Final = frozenset(
    {"scripts_vendor", "ssh_import_id", "ssh_authkey_fingerprints", "set_passwords", "resolv_conf"}
)
_NEVER_AGAIN: Final = ("disk_setup", "fs_setup")


def read(config: Table) -> dict[str, Frequency]:
    """The frequency of each step, or of each form of scripts, that the lists give one."""
    found: dict[str, Frequency] = {}
    for key in _LISTS:
        found |= whole.read(config, key, functools.partial(_list, key)) or {}
    return found


def _list(key: str, config: Table) -> dict[str, Frequency]:
    found: dict[str, Frequency] = {}
    plain = False
    for number, item in enumerate(config.rows(key)):
        words = _words(item)
        plain = plain or len(words) == 1
        if len(words) == 2:
            found |= _frequency(words, child(key, number), config)
        elif len(words) != 1:
            config.error(child(key, number), "expected a module, or [module, frequency]")
    if plain:
        config.report.warning(
            config.at(key), "the modules and their order are fixed here; how often one runs counts"
        )
    return found


def _words(item: Any) -> list[str]:
    """Name and frequency; one word without a frequency, none for what is neither."""
    if isinstance(item, dict) and item.keys() <= {"name", "frequency"}:
        item = [item.get("name"), item.get("frequency")]
    words = [as_text(word) for word in (item if isinstance(item, list) else [item])]
    return [word for word in words if word] if all(words) else []


def _frequency(words: list[str], path: str, config: Table) -> dict[str, Frequency]:
    name, word = words[0].replace("-", "_").lower(), words[1].lower()
    frequency = _WORDS.get(word)
    if frequency is None:
        config.error(path, f"expected one of {', '.join(_WORDS)}")
    elif name in _NEVER_AGAIN:
        if frequency is Frequency.ALWAYS:
            config.error(path, f"{name} never runs at each boot: it could empty the disk each time")
    elif name not in _STEPS:
        _unknown(name, path, config)
    else:
        return dict.fromkeys(_STEPS[name], frequency)
    return {}


def _unknown(name: str, path: str, config: Table) -> None:
    meant = "" if name in _OTHERS else spelling.closest(name, _STEPS)
    if meant:
        config.error(path, f"this module is not known here; did you mean {meant}?")
    else:
        config.report.warning(config.at(path), "this module does nothing here")
