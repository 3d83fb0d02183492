"""The Retry-After header of a response."""

from __future__ import annotations

import re
import time

from s3_sync.model.timestamps import parse_http_date

#: more than thirty years is ignored
_SECONDS = re.compile(r"[0-9]{1,9}")


def retry_after_seconds(value: str | None) -> float | None:
    """Parse the value (RFC 9110 section 10.2.3), a number of seconds or a date; None: no valid one."""
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(0.0, parse_http_date(text) - time.time())
    except ValueError:
        return None
