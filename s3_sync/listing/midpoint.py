"""A name about halfway between two others."""

from __future__ import annotations

_END = 0x110000
_DELETE = 0x7F


def between(low: str, high: str, prefix: str) -> str | None:
    """A string that begins with ``prefix`` and is greater than ``low`` and less than ``high``.

    ``low`` begins with the prefix; ``high`` is greater, or empty for no bound but the prefix. Where
    nothing is known about the names in between, they are taken to be ASCII first. Only characters are
    added that every store can be asked for. None if that leaves nothing.
    """
    if not low.startswith(prefix):
        return None
    if not high or not high.startswith(prefix):  # then it is behind everything with the prefix
        return _behind(low, len(prefix))
    place = next(
        (index for index, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low)
    )
    lower = ord(low[place]) if place < len(low) else -1
    middle = _middle(lower, ord(high[place]))
    if middle is not None:
        return low[:place] + chr(middle)
    return _behind(low, place + 1) if lower >= 0 else None


def _behind(low: str, place: int) -> str | None:
    """Something greater than ``low``, the same up to ``place``."""
    lower = ord(low[place]) if place < len(low) else -1
    middle = _middle(lower, _END)
    return None if middle is None else low[:place] + chr(middle)


def _middle(low: int, high: int) -> int | None:
    """A code point strictly between."""
    if low < _DELETE - 1 and high > _DELETE:
        return _DELETE
    middle = (low + high) // 2
    for choice in (middle, 0x20, 0xD7FF, 0xE000, 0xFFFD):
        if low < choice < high and _is_plain(chr(choice)):
            return choice
    return None


def _is_plain(character: str) -> bool:
    """What XML 1.0 (section 2.2) can hold; listings come as XML, and repeat where they began."""
    code = ord(character)
    return 0x20 <= code < 0xD800 or 0xE000 <= code <= 0xFFFD or 0x10000 <= code < _END
