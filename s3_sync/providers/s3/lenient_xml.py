"""Reads XML documents of stores, those included that XML does not allow.

XML 1.0 has no way to write most control characters, U+FFFE and U+FFFF, not even as a reference. Names of
objects may contain them, and stores write them as they are: in the keys, where they do not know
``encoding-type``, and in what they repeat of the request (StartAfter, tokens) even where they do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from botocore.parsers import ResponseParserError

Element = ElementTree.Element

#: XML 1.0 section 2.2: what a document cannot hold, not even escaped
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: and a carriage return, which a reader of XML takes for a line feed
_NOT_READ = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile("&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")
_BETWEEN_ELEMENTS = re.compile(r"(?<=>)\s+(?=<[^/])")
#: characters of which one stands for what cannot be read; no text is likely to have any of them
_MARKS = [chr(number) for number in range(0xF8FF, 0xE000, -1)]
#: of a name that is told in an error
_MOST_TOLD = 40


class Unreadable(ResponseParserError):
    """The answer is not the document that such a request is answered with."""


class Document:
    """``root``, and ``text`` of its elements with every character that the store has written."""

    def __init__(self, root: Element, restore: Callable[[str], str] = str) -> None:
        self.root = root
        self._restore = restore

    def text(self, element: Element) -> str:
        return self._restore(element.text or "")

    def must_be(self, name: str) -> None:
        """Raises Unreadable if the root is another one: the page of a portal or proxy, for instance."""
        if (found := local_name(self.root)) != name:
            raise Unreadable(f"the answer is a document {found[:_MOST_TOLD]!r}, not {name!r}")


def read(body: bytes) -> Document:
    """Raises Unreadable."""
    if b"\r" not in body:
        try:
            return Document(ElementTree.fromstring(body))
        except (ElementTree.ParseError, ValueError):
            pass
    return _read_by_force(body)


def make_readable(response_dict: Any, **_: Any) -> None:
    """For ``before-parse`` of answers that repeat a key which nobody reads: what XML does not allow becomes
    U+FFFD."""
    body = response_dict["body"]
    try:
        ElementTree.fromstring(body)
    except ElementTree.ParseError:
        text = NOT_XML.sub("\ufffd", body.decode("utf-8", "replace"))
        text = _REFERENCE.sub(lambda found: "\ufffd" if _is_not_xml(found) else found[0], text)
        response_dict["body"] = text.encode("utf-8")


def local_name(element: Element) -> str:
    """Without its namespace, which clones leave out, or have another one of."""
    return element.tag.rpartition("}")[2]


def _read_by_force(body: bytes) -> Document:
    """Writes what cannot be read as ``<mark><hexadecimal number><mark>``."""
    try:
        text = body.decode("utf-8").strip()
        mark = next(mark for mark in _MARKS if mark not in text)
        text = _BETWEEN_ELEMENTS.sub("", text)
        text = _NOT_READ.sub(lambda found: f"{mark}{ord(found[0]):x}{mark}", text)
        text = _REFERENCE.sub(lambda found: _written(found, mark), text)
        root = ElementTree.fromstring(text.encode("utf-8"))
    except (ElementTree.ParseError, ValueError, StopIteration) as error:
        raise Unreadable(f"the answer is no XML: {error}") from error
    written = re.compile(f"{mark}([0-9a-f]+){mark}")
    return Document(root, lambda text: written.sub(lambda found: chr(int(found[1], 16)), text))


def _written(reference: re.Match[str], mark: str) -> str:
    return f"{mark}{_number(reference):x}{mark}" if _is_not_xml(reference) else reference[0]


def _is_not_xml(reference: re.Match[str]) -> bool:
    """Whether it is the reference of a character that XML does not allow."""
    number = _number(reference)
    is_character = number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
    return is_character and NOT_XML.match(chr(number)) is not None


def _number(reference: re.Match[str]) -> int:
    return int(reference[1], 16) if reference[1] else int(reference[2])
