"""A mounted share as an account; its buckets are the directories that were set up as such."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from s3_sync.config.credentials.file import FileCredentials
from s3_sync.http.pool import Timeouts
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import BucketEntry, WriteOptions
from s3_sync.providers.file.bucket import FileBucket
from s3_sync.providers.file.share import Share
from s3_sync.providers.file.site import Site

_PLAIN = WriteOptions()
#: threads of one share, in which all of its calls are made: those of a share that hangs stay occupied
MAX_THREADS = 32


class FileProvider:
    """See ``Provider``."""

    def __init__(
        self, credentials: FileCredentials, *, connections: int = 32, timeouts: Timeouts | None = None
    ) -> None:
        timeout = credentials.read_timeout if timeouts is None else timeouts.read
        self.share = Share(
            credentials.path or "",
            credentials.share_id or "",
            connections=min(connections, MAX_THREADS),
            timeout=timeout,
        )

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> FileBucket:
        return FileBucket(self.share, name, namer)

    def list_buckets(self) -> Iterator[BucketEntry]:
        found = self.share.call("list the directories", lambda touch: self.share.bucket_names())
        ordered = sorted(found, key=lambda entry: entry[0].encode("utf-8", "surrogateescape"))
        return iter([BucketEntry(name, created) for name, created in ordered])

    def head_bucket(self, name: str) -> Mapping[str, str]:
        def head() -> None:
            with Site.of(self.share, name):
                pass

        self.share.call(f"look at {name}", lambda touch: head())
        return {}

    def head_account(self) -> Mapping[str, str]:
        return {}

    def create_bucket(self, name: str, storage_policy: str = "") -> None:
        """Make a directory a bucket. The share itself must have been set up (``Share.set_up``)."""
        self.share.call(f"make the directory {name}", lambda touch: self.share.create_bucket(name))

    def is_set_up(self) -> bool:
        """Raises RemoteUnavailable if another share is mounted than the credentials name."""
        return self.share.call("look at it", lambda touch: self.share.is_set_up())

    def set_up(self, sidecars: bool | None = None) -> str:
        """Make the mounted directory a share, unless it is one; return its id. Only an operator may say so:
        an empty directory might be one where a share is not mounted."""
        return self.share.call("set up", lambda touch: self.share.set_up(sidecars)).share

    def delete_bucket(self, name: str) -> None:
        self.share.call(f"delete the directory {name}", lambda touch: self.share.delete_bucket(name))

    def close(self) -> None:
        self.share.close()
