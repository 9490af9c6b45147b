# SPDX-License-Identifier: Apache-2.0
"""The programs of the real image: each is started, and the network's are tried against a server."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from bootstrap_image import refused
from bootstrap_image.spec import Exit, Job, Status
from tests.bootstrap_image.container import Machine

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine

# How each is asked for no more than that it runs; all of the image's own.
TOOLS = """
bash --version
ls --version
sha256sum --version
awk 1 /dev/null
sed --version
grep --version
find --version
xargs --version
tar --version
gzip --version
curl --version
wget --version
jq --version
python3 -c 'import yaml, ssl, json, urllib.request, ctypes'
perl -e 1
mount --version
umount --version
findmnt --version
lsblk --version
blkid --version
wipefs --version
sfdisk --version
losetup --version
blockdev --version
fallocate --version
swapon --version
mkswap --version
flock --version
chroot --version
nsenter --version
unshare --version
mkfs.ext4 -V
e2fsck -V
tune2fs -l /dev/zero || test $? = 1
resize2fs /dev/zero || test $? = 1
mkfs.xfs -V
xfs_repair -V
xfs_growfs -V
growpart --help
mdadm --version
service dbus status || test $? != 127
reboot --no-such-option || test $? != 127
lvs --version
pvcreate --version
vgcreate --version
modprobe --version
depmod --version
ip -V
ss -V
bridge -V
sysctl --version
ps --version
systemctl --version
journalctl --version
hostnamectl --version
timedatectl --version
udevadm --version
cloud-init-per always x true
parted --version
ethtool --version
nvme version
nft --version
iptables --version
ip6tables --version
ipset --help
xz --version
zstd --version
bzip2 --help
unzip -v
sudo -E A=b sh -c 'test $A-$(id -u) = b-0'
sudo -u root -- true
sudo -i || test $? = 64
""".strip().splitlines()


def test_every_tool_runs_when_etc_and_var_are_the_hosts(image: str, tmp_path: Path) -> None:
    lines = "".join(
        f"({line}) > /tmp/said 2>&1 || {{ echo '{line.split()[0]}:' $?; cat /tmp/said; }}\n"
        for line in TOOLS
    )
    with Machine(tmp_path, "--cap-add=SYS_ADMIN") as machine:
        record = machine.once(f"#!/bin/bash\n{lines}")
        assert record.last_lines == ()
        assert record.status == Status.SUCCEEDED, machine.output


def test_programs_that_would_wreck_the_hosts_etc_do_what_it_needs_or_are_refused(
    image: str, tmp_path: Path
) -> None:
    script = f"""#!/bin/bash
mkdir -p /etc/ssl/certs /usr/local/share/ca-certificates
cp /usr/lib/hatchway/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
cp /etc/ssl/certs/ca-certificates.crt /opt/before
sed -n '/BEGIN/,/END/p;/END/q' /opt/before > /usr/local/share/ca-certificates/corp.crt
update-ca-certificates --fresh && update-ca-trust extract || exit 1
cmp -n "$(stat -c %s /opt/before)" /opt/before /etc/ssl/certs/ca-certificates.crt || exit 2
[ "$(stat -c %s /etc/ssl/certs/ca-certificates.crt)" -gt "$(stat -c %s /opt/before)" ] || exit 3
for name in {" ".join(refused.PROGRAMS)}; do
    "$name" --help
    [ $? = {refused.STATUS} ] || {{ echo "$name" was run; exit 4; }}
done
[ ! -e /etc/ld.so.cache ] || exit 5
"""
    with Machine(tmp_path) as machine:
        record = machine.once(script)
        assert record.status == Status.SUCCEEDED, machine.output
        (finding,) = machine.summary().findings
        assert "apt-get" in finding["message"]


SERVER = """
import http.server, ssl
server = http.server.HTTPServer(("127.0.0.1", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/opt/server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@pytest.mark.parametrize("place", ["etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/cert.pem"])
def test_fetchers_trust_what_the_host_trusts_wherever_it_keeps_it(
    image: str, tmp_path: Path, place: str
) -> None:
    with Machine(tmp_path) as machine:
        certificate, key = tmp_path / place, tmp_path / "opt/server.key"
        certificate.parent.mkdir(parents=True)
        subprocess.run(
            ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
            check=True, capture_output=True,
        )  # fmt: skip
        (tmp_path / "opt/server.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
        (tmp_path / "opt/server.py").write_text(SERVER)
        (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
        record = machine.once(
            "#!/bin/bash\npython3 /opt/server.py 2> /dev/null &\n"
            "until curl -sk https://localhost:8443/ > /dev/null; do sleep 0.1; done\n"
            "wget -qO- https://localhost:8443/opt/server.py | head -n 2 | tail -n 1\n"
            "curl -sS https://localhost:8443/opt/server.py | head -n 2 | tail -n 1\n"
            "SSL_CERT_FILE= wget -q https://localhost:8443/opt/server.py || echo refused\n",
            timeout=20,
        )
        assert record.last_lines == (*["import http.server, ssl"] * 2, "refused")


def test_cloud_init_per_runs_a_command_as_often_as_it_says(image: str, tmp_path: Path) -> None:
    commands = "".join(
        f"- [cloud-init-per, {often}, {often}, sh, -c, 'echo {often} >> /opt/ran']\n"
        for often in ("once", "instance", "always")
    )
    fails = "- [cloud-init-per, once, fails, sh, -c, 'echo fails >> /opt/ran; false']\n"
    with Machine(tmp_path) as machine:
        for _ in range(2):
            machine.write(Job("a", "user-data/a"), a=f"#cloud-config\nbootcmd:\n{fails}{commands}")
            assert machine.run() == Exit.DONE, machine.output
    ran = (tmp_path / "opt/ran").read_text().split()
    assert ran == ["fails", "once", "instance", "always", "fails", "always"]
