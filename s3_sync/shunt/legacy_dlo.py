"""DLOs whose manifest alone is at the remote store, without their bytes, as versions before 0.2 stored them.

Their segments are where they always were, or were moved as objects of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TypeAlias

from swift.common.middleware.dlo import DynamicLargeObject
from swift.common.swob import Response as SwobResponse

from s3_sync.model.objects import ObjectInfo
from s3_sync.shunt.request import Environ, RemoteLookup, StartResponse, find_filter

#: a response, or Swift's dlo filter that makes one; both are WSGI applications
Answer: TypeAlias = SwobResponse | DynamicLargeObject


def is_bare(info: ObjectInfo) -> bool:
    """Return whether the copy is such a manifest."""
    marks = info.meta.marks
    return not info.size and "x-object-manifest" in marks and "swift-source-dlo-etag" not in marks


def joined(lookup: RemoteLookup, manifest: SwobResponse) -> Answer:
    """Return the response that Swift's dlo filter makes of ``manifest``, the response for the manifest alone.

    The filter's own subrequests see both the cluster and the remote store.
    """
    path = lookup.environ["PATH_INFO"]
    dlo = find_filter(lookup.request.app, DynamicLargeObject)
    if dlo is None:
        return manifest

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        behind = manifest if environ["PATH_INFO"] == path else lookup.request.around
        answer: Iterable[bytes] = behind(environ, start_response)
        return answer

    mine = copy.copy(dlo)
    mine.app = app
    return mine
