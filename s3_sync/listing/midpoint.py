"""Computes a name about halfway between two others, for a binary search in a listing."""

from __future__ import annotations

_END = 0x110000
_DELETE = 0x7F


def between(low: str, high: str, prefix: str) -> str | None:
    """Return a string that begins with ``prefix``, greater than ``low`` and less than ``high``; None if there
    is none.

    ``low`` begins with the prefix; ``high`` is greater, or empty for no bound except the prefix. Names in
    between are assumed to be ASCII first. Only characters that every store accepts in a request are added.
    """
    if not low.startswith(prefix):
        return None
    if not high or not high.startswith(prefix):  # then it sorts after everything with the prefix
        return _after(low, len(prefix))
    position = next(
        (index for index, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low)
    )
    lower = ord(low[position]) if position < len(low) else -1
    middle = _middle(lower, ord(high[position]))
    if middle is not None:
        return low[:position] + chr(middle)
    return _after(low, position + 1) if lower >= 0 else None


def _after(low: str, position: int) -> str | None:
    """Return a string greater than ``low`` that agrees with it up to ``position``."""
    lower = ord(low[position]) if position < len(low) else -1
    middle = _middle(lower, _END)
    return None if middle is None else low[:position] + chr(middle)


def _middle(low: int, high: int) -> int | None:
    """Return a code point strictly between the two."""
    if low < _DELETE - 1 and high > _DELETE:
        return _DELETE
    middle = (low + high) // 2
    for candidate in (middle, 0x20, 0xD7FF, 0xE000, 0xFFFD):
        if low < candidate < high and _is_xml_character(chr(candidate)):
            return candidate
    return None


def _is_xml_character(character: str) -> bool:
    """Return whether XML 1.0 (section 2.2) allows the character: listings come as XML and repeat their
    start."""
    code = ord(character)
    return 0x20 <= code < 0xD800 or 0xE000 <= code <= 0xFFFD or 0x10000 <= code < _END
