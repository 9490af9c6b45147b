# SPDX-License-Identifier: Apache-2.0
"""Programs that would do harm on a host like this, or nothing: refused by name, with a way out.

The image has a link of each name to `static/refuse`. /etc is the host's here and /usr is not, so
that a program which makes one from the other would fit neither.
"""

from __future__ import annotations

import sys
from typing import Final

STATUS: Final = 126  # found, and cannot be invoked: as shells have it
SAYING: Final = "cannot be used in user data"

_PACKAGES: Final = (
    "the host has no packages: its root is an image, and this container ends with the boot; "
    "put a static binary below /opt, or use a bootstrap container with an image of your own"
)
_BOOT: Final = (
    "the boot loader, the kernel and its initramfs belong to the host's image; set what can be set "
    "at run time in /etc/sysctl.d or /etc/modules-load.d"
)
_LINKS: Final = "the host's /usr is read-only; make a link below /usr/local/bin"
_LOCALES: Final = "the host's locales belong to its image; C.UTF-8 is always there"
_SERVICES: Final = "the host has systemd and no init scripts; use systemctl enable or disable"

_NAMES: Final = {
    _PACKAGES: "apt apt-get apt-key apt-mark add-apt-repository aptitude dnf microdnf yum rpm "
    "zypper apk pacman snap flatpak rpm-ostree dpkg",
    _BOOT: "update-grub update-grub2 grub-mkconfig grub2-mkconfig grub-install grub2-install "
    "grubby update-initramfs mkinitramfs dracut kexec",
    _LINKS: "update-alternatives alternatives",
    _LOCALES: "locale-gen update-locale",
    _SERVICES: "update-rc.d chkconfig insserv",
    "it would write the libraries of this image into the host's /etc/ld.so.cache; set "
    "LD_LIBRARY_PATH in the unit that needs a library": "ldconfig",
    "it asks for what only Debian has; use useradd, groupadd, userdel or groupdel": (
        "adduser addgroup deluser delgroup"
    ),
    "it would write what is this image's into the host's /etc": "update-passwd add-shell "
    "remove-shell update-shells pam-auth-update systemd-sysusers",
    "it is not in this image; compare a sha256sum, or use a bootstrap container with an image of "
    "your own": "gpg gpg2 gpgv",
    "the host has no packages to configure; set timezone, hostname and the like in a "
    "cloud-config": "dpkg-reconfigure",
}
PROGRAMS: Final = {name: why for why, names in _NAMES.items() for name in names.split()}


def main(name: str) -> int:
    sys.stderr.write(f"{name}: {SAYING}: {PROGRAMS[name]}\n")
    return STATUS
