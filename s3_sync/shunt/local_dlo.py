"""DLOs in the cluster whose segments are in the bucket.

Swift's dlo lists the segments and reads each of them, from what stands right of it. There a segment that was
moved is not, and a large object without any is an empty one. So what dlo asks for in a container whose
objects are moved comes by here, once more, and is answered by both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from swift.common.middleware.dlo import DynamicLargeObject

from s3_sync.shunt.request import App, Environ, StartResponse, find_filter

#: what dlo calls its requests
_DLO = "DLO"
_AROUND = "s3_sync.around"


class Detour:
    """WSGI middleware right of dlo. ``around``: the pipeline from cloud-shunt on, for requests that
    ``concerns`` is true of."""

    def __init__(self, app: App, around: App, concerns: Callable[[Environ], bool]) -> None:
        self.app = app
        self._around = around
        self._concerns = concerns

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        app = self.app
        if environ.get("swift.source") == _DLO and _AROUND not in environ and self._concerns(environ):
            environ[_AROUND] = True
            app = self._around
        return app(environ, start_response)


def make_detour(pipeline: App, around: App, concerns: Callable[[Environ], bool]) -> None:
    """Lead what the dlo of ``pipeline`` asks for through ``around``."""
    dlo = find_filter(pipeline, DynamicLargeObject)
    if dlo is not None:
        dlo.app = Detour(dlo.app, around, concerns)
