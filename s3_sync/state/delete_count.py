"""The delete limiter's record of a mapping's remote deletes, kept in the journal so that it survives restarts
and can be read by monitoring and swift-s3-ctl."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields

from s3_sync.streams.small_files import is_count, is_text, number, parse_json

#: its key in the journal's ``meta`` table
META_KEY = "deletes"


@dataclass(frozen=True, slots=True)
class DeleteCount:
    """The use of a delete budget. All times in seconds since the epoch.

    ``began``: start of the interval. ``used``: deletes since then, including reserved ones. ``limit``: the
    maximum. ``held_since``: when the first delete had to wait; 0.0 = none waits. ``allowed_until``: the
    operator allowed the remote deletes of objects deleted in Swift up to this time. ``budget``: the
    configured budget as text.
    """

    began: float = 0.0
    used: int = 0
    limit: int = 0
    held_since: float = 0.0
    allowed_until: float = 0.0
    budget: str = ""

    @property
    def held(self) -> bool:
        """Whether deletes are held."""
        return self.held_since > 0.0

    def as_text(self) -> str:
        return json.dumps(asdict(self))


def read_count(text: str | None) -> DeleteCount:
    """Parse the output of ``as_text``; anything else yields an empty count."""
    nothing = DeleteCount()
    try:
        found = parse_json(text or "{}")
    except ValueError:
        return nothing
    if not isinstance(found, dict):
        return nothing
    values = {each.name: found.get(each.name, getattr(nothing, each.name)) for each in fields(DeleteCount)}
    if all(_has_type_of(value, getattr(nothing, name)) for name, value in values.items()):
        return DeleteCount(**values)
    return nothing


def _has_type_of(value: object, example: object) -> bool:
    if isinstance(example, int):
        return is_count(value)
    if isinstance(example, float):
        return not math.isnan(number(value, math.nan))
    return is_text(value)
