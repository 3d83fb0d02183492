"""moto: an S3 with lifecycle, storage classes, tagging, versioning; checks no signature and no digest."""

from __future__ import annotations

from servers.process import UNMEASURED, Child, python_module
from servers.s3 import S3Server


class MotoServer(S3Server):
    """moto's own server. Its buckets are in memory: `halt()` forgets them."""

    name = "moto"

    def _prepare(self) -> None:
        port = self._reserve()
        command = python_module("moto.server", "--host", port.ip, "--port", str(port.port))
        log = self.log_dir / "moto.log"
        self.children["moto"] = Child("moto", command, log, environment=UNMEASURED, outlive=self.keep)
