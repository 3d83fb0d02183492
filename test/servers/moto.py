"""moto: an S3 with lifecycle, storage classes, tagging, versioning; checks no signature and no digest."""

from __future__ import annotations

from servers.process import UNMEASURED, Child, python_module
from servers.s3 import S3Server

_IN_MEMORY = 5 << 20


class MotoServer(S3Server):
    """moto's own server. Its buckets are in memory: `halt()` forgets them."""

    name = "moto"

    def __init__(self, *, min_part: int | None = None) -> None:
        """``min_part``: bytes that all parts but the last must have, if not S3's 5 MiB."""
        super().__init__()
        # what is larger is kept in a file, always open; moto's default is a little less than a part
        self._limits = {"MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(_IN_MEMORY)}
        if min_part is not None:
            self._limits["S3_UPLOAD_PART_MIN_SIZE"] = str(min_part)

    def _prepare(self) -> None:
        port = self._reserve()
        command = python_module("moto.server", "--host", port.ip, "--port", str(port.port))
        log = self.log_dir / "moto.log"
        environment = UNMEASURED | self._limits
        self.children["moto"] = Child("moto", command, log, environment=environment, outlive=self.keep)
