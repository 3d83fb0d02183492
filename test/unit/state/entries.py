"""What the tests of the journal write into it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from s3_sync.state.journal import (
    RETRY,
    Journal,
    Settlement,
    Unsettled,
)

M = "AUTH_a/c#fingerprint"


def minutes(attempts: int) -> float:
    return 60.0 * attempts


def stamp(number: int, offset: int = 0) -> str:
    return f"{number:010d}.00000" + (f"_{offset:016x}" if offset else "")


def failure(name: str, time: int = 1, **changed: Any) -> Unsettled:
    entry = Unsettled(name, RETRY, 0, False, stamp(time), stamp(time), 10, "remote_unavailable", "no answer")
    return replace(entry, **changed)


def failed(*entries: Unsettled) -> Settlement:
    return Settlement(failures=list(entries))


def settled(name: str, time: int = 1, offset: int = 0) -> Settlement:
    return Settlement(settled=[(name, stamp(time, offset))])


def names(journal: Journal, mapping: str = M) -> list[str]:
    return [entry.name for entry in journal.unsettled(mapping)]
