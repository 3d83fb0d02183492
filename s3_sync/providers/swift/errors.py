"""Translates the responses and network errors of a Swift server into ``s3_sync.errors``.

Statuses: OpenStack Object Storage API v1; 498 is of its ``ratelimit`` middleware, 413 with a text about a
quota of ``container_quotas`` and ``account_quotas``. Messages quote the server's text and its transaction ID,
never a header of ours.
"""

from __future__ import annotations

import json
import re
import time

from s3_sync.errors import (
    BadDigest,
    InvalidRequest,
    PreconditionFailed,
    QuotaExceeded,
    RemoteError,
    RemoteUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.http.message import Headers
from s3_sync.http.pool import HttpError, Response
from s3_sync.http.retry_after import retry_after_seconds
from s3_sync.providers.http_errors import BY_STATUS, NO_SUCH_BUCKET, first_bytes, shortened, translated
from s3_sync.streams.reader import CHUNK
from s3_sync.streams.small_files import parse_json

_BY_STATUS: dict[int, type[RemoteError]] = {
    **BY_STATUS,
    # the server has a newer state than the X-Timestamp of the request
    409: PreconditionFailed,
    422: BadDigest,
    498: Throttled,
    # the server lost this client in the middle of the body
    499: RemoteUnavailable,
}
#: the answer to a POST of a symlink (swift.common.middleware.symlink)
_LINK_POSTED = 307
#: one of them is in every response of Swift's proxy server and of Ceph's gateway
_TRANSACTION = ("x-trans-id", "x-openstack-request-id")
#: of a result of slo, with what keeps the connection alive before: maximum bytes, and seconds
_MAX_HEARTBEAT, _MAX_HEARTBEAT_TIME = 4 * 1024 * 1024, 3600.0
#: maximum bytes read of the body of an error, and characters quoted of it, and of what was asked for
_MAX_ERROR, _MAX_MESSAGE, _MAX_WHAT = 16 * 1024, 200, 150
_TAGS = re.compile(r"<h1>.*?</h1>|<[^>]*>", re.DOTALL)


class PostedToLink(PreconditionFailed):
    """The object is a symlink, to which the POST was applied, and not to its target."""


def refusal(what: str, response: Response, *, container: bool, secret: str = "") -> RemoteError:
    """Return the error for any response but a success, and close the response.

    ``container``: a 404 tells that the container is missing. ``secret``: masked where the server repeats it.
    """
    hide(response, secret)
    headers, status = response.headers, response.status

    def masked(text: str, limit: int) -> str:
        return (text.replace(secret, "***") if secret else text)[:limit]

    with response:
        text = masked(_text(response), _MAX_MESSAGE)
    if status == _LINK_POSTED and what.startswith("POST ") and is_from_swift(headers):
        return PostedToLink(f"{shortened(what)}: it is a symlink{transaction(headers)}", status=status)
    if status not in _BY_STATUS and status < 400:
        place = masked(headers.get("location") or "an unnamed location", _MAX_WHAT)
        reason = f"redirected to {place}; redirects are not followed: check the URL"
        return _unexpected(what, status, reason)
    if status == 404 and not is_from_swift(headers):
        reason = "without a transaction ID, which does not prove absence; is a proxy or a portal in between?"
        return _unexpected(what, status, reason)
    seconds = retry_after_seconds(headers.get("retry-after"))
    kind = _BY_STATUS.get(status) or (RemoteUnavailable if status >= 500 else InvalidRequest)
    if status == 503 and seconds is not None:
        kind = Throttled
    if status == 413 and "quota" in text.lower():
        kind = QuotaExceeded
    is_container = container or text == NO_SUCH_BUCKET  # Ceph's gateway says which of them is missing
    code = NO_SUCH_BUCKET if status == 404 and is_container else ""
    words = (str(status), masked(response.reason, _MAX_WHAT), text)
    message = f"{shortened(what)}: {' '.join(word for word in words if word)}{transaction(headers)}"
    return kind(message, status=status, code=code, retry_after=seconds)


def read_heartbeat(what: str, response: Response) -> tuple[int, str]:
    """Read the end of a response that slo has begun with 202, to keep the connection alive: status and ETag.

    Raises the error for any other status than 201 and 202, and RemoteUnavailable if the end does not come
    within an hour."""
    pieces: list[bytes] = []
    left, until = _MAX_HEARTBEAT, time.monotonic() + _MAX_HEARTBEAT_TIME
    with translated(what), response:
        while piece := response.read(CHUNK):
            pieces.append(piece)
            left -= len(piece)
            if left < 0 or time.monotonic() > until:
                raise HttpError("the result of slo does not come to its end", True)
    text = b"".join(pieces)
    try:
        found = parse_json(text)
        status = int(str(found["Response Status"]).partition(" ")[0])
        etag = str(found.get("Etag", "")).strip('"')
        why = json.dumps(found.get("Errors") or found.get("Response Body") or "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unexpected(what, response.status, f"not a result of slo: {error!r}") from error
    if status in (201, 202):
        return status, etag
    kind = _BY_STATUS.get(status) or (RemoteUnavailable if status >= 500 else InvalidRequest)
    code = NO_SUCH_BUCKET if status == 404 else ""
    message = f"{shortened(what)}: {status} {why[:_MAX_MESSAGE]}{transaction(response.headers)}"
    raise kind(message, status=status, code=code)


def hide(response: Response, secret: str) -> None:
    """Mask ``secret`` in the headers of a response, of which any error may quote some."""
    items = response.headers.items()
    if secret and any(secret in value for _, value in items):
        response.headers = Headers([(name, value.replace(secret, "***")) for name, value in items])


def is_from_swift(headers: Headers) -> bool:
    """Whether the response has what every response of Swift has."""
    return any(name in headers for name in _TRANSACTION)


def stranger(what: str, response: Response) -> UnexpectedAnswer:
    """Return the error for a success that is not Swift's."""
    kind = (response.headers.get("content-type") or "no type")[:60]
    reason = f"a response ({kind}) without a transaction ID; is a proxy or a portal in between?"
    return _unexpected(what, response.status, reason)


def transaction(headers: Headers) -> str:
    """Return the server's transaction ID for the end of a message; empty without one."""
    value = next((headers.get(name) for name in _TRANSACTION if name in headers), None)
    return f" ({value[:80]})" if value else ""


def _unexpected(what: str, status: int, reason: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"{shortened(what)}: {status}: {reason}", status=status)


def _text(response: Response) -> str:
    """The message of an error document, without markup, on one line: Swift's are text or HTML, Keystone's
    JSON."""
    kind = response.headers.get("content-type") or ""
    if not kind.startswith(("text/", "application/json")):
        return ""
    text = first_bytes(response, _MAX_ERROR).decode("utf-8", "replace")
    if kind.startswith("application/json"):
        text = _keystone_message(text)
    return " ".join(_TAGS.sub(" ", text).split())


def _keystone_message(text: str) -> str:
    """The message of Keystone's error document; empty for any other one."""
    try:
        message = json.loads(text)["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return message if isinstance(message, str) else ""
