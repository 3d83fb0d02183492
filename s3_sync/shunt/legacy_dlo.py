"""DLOs of which only the manifest is at the remote store, without a byte of theirs: so versions before 0.2
stored them. What they consist of is where it always was, or was moved by itself."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from swift.common.middleware.dlo import DynamicLargeObject

from s3_sync.model.objects import ObjectInfo
from s3_sync.shunt.request import Environ, StartResponse, find_filter
from s3_sync.shunt.wanted import Wanted


def is_bare(info: ObjectInfo) -> bool:
    marks = info.meta.marks if info.meta is not None else {}
    return not info.size and "x-object-manifest" in marks and "swift-source-dlo-etag" not in marks


def joined(wanted: Wanted, manifest: Any) -> Any:
    """The answer that Swift's own dlo makes of ``manifest``, the answer to a request for that alone. What it
    asks for besides, it asks of both sides."""
    path = wanted.environ["PATH_INFO"]
    dlo = find_filter(wanted.request.app, DynamicLargeObject)
    if dlo is None:
        return manifest

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        behind = manifest if environ["PATH_INFO"] == path else wanted.request.around
        answer: Iterable[bytes] = behind(environ, start_response)
        return answer

    mine = copy.copy(dlo)
    mine.app = app
    return mine
