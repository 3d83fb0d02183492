"""Parses XML documents of stores, malformed ones included.

XML 1.0 cannot represent most control characters, U+FFFE and U+FFFF, not even as references. Object names may
contain them, and stores write them unescaped: in keys, if they do not support ``encoding-type``, and in
echoed request parameters (StartAfter, tokens) even if they do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from botocore.parsers import ResponseParserError

Element = ElementTree.Element

#: XML 1.0 section 2.2: characters that a document cannot hold, not even escaped
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: the same and carriage return, which an XML parser turns into a line feed
_NOT_READ = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile("&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")
_BETWEEN_ELEMENTS = re.compile(r"(?<=>)\s+(?=<[^/])")
#: private-use characters, one of which marks escaped characters; unlikely in any text
_MARKS = [chr(number) for number in range(0xF8FF, 0xE000, -1)]
#: maximum characters of an element's name in an error
_MAX_NAME = 40


class Unreadable(ResponseParserError):
    """The response is not the document that the request should return."""


class Document:
    """A parsed document: ``root``, and ``text`` of its elements with the original characters restored.
    ``restored``: does that to a text."""

    def __init__(self, root: Element, restore: Callable[[str], str] = str) -> None:
        self.root = root
        self.restored = restore

    def text(self, element: Element) -> str:
        return self.restored(element.text or "")

    def must_be(self, name: str) -> None:
        """Raises Unreadable if the root has another name, such as that of a portal's or proxy's page."""
        if (found := local_name(self.root)) != name:
            raise Unreadable(f"the response is a document {found[:_MAX_NAME]!r}, not {name!r}")


def read(body: bytes) -> Document:
    """Parse a document. Raises Unreadable."""
    if b"\r" not in body:
        try:
            return Document(ElementTree.fromstring(body))
        except (ElementTree.ParseError, ValueError):
            pass
    return _read_escaped(body)


def make_readable(response_dict: Any, **_: Any) -> None:
    """A ``before-parse`` handler for responses that echo a key which is not used: replaces characters that
    XML does not allow by U+FFFD."""
    body = response_dict["body"]
    try:
        ElementTree.fromstring(body)
    except ElementTree.ParseError:
        text = NOT_XML.sub("\ufffd", body.decode("utf-8", "replace"))
        text = _REFERENCE.sub(lambda found: "\ufffd" if _is_not_xml(found) else found[0], text)
        response_dict["body"] = text.encode("utf-8")


def local_name(element: Element) -> str:
    """The element's name without its namespace, which clones omit or change."""
    return element.tag.rpartition("}")[2]


def _read_escaped(body: bytes) -> Document:
    """Parse a document after escaping the characters that XML does not allow as ``<mark><hex><mark>``."""
    try:
        text = body.decode("utf-8").strip()
        mark = next(mark for mark in _MARKS if mark not in text)
        text = _BETWEEN_ELEMENTS.sub("", text)
        text = _NOT_READ.sub(lambda found: f"{mark}{ord(found[0]):x}{mark}", text)
        text = _REFERENCE.sub(lambda found: _written(found, mark), text)
        root = ElementTree.fromstring(text.encode("utf-8"))
    except (ElementTree.ParseError, ValueError, StopIteration) as error:
        raise Unreadable(f"the response is not XML: {error}") from error
    written = re.compile(f"{mark}([0-9a-f]+){mark}")
    return Document(root, lambda text: written.sub(lambda found: chr(int(found[1], 16)), text))


def _written(reference: re.Match[str], mark: str) -> str:
    return f"{mark}{_number(reference):x}{mark}" if _is_not_xml(reference) else reference[0]


def _is_not_xml(reference: re.Match[str]) -> bool:
    """Whether it refers to a character that XML does not allow."""
    number = _number(reference)
    is_character = number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
    return is_character and NOT_XML.match(chr(number)) is not None


def _number(reference: re.Match[str]) -> int:
    return int(reference[1], 16) if reference[1] else int(reference[2])
