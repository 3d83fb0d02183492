"""DLOs in the cluster whose segments are in the bucket.

Swift's dlo filter lists and reads the segments from the filters to its right, which do not have a moved
segment: the large object would be empty. So the filter's subrequests for a container whose objects are moved
are routed through cloud-shunt again, which serves both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from swift.common.middleware.dlo import DynamicLargeObject

from s3_sync.shunt.request import App, Environ, StartResponse, find_filter

#: ``swift.source`` of dlo's subrequests
_DLO = "DLO"
_AROUND = "s3_sync.around"


class Detour:
    """WSGI middleware to the right of dlo. ``around``: the pipeline from cloud-shunt on, for requests that
    ``concerns`` selects."""

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
    """Route the subrequests of the pipeline's dlo filter through ``around``."""
    dlo = find_filter(pipeline, DynamicLargeObject)
    if dlo is not None:
        dlo.app = Detour(dlo.app, around, concerns)
