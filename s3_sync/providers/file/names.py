"""Keys <-> paths below a bucket's directory. Pure, and reversible.

The parts of a key between slashes are directories, the last one is a file. A part is its own name wherever
that is a legal one; whatever is not is written as ``%XX``, the hexadecimal bytes of its UTF-8, and so is
``%`` itself. A ``%`` before anything but two such digits therefore begins what no key can name:

    %_          a part without characters (a slash at the start or at the end of a key, or two of them)
    name%+      a directory with the rest of a part that is too long for one name
    name%@      a file whose own name is a directory's: the objects ``a`` and ``a/b``
    %=<bits>=   before a name with capital letters, on a share that does not tell those from small ones
    %tmp, ...   files and directories of the bucket itself (``share``)

``portable`` names are for shares that do not tell capital from small letters, or composed from decomposed
characters, or have names that are reserved (Microsoft, "Naming Files, Paths, and Namespaces"). Two keys never
have names there that differ in nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from s3_sync.streams.small_files import is_text

#: what names consist of at most, in bytes; file systems have 255. The rest is for what is put around a name.
_ROOM, _PORTABLE_ROOM = 240, 170
EMPTY, MORE, SHADOW = "%_", "%+", "%@"
_CASE = re.compile(r"%=([0-9a-f]+)=(.*)", re.IGNORECASE | re.DOTALL)
_ESCAPED = re.compile(r"((?:%[0-9A-Fa-f]{2})+)")
_RESERVED = frozenset('<>:"|?*\\')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"}
)
#: conjoining jamo: each of them is stable, and two of them may be composed
_JAMO = ((0x1100, 0x11FF), (0xA960, 0xA97F), (0xD7B0, 0xD7FF))


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name in a directory stands for: all of a part of a key, or, with ``more``, the beginning of one.
    ``shadow``: its file has this name because a directory has the part's own."""

    text: str
    more: bool = False
    shadow: bool = False


def path_of(key: str, portable: bool) -> tuple[str, ...]:
    """The names on the way from the bucket's directory to the key's file."""
    return tuple(name for part in key.split("/") for name in names_of(part, portable))


def names_of(part: str, portable: bool) -> tuple[str, ...]:
    """The names for one part of a key; all but the last one are directories, whatever the last one is."""
    if not part:
        return (EMPTY,)
    *before, last = _pieces(part, portable)
    return (*(_name(piece, portable) + MORE for piece in before), _name(last, portable))


def entry_of(name: str, portable: bool) -> Entry | None:
    """Reverse ``names_of`` for one name; None for one that is no key's."""
    if not is_text(name):
        return None
    more, shadow = name.endswith(MORE), name.endswith(SHADOW)
    stem = name[:-2] if more or shadow else name
    text = "" if stem == EMPTY else _text(stem, portable)
    if text is None or (more and not text):
        return None
    return Entry(text, more, shadow)


def is_canonical(part: str, names: tuple[str, ...], portable: bool) -> bool:
    """Whether these are the names for the part, so that no other ones are taken for it."""
    expected = names_of(part, portable)
    if not portable:
        return names == expected
    return [name.lower() for name in names] == [name.lower() for name in expected]


def _pieces(part: str, portable: bool) -> list[str]:
    """Cut a part where its name would become too long."""
    room = _PORTABLE_ROOM if portable else _ROOM
    pieces, start, length = [], 0, 0
    for position, character in enumerate(part):
        width = len(_escaped(character, portable).encode("utf-8"))
        if length + width > room:
            pieces.append(part[start:position])
            start, length = position, 0
        length += width
    return [*pieces, part[start:]]


def _name(piece: str, portable: bool) -> str:
    """The name of a piece that is not too long."""
    characters = [_escaped(character, portable) for character in piece]
    if piece in (".", ".."):
        characters = [_hex(character) for character in piece]
    elif piece.startswith(".nfs"):  # NFS calls files so that are deleted while they are open
        characters[0] = _hex(".")
    if not portable:
        return "".join(characters)
    if piece.partition(".")[0].rstrip(" ").lower() in _DEVICES or piece[0] == " ":
        characters[0] = _hex(piece[0])
    if piece[-1] in " .":
        characters[-1] = _hex(piece[-1])
    capitals = sum(1 << index for index, letter in enumerate(_letters(piece)) if letter.isupper())
    return (f"%={capitals:x}=" if capitals else "") + "".join(characters)


def _text(name: str, portable: bool) -> str | None:
    capitals = 0
    if portable and (match := _CASE.fullmatch(name)):
        capitals, name = int(match[1], 16), match[2]
    parts = _ESCAPED.split(name)
    try:
        parts[1::2] = [bytes.fromhex(each.replace("%", "")).decode("utf-8") for each in parts[1::2]]
    except UnicodeDecodeError:
        return None
    if any("%" in each for each in parts[::2]):
        return None
    text = "".join(parts)
    return _with_capitals(text, capitals) if portable else text


def _with_capitals(text: str, capitals: int) -> str:
    """The text with exactly these of its letters in capitals; bit 0 is for the first one."""
    found, index = [], 0
    for character in text:
        if _is_letter(character):
            found.append(character.upper() if capitals >> index & 1 else character.lower())
            index += 1
        else:
            found.append(character)
    return "".join(found)


def _letters(text: str) -> list[str]:
    return [character for character in text if _is_letter(character)]


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _escaped(character: str, portable: bool) -> str:
    if character == "%" or character < " " or character == "\x7f":
        return _hex(character)
    if portable and (character in _RESERVED or not (character.isascii() or _is_stable(character))):
        return _hex(character)
    return character


def _is_stable(character: str) -> bool:
    """Whether no share changes the character, or takes it for another one."""
    if any(first <= ord(character) <= last for first, last in _JAMO):
        return False
    return unicodedata.category(character) == "Lo" and all(
        character == same
        for same in (
            character.lower(), character.upper(), character.casefold(),
            unicodedata.normalize("NFKD", character), unicodedata.normalize("NFKC", character),
        )
    )  # fmt: skip


def _hex(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8"))
