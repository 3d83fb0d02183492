"""Swift's X-Timestamp as a value, and the three timestamps that a container row packs into one field.

Forms, as in ``swift.common.utils.timestamp``: normal ``1402464677.04188``; internal, with an offset,
``1402464677.04188_0000000000000001``. Precision is 10 microseconds; order is (time, offset).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

#: units of ``Timestamp.raw`` per second
UNITS = 100_000
#: characters of the normal form
_NORMAL_LENGTH = 16
_FORM = re.compile(r"(\d{1,11})(?:\.(\d+))?(?:_([0-9a-fA-F]{1,16}))?")


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """``raw``: time in units of 10 microseconds since the epoch. ``offset``: order among equal times.

    Client writes have offset 0. A non-zero offset marks an internal write: the reconciler's, a
    versioned PUT's, or a delete made by this product.
    """

    raw: int
    offset: int = 0

    @classmethod
    def parse(cls, text: str) -> Timestamp:
        """Parse either form. Raises ValueError."""
        if len(text) == _NORMAL_LENGTH and text[-6] == "." and text.isascii():
            digits = text[:-6] + text[-5:]
            if digits.isdigit():  # as almost all are
                return cls(int(digits))
        match = _FORM.fullmatch(text.strip())
        if not match:
            raise ValueError(f"not a Swift timestamp: {text!r}")
        seconds, fraction, offset = match.groups()
        decimals = (fraction or "").ljust(6, "0")
        units = int(decimals[:5]) + (1 if decimals[5] >= "5" else 0)
        return cls(int(seconds) * UNITS + units, int(offset, 16) if offset else 0)

    @classmethod
    def from_seconds(cls, seconds: float) -> Timestamp:
        return cls(round(seconds * UNITS))

    @property
    def seconds(self) -> float:
        return self.raw / UNITS

    @property
    def normal(self) -> str:
        return f"{self.raw // UNITS:010d}.{self.raw % UNITS:05d}"

    @property
    def internal(self) -> str:
        return f"{self.normal}_{self.offset:016x}" if self.offset else self.normal

    def after(self) -> Timestamp:
        """Return the smallest timestamp that is newer than this one."""
        return Timestamp(self.raw, self.offset + 1)

    def next_time(self) -> Timestamp:
        """Return the smallest timestamp that is newer than this one whatever its offset."""
        return Timestamp(self.raw + 1)

    def ceil_seconds(self) -> int:
        """Return whole seconds, rounded up, as Swift derives Last-Modified from X-Timestamp."""
        return math.ceil(self.raw / UNITS)

    def __str__(self) -> str:
        return self.internal


def decode_row_timestamps(encoded: str) -> tuple[Timestamp, Timestamp, Timestamp]:
    """Split a row's ``created_at`` into (data, content-type, metadata) timestamps.

    The field holds the data timestamp, then up to two signed hexadecimal differences in units of 10
    microseconds; a missing one means "same as the previous"
    (``swift.common.utils.timestamp.decode_timestamps``).
    """
    if "+" not in encoded and "-" not in encoded:
        data = Timestamp.parse(encoded)
        return data, data, data
    parts = re.split(r"([+-])", encoded)
    data = Timestamp.parse(parts[0])
    stamps = [data]
    for sign, delta in zip(parts[1::2], parts[2::2], strict=True):
        step = int(delta, 16) * (-1 if sign == "-" else 1)
        # a difference of zero keeps the offset; any other time has none
        stamps.append(Timestamp(stamps[-1].raw + step, 0 if step else stamps[-1].offset))
    while len(stamps) < 3:
        stamps.append(stamps[-1])
    return stamps[0], stamps[1], stamps[2]


def parse_http_date(text: str) -> float:
    """Convert an RFC 9110 date to seconds since the epoch. Raises ValueError."""
    try:
        parsed = parsedate_to_datetime(text)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=timezone.utc)
        return parsed.timestamp()
    except (TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"not an HTTP date: {text[:100]!r}") from error


def http_date_or_zero(text: str) -> float:
    """As parse_http_date; 0.0 for an invalid date."""
    try:
        return parse_http_date(text)
    except ValueError:
        return 0.0


def parse_iso_date(text: str) -> float:
    """Convert a listing's date (``2026-01-02T03:04:05.678900``, with or without ``Z``) to seconds since the
    epoch.

    Raises ValueError. A date without a zone is UTC, as in Swift's and S3's listings.
    """
    parsed = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=timezone.utc)
    return parsed.timestamp()


def iso_date_or_zero(text: object) -> float:
    """As parse_iso_date; 0.0 for an invalid date, and for anything else in its place."""
    try:
        return parse_iso_date(str(text))
    except ValueError:
        return 0.0
