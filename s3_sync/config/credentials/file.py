"""Credentials of a mounted share: a directory, whose subdirectories are buckets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import ClassVar, Literal

from s3_sync.config.credentials.base import Credentials, Place
from s3_sync.config.credentials.permissions import Operation
from s3_sync.config.file.types import OptionalText

#: of other kinds of stores: a share has neither an address nor a login of its own
_WITHOUT_EFFECT = ("endpoint", "identity", "secret", "region", "verify_tls", "ca_bundle")
_SHARE_ID = re.compile(r"[0-9a-f]{32}")
_MAX_NAME = 255
_READS = frozenset(
    {Operation.HEAD, Operation.GET, Operation.LIST, Operation.LIST_UPLOADS, Operation.LIST_BUCKETS}
)


class FileCredentials(Credentials):
    """``path``: the directory of the share, or one in it, which ``swift-s3-ctl share`` has set up.

    ``share_id``: the id that was printed then. Without it, whatever share is mounted when a process begins is
    the right one."""

    hashes_keys: ClassVar[bool] = False
    needs_set_up: ClassVar[bool] = True
    _own_lines: ClassVar[frozenset[str]] = Credentials._own_lines | {"path", "share_id"}

    provider: Literal["file"]
    path: OptionalText = None
    share_id: OptionalText = None

    @property
    def store_id(self) -> str:
        return self._path

    @property
    def account(self) -> str:
        """Another share has other buckets, wherever it is mounted."""
        return self.share_id or ""

    @property
    def bucket_space(self) -> tuple[str, str]:
        """With and without ``share_id``."""
        return self.store_id, ""

    @property
    def location(self) -> str:
        return f"file://{self._path}"

    @property
    def stats_name(self) -> str:
        return self._path

    @property
    def short_name(self) -> str:
        return os.path.basename(self._path)

    @property
    def throttle_key(self) -> tuple[str, str | None]:
        return self.store_id, None

    @property
    def _path(self) -> str:
        return os.path.normpath(self.path or "/")

    @property
    def has_conditional_writes(self) -> bool:
        return True

    @property
    def maybe_this_cluster(self) -> str | None:
        return None

    @property
    def no_expiry_rules(self) -> str:
        return "a share has no rules by which files expire; delete old files there with a job of your own"

    def grant(self, operation: Operation, bucket: str) -> str:
        where = f"{self._path}/{bucket}"
        if operation in (Operation.LIST_BUCKETS, Operation.CREATE_BUCKET):
            where = self._path
        right = "read" if operation in _READS else "write"
        return f"the right to {right} {where} and all that is in it, for the user that runs this program"

    def check(self, place: Place) -> None:
        self.require(place, ("path",), "is required: the directory where the share is mounted")
        for name in _WITHOUT_EFFECT:
            if getattr(self, name) != type(self).model_fields[name].default:
                place.warning(name, "has no effect with provider file")
        if self.path is not None:
            self._check_path(place)
        if self.share_id is None:
            why = "any share that is mounted there when a process begins is taken for the right one"
            place.warning("share_id", f"is missing, so {why}; swift-s3-ctl share prints it")
        elif not _SHARE_ID.fullmatch(self.share_id):
            place.problem("share_id", "must be the 32 hexadecimal digits that swift-s3-ctl share prints")

    def _check_path(self, place: Place) -> None:
        if not os.path.isabs(self.path or "") or self._path == "/":
            place.problem("path", "must be the absolute path of a directory below /")
        elif not os.path.isdir(self._path):
            place.warning("path", f"{self._path} is not a directory on this machine")

    def check_bucket(self, bucket: str) -> str:
        if bucket in (".", "..") or bucket.startswith("%") or "\\" in bucket:
            return f'"{bucket}" is not the name of a directory that can be used'
        if len(bucket.encode("utf-8")) > _MAX_NAME:
            return f"is longer than {_MAX_NAME} bytes"
        return ""

    def check_storage_class(self, storage_class: str) -> str:
        return "has no effect with file stores"

    def described(self) -> str:
        return f"share {self.share_id}" if self.share_id else "whatever share is mounted"

    def described_endpoint(self) -> str:
        return self._path

    def options(self) -> Iterator[tuple[str, object]]:
        for name, value in super().options():
            if name not in _WITHOUT_EFFECT:
                yield name, value
