"""The URL of a forward proxy, as configured."""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit

from s3_sync.http.connection import Proxy


def parse_proxy(url: str) -> Proxy:
    """Parse ``[http://][user:password@]host[:port]``; the port is 80 by default. Raises ValueError for an
    https proxy."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    if parts.scheme == "https":
        raise ValueError("https proxies are not supported here, only plain http ones")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode('utf-8')).decode('ascii')}"
    return Proxy(parts.hostname or "", parts.port or 80, False, authorization)
