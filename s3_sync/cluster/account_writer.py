"""Writes into one account of the local cluster; how a request gets there differs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from s3_sync.errors import BadDigest, LocalChanged, LocalUnavailable, ObjectRefused, SyncError
from s3_sync.model.headers import from_swift
from s3_sync.model.objects import LocalInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import CHUNK, Body

#: an object exists, something newer exists, the container does not exist
_CHANGED = frozenset({202, 404, 409, 412})
_UNPROCESSABLE = 422


class AccountWriter(ABC):
    """Writes into one account with full rights to it; see ``transfer.restore.LocalWriter``."""

    @abstractmethod
    def request(
        self,
        method: str,
        container: str = "",
        name: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        body: Input | None = None,
        query: str = "",
    ) -> tuple[int, Mapping[str, str]]:
        """Send a request and read its response. Returns the status and the headers, whose names are found in
        any case. Raises LocalUnavailable without a response."""

    def put_container(self, container: str) -> None:
        status, _ = self.request("PUT", container)
        if status // 100 != 2:
            raise _error(status, f"PUT {container}")

    def put_object(
        self, container: str, name: str, body: Body, headers: Mapping[str, str], query: str = ""
    ) -> str:
        what = f"PUT {container}/{name}"
        stream = Input(body)
        status, answer = self.request("PUT", container, name, headers=headers, body=stream, query=query)
        if status == 201:
            return answer.get("Etag", "").strip('"')
        if stream.error is not None:
            raise stream.error
        if status in _CHANGED:
            raise LocalChanged(f"{what}: an object exists, or the container does not (status {status})")
        raise _error(status, what)

    def find(self, container: str, name: str) -> LocalInfo | None:
        status, headers = self.request("HEAD", container, name)
        if status == 404:
            return None
        if status != 200:
            raise _error(status, f"HEAD {container}/{name}")
        etag, size = headers["Etag"].strip('"'), int(headers["Content-Length"])
        timestamp = Timestamp.parse(headers.get("X-Backend-Timestamp") or headers["X-Timestamp"])
        written = headers.get("X-Backend-Data-Timestamp")
        return LocalInfo(
            name,
            size,
            etag,
            meta=from_swift(headers.items()),
            data_timestamp=Timestamp.parse(written) if written else timestamp,
            timestamp=timestamp,
        )

    def post_object(self, container: str, name: str, headers: Mapping[str, str]) -> None:
        """Update the metadata unless the object is gone or has newer metadata. Raises LocalUnavailable."""
        status, _ = self.request("POST", container, name, headers=headers)
        if status // 100 != 2 and status not in _CHANGED:
            raise _error(status, f"POST {container}/{name}")

    def delete_object(self, container: str, name: str, timestamp: Timestamp) -> None:
        headers = {"x-timestamp": timestamp.internal}
        status, _ = self.request("DELETE", container, name, headers=headers)
        if status // 100 != 2 and status not in (404, 409):
            raise _error(status, f"DELETE {container}/{name}")


class Input:
    """A Body as ``wsgi.input``. Its error is kept: to the proxy it looks like a client that disconnected."""

    def __init__(self, body: Body) -> None:
        self.length = body.length
        self.error: SyncError | None = None
        self._body = body

    def read(self, size: int = -1) -> bytes:
        try:
            return self._body.read(CHUNK if size < 0 else size)
        except SyncError as error:
            self.error = error
            raise OSError(str(error)) from error


def _error(status: int, what: str) -> SyncError:
    if status == _UNPROCESSABLE:
        return BadDigest(f"{what}: the MD5 of the bytes differs")
    if status // 100 == 4 and status not in (408, 499):
        return ObjectRefused("local_refused", f"{what}: status {status}")
    return LocalUnavailable(f"{what}: status {status}")


def to_wsgi(text: str) -> str:
    """Encode a header's value or a path as a WSGI string (bytes as latin-1 characters)."""
    return text.encode("utf-8").decode("latin-1")
