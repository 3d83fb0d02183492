"""A request that is ours to look at, and what the local cluster says to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from swift.common.utils import close_if_possible, drain_and_close
from swift.common.wsgi import WSGIContext

from s3_sync.shunt.mapping_table import MappedContainer

#: how access logs of Swift call requests that we make
SOURCE = "1space-shunt"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """``account``, ``container``, ``name`` are text, not WSGI's latin-1; ``name`` is empty for a container.

    ``app`` is the rest of the pipeline, the local cluster. ``around``: the middleware with it, for requests
    of ours that both sides are to answer.
    """

    environ: Environ
    app: App
    around: App
    target: MappedContainer
    account: str
    container: str
    name: str = ""

    @property
    def method(self) -> str:
        method: str = self.environ["REQUEST_METHOD"]
        return method

    @property
    def path(self) -> str:
        """For log lines."""
        return "/".join(filter(None, (self.account, self.container, self.name)))

    def ask_local(self) -> Local:
        """Let the local cluster answer this very request."""
        return Local(self.app, self.environ)


class Local:
    """The local cluster's answer, its body still to be read: ``give`` it, or ``drop`` it."""

    def __init__(self, app: App, environ: Environ) -> None:
        context = WSGIContext(app)
        self._context = context
        self._body: Iterable[bytes] = context._app_call(environ)
        self.status: int = context._get_status_int()
        self.headers: Headers = context._response_headers

    def header(self, name: str) -> str | None:
        """``name`` in any case."""
        value: str | None = self._context._response_header_value(name)
        return value

    def give(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the client with it, unchanged."""
        start_response(self._context._response_status, self.headers, self._context._response_exc_info)
        return self._body

    def read(self) -> bytes:
        """The body, which must be small; ``give`` still works."""
        body = b"".join(self._body)
        close_if_possible(self._body)
        self._body = [body]
        return body

    def drop(self) -> None:
        """Nobody wants the body, which is small."""
        drain_and_close(self._body)
        self._body = []


def find_filter(app: Any, kind: type) -> Any:
    """The first filter of this kind in a pipeline, or None."""
    while app is not None and not isinstance(app, kind):
        app = getattr(app, "app", None)
    return app


def to_text(wsgi: str) -> str:
    """A WSGI string as text. Raises UnicodeDecodeError."""
    return wsgi if wsgi.isascii() else wsgi.encode("latin-1").decode("utf-8")


def to_wsgi(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8").decode("latin-1")
