"""Names of metadata: those of Swift <-> C# identifiers, which Azure demands.

As the operator's manual has it: percent-encoded, with ``_`` for ``%``. So that this can be reversed,
everything but letters and digits is encoded, ``_`` too. An identifier begins with no digit, and is no keyword
of C#: the first character of such names is encoded as well. Azure keeps the case of names, but compares them
without it, as HTTP does.

Source: "Setting and retrieving properties and metadata for Blob service resources"; C# language
specification, section 6.4.3 and 6.4.4.
"""

from __future__ import annotations

import re

_WORDS = """
abstract as base bool break byte case catch char checked class const continue decimal default delegate do
double else enum event explicit extern false finally fixed float for foreach goto if implicit in int
interface internal is lock long namespace new null object operator out override params private protected
public readonly ref return sbyte sealed short sizeof stackalloc static string struct switch this throw
true try typeof uint ulong unchecked unsafe ushort using virtual void volatile while
"""
_KEYWORDS = frozenset(_WORDS.split())
_OTHER = re.compile(r"[^a-zA-Z0-9]")
_ENCODED = re.compile(r"(?:_[0-9a-fA-F]{2})+")


def to_identifier(name: str) -> str:
    """Return the name of metadata in Azure. Raises UnicodeEncodeError for what UTF-8 cannot encode."""
    found = _OTHER.sub(lambda match: _encoded(match[0]), name)
    if name[:1].isdecimal() or name in _KEYWORDS:
        return _encoded(found[0]) + found[1:]
    return found


def from_identifier(identifier: str) -> str:
    """Reverse ``to_identifier``. A ``_`` that begins no code stays as it is."""
    return _ENCODED.sub(_decoded, identifier)


def _encoded(text: str) -> str:
    return "".join(f"_{byte:02X}" for byte in text.encode("utf-8"))


def _decoded(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("_", "")).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]
