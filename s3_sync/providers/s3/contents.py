"""Reads the objects of a listing's answer, in place of the SDK.

The SDK walks through its description of the service for every field of every key: most of the CPU that a
listing takes, in a proxy while nobody else gets a turn. Everything else in the answer stays the SDK's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp


class NoDate(ResponseParserError, ValueError):
    """The SDK lets a ValueError through to whoever asked for an object."""


def read_date(text: str) -> datetime:
    """A date of S3's. Raises NoDate."""
    if text[4:5] == "-" and text.endswith("Z"):
        try:
            return datetime.fromisoformat(f"{text[:-1]}+00:00")
        except ValueError:
            pass  # another number of decimals than this Python reads
    try:
        found: datetime = parse_timestamp(text)
    except (ValueError, OverflowError, RuntimeError) as error:
        raise NoDate(f"not a date: {text[:100]!r}") from error
    return found


def take_objects(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
    """For ``before-parse`` of a listing: the objects go where the SDK puts what it has read itself.

    What cannot be understood is left for the SDK, which knows how to complain.
    """
    if response_dict["status_code"] != 200:
        return
    try:
        root = ElementTree.fromstring(response_dict["body"])
        elements = [child for child in root if _name(child) == "Contents"]
        objects = [_object(element) for element in elements]
    except (ElementTree.ParseError, ValueError):
        return
    if not objects:
        return
    for element in elements:
        root.remove(element)
    response_dict["body"] = ElementTree.tostring(root)
    customized_response_dict["Contents"] = objects


def _object(element: ElementTree.Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in element:
        name = _name(child)
        text = child.text or ""
        if name in ("Key", "ETag", "StorageClass"):
            found[name] = text
        elif name == "Size":
            found[name] = int(text)
        elif name == "LastModified":
            found[name] = read_date(text)
    return found


def _name(element: ElementTree.Element) -> str:
    """Without its namespace, which clones leave out, or have another one of."""
    return element.tag.rpartition("}")[2]
