"""Ceph's programs, from the packages of Debian 12, unpacked into a folder; nobody need be root.

`python -m servers.ceph_packages`, as `bin/test` does it, downloads them once (40 MB, some 20 seconds).
Servers and tests only look whether they are there. The folder is `.venv/tools/ceph`, or `$CEPH_PREFIX`,
which is `/` where they are installed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from servers import tools
from servers.tools import Unavailable

#: the one whose behaviour `conformance/targets.py` describes
VERSION = "16.2."
PACKAGES = ("radosgw", "ceph-mon", "ceph-osd")
PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "monmaptool", "osdmaptool")
#: dependencies of the packages that none of these programs needs
NEEDLESS = (
    *("python3-", "lvm2", "libdevmapper", "liblvm", "dmeventd", "cryptsetup", "gdisk", "hdparm", "logrotate"),
    *("nvme", "libnvme", "dmidecode", "parted", "libparted", "smartmontools", "xfsprogs", "sudo"),
    *("uuid-runtime", "libcephfs", "librbd", "libradosstriper", "librgw2", "libinih", "liburcu", "libpopt"),
)
#: seconds that all of it may take
PATIENCE = 180.0


def prefix() -> Path:
    return Path(os.environ.get("CEPH_PREFIX") or tools.TOOLS / "ceph")


def missing() -> str:
    """Why a gateway cannot be started here; empty if it can."""
    if all((prefix() / "usr/bin" / program).exists() for program in PROGRAMS):
        return ""
    reason = tools.reason("ceph", "bin/test fetches them")
    return f"Ceph's programs are not in {prefix()} ({reason})"


def libraries() -> list[Path]:
    """The folders in which the dynamic linker finds what the programs need."""
    found = (*prefix().glob("usr/lib/*-linux-gnu*"), *prefix().glob("lib/*-linux-gnu*"))
    return [*found, *(each / "ceph" for each in found if (each / "ceph").is_dir())]


def plugins() -> Path:
    """The folder of architecture-dependent libraries in which Ceph has its plug-ins."""
    return next(each.parent for each in prefix().glob("usr/lib/*/rados-classes"))


def fetch() -> None:
    """Download and unpack the packages unless that was done. Raises Unavailable."""
    with tools.alone("ceph"):
        if missing():
            scratch = tempfile.TemporaryDirectory(prefix="ceph-", dir=tools.TOOLS, ignore_cleanup_errors=True)
            with tools.noted("ceph"), scratch as directory:
                _fetch(Path(directory))


def _fetch(scratch: Path) -> None:
    if shutil.which("apt-get") is None:
        raise Unavailable("there is no apt-get")
    apt = _Apt(scratch)
    try:
        apt.download()
    except Unavailable:
        apt.update()
        apt.download()
    root = scratch / "root"
    for package in sorted(apt.packages.glob("*.deb")):
        apt.run(["dpkg-deb", "-x", str(package), str(root)])
    for each in (root / "usr/bin").iterdir():
        if each.name not in PROGRAMS:
            each.unlink()
    for needless in (
        "usr/share",
        "usr/sbin",
        "etc",
        "lib/systemd",
        "usr/lib/systemd",
        "lib/udev",
        "sbin",
        "var",
    ):
        shutil.rmtree(root / needless, ignore_errors=True)
    shutil.rmtree(prefix(), ignore_errors=True)
    root.rename(prefix())


class _Apt:
    """apt-get with the machine's lists of packages, or after `update()` with fresh ones of our own."""

    def __init__(self, scratch: Path) -> None:
        self.packages = scratch / "packages"
        self.packages.mkdir()
        self._own = scratch / "apt"
        self._options = ["-o", "APT::Sandbox::User=", "-o", "Acquire::http::Timeout=20"]
        self._deadline = time.monotonic() + PATIENCE

    def update(self) -> None:
        for name in ("lists/partial", "cache/archives/partial"):
            (self._own / name).mkdir(parents=True)
        self._options += ["-o", f"Dir::State::lists={self._own}/lists", "-o", f"Dir::Cache={self._own}/cache"]
        self._apt("update")

    def download(self) -> None:
        """The packages and those of their dependencies that this machine lacks."""
        plan = self._apt("install", "--simulate", "--no-install-recommends", *PACKAGES)
        planned = [line.split() for line in plan.splitlines() if line.startswith("Inst ")]
        versions = {words[1]: words[2].lstrip("(") for words in planned}
        if "radosgw" not in versions:
            raise Unavailable("the packages are installed: set CEPH_PREFIX=/")
        if not versions["radosgw"].startswith(VERSION):
            raise Unavailable(
                f"apt has Ceph {versions['radosgw']}, and the tests know {VERSION}x of Debian 12"
            )
        self._apt("download", *(name for name in versions if not name.startswith(NEEDLESS)))

    def run(self, command: Sequence[str]) -> str:
        """What it printed, in the time that is left. Raises Unavailable if it fails."""
        left = max(1.0, self._deadline - time.monotonic())
        return tools.run(command, left, environment=os.environ | {"LC_ALL": "C"}, cwd=self.packages)

    def _apt(self, *arguments: str) -> str:
        return self.run(["apt-get", "-q", *self._options, *arguments])


if __name__ == "__main__":
    tools.main("Ceph gateway", fetch)
