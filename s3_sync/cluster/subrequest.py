"""Writes into the local cluster from inside one of its proxies, by subrequests to the rest of the
pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from swift.common.exceptions import Timeout
from swift.common.swob import Request
from swift.common.utils import drain_and_close
from swift.common.wsgi import make_pre_authed_env

from s3_sync.cluster.account_writer import AccountWriter, Input, to_wsgi
from s3_sync.errors import LocalUnavailable


class SubrequestWriter(AccountWriter):
    """Writes into one account by subrequests.

    ``environ`` is that of the client's request, which may have ended: logs show its transaction id.
    ``source``: the name of the subrequests in access logs.
    """

    def __init__(
        self, app: Callable[..., Any], environ: Mapping[str, Any], account: str, source: str
    ) -> None:
        self._app = app
        self._environ = dict(environ)
        self._account = account
        self._source = source

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
        path = "/".join(filter(None, ("", "v1", self._account, container, name)))
        environ = make_pre_authed_env(
            self._environ, method, to_wsgi(f"/{path}"), query_string=query, swift_source=self._source
        )
        environ["swift.infocache"] = {}  # the client's cached state may be outdated
        for header, value in (headers or {}).items():
            key = header.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = to_wsgi(value)
        environ["CONTENT_LENGTH"] = "0" if body is None else str(body.length)
        if body is not None:
            environ["wsgi.input"] = body
        try:
            response = Request(environ).get_response(self._app)
            drain_and_close(response)
        except (OSError, Timeout) as error:
            raise LocalUnavailable(f"{method} {path}: {error}") from error
        return response.status_int, response.headers
