"""A bucket in memory of which requests may be carried out when nobody waits for their answers any more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from s3_sync.errors import RemoteError, RemoteUnavailable
from s3_sync.model.objects import PutOptions, PutResult
from s3_sync.streams.reader import Body, BytesBody, read_all
from unit.sync.store import WatchedBucket

#: what may come late; an upload that begins late is looked for a week after
LATE = ("put", "post", "delete", "delete_objects", "complete", "put_manifest", "delete_manifest")
LARGEST = 1_000_000


class Late(Exception):
    """Raised by ``before``: this request is still on its way when its sender has given up."""


class LateBucket(WatchedBucket):
    """``land`` carries out what is on its way, on its conditions at that time."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._late: list[Callable[[], Any]] = []

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        data = read_all(body, LARGEST)  # while there is something to read from
        return super().put_object(name, BytesBody(data), options)

    def land(self) -> None:
        late, self._late = self._late, []
        for act in late:
            with contextlib.suppress(RemoteError):
                act()

    def _call(self, method: str, name: str, act: Callable[[], Any]) -> Any:
        try:
            return super()._call(method, name, act)
        except Late:
            self._late.append(act)
            raise RemoteUnavailable("no answer in time") from None
