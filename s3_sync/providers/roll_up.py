"""The rules of ``ListQuery`` for stores that have to apply them themselves."""

from __future__ import annotations

from s3_sync.providers.base import ListQuery


def is_after(name: str, query: ListQuery) -> bool:
    """Whether a listing from ``query.start_after`` shows the name."""
    start = query.start_after
    return name > start and not (start == roll_up(start, query) and name.startswith(start))


def roll_up(name: str, query: ListQuery) -> str | None:
    """The common prefix that stands for the name in a listing; None if it is listed itself."""
    if not query.delimiter:
        return None
    end = name.find(query.delimiter, len(query.prefix))
    return None if end < 0 else name[: end + len(query.delimiter)]
