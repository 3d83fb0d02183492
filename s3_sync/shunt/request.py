"""A request for a mapped container, the local cluster's response to it, and the object to look up
remotely."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from swift.common.swob import Request as SwobRequest
from swift.common.utils import close_if_possible, drain_and_close
from swift.common.wsgi import WSGIContext, make_subrequest

from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.shunt.mapping_table import MappedContainer

#: ``swift.source`` of our subrequests, shown in Swift's access logs
SOURCE = "1space-shunt"
#: key of a request's time, which the proxy sets when it handles the request
TIMESTAMP = "HTTP_X_TIMESTAMP"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Headers = list[tuple[str, str]]
Filter = TypeVar("Filter")


class HasEnviron(Protocol):
    @property
    def environ(self) -> Environ: ...


@dataclass(frozen=True, slots=True)
class Request:
    """``account``, ``container``, ``name`` are text, not WSGI's latin-1; ``name`` is empty for a container.

    ``app`` is the rest of the pipeline, the local cluster. ``around``: this middleware and the rest, for
    subrequests that both sides should serve.
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
        """The path as shown in log lines."""
        return "/".join(filter(None, (self.account, self.container, self.name)))

    def ask_local(self) -> LocalResponse:
        """Send this very request to the local cluster."""
        return LocalResponse(self.app, self.environ)


class LocalResponse:
    """The local cluster's response, its body not yet read: either ``send`` or ``discard`` it."""

    def __init__(self, app: App, environ: Environ) -> None:
        context = WSGIContext(app)
        self._context = context
        self._body: Iterable[bytes] = context._app_call(environ)
        self.status: int = context._get_status_int()
        self.headers: Headers = context._response_headers

    def header(self, name: str) -> str | None:
        """``name`` is case-insensitive."""
        value: str | None = self._context._response_header_value(name)
        return value

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the response on to the client, unchanged."""
        start_response(self._context._response_status, self.headers, self._context._response_exc_info)
        return self._body

    def buffer(self) -> bytes:
        """Read the body, which must be small, into memory; ``send`` still works."""
        body = b"".join(self._body)
        close_if_possible(self._body)
        self._body = [body]
        return body

    def discard(self) -> None:
        """Drain the body, which is small."""
        drain_and_close(self._body)
        self._body = []


@dataclass(frozen=True, slots=True)
class RemoteLookup:
    """An object that the local cluster does not have: ``request.name``, or the target of that symlink."""

    request: Request
    local: LocalResponse
    target: MappedContainer
    container: str
    name: str
    #: a moment before the local request
    asked_at: Timestamp
    params: dict[str, str]

    @property
    def bucket(self) -> Bucket:
        return self.target.bucket

    @property
    def environ(self) -> Environ:
        return self.request.environ


def answer(app: App, request: HasEnviron, start_response: StartResponse) -> Iterable[bytes]:
    """Have ``app``, which may be a swob response, answer the request."""
    return app(request.environ, start_response)


def deleted_at(request: Request) -> Timestamp:
    """Return the time of the delete that the cluster has just done for this request."""
    try:
        return Timestamp.parse(request.environ.get(TIMESTAMP, ""))
    except ValueError:
        return Timestamp.from_seconds(time.time())


def find_filter(app: App, kind: type[Filter]) -> Filter | None:
    """Return the first filter of this type in a pipeline, or None."""
    found: object = app
    while found is not None and not isinstance(found, kind):
        found = getattr(found, "app", None)
    return found


def to_text(wsgi: str) -> str:
    """Decode a WSGI string. Raises UnicodeDecodeError."""
    return wsgi if wsgi.isascii() else wsgi.encode("latin-1").decode("utf-8")


def to_wsgi(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8").decode("latin-1")


def is_missing(local: LocalResponse, request: Request) -> bool:
    """Return whether the local cluster has no such object, as far as this client may know."""
    if local.status != 412 or "*" not in request.environ.get("HTTP_IF_MATCH", ""):
        return local.status == 404
    # A missing object does not match If-Match: *. An existing one may have failed another condition.
    path = SwobRequest(request.environ).path
    unconditional = make_subrequest(request.environ, "HEAD", path, swift_source=SOURCE)
    answer = unconditional.get_response(request.app)
    drain_and_close(answer)
    return bool(answer.status_int == 404)
