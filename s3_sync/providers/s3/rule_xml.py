"""Lifecycle configurations as documents that are edited: what we do not know in them stays as it is."""

from __future__ import annotations

from typing import Any
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from s3_sync.errors import InvalidRequest, NotSupported

_ROOT = "LifecycleConfiguration"


def parsed_rules(document: bytes | None, namespace: str = "") -> Any:
    """Return the document, for editing; an empty one for None. Raises InvalidRequest or NotSupported for any
    other document."""
    space = f' xmlns="{namespace}"' if namespace else ""
    empty = f'<?xml version="1.0" encoding="UTF-8"?><{_ROOT}{space}></{_ROOT}>'.encode("ascii")
    try:
        parsed: Any = minidom.parseString(empty if document is None else document)
    except ExpatError as error:
        raise InvalidRequest(f"the lifecycle configuration is not XML: {error}") from error
    found = local(parsed.documentElement)
    if found != _ROOT:
        # some stores treat the request as a listing, and would treat the write as something else, too
        raise NotSupported(f"the store has no lifecycle configuration; its response is a {found}")
    return parsed


def named(parent: Any, name: str) -> str:
    """The name with the namespace prefix of its parent, if any."""
    space, colon, _ = parent.tagName.rpartition(":")
    return f"{space}{colon}{name}"


def children(node: Any, name: str) -> list[Any]:
    """The child elements of that name."""
    return [each for each in node.childNodes if local(each) == name]


def child(node: Any, name: str) -> Any:
    """The first child element of that name; None without one."""
    return next(iter(children(node, name)), None)


def local(node: Any) -> str:
    """The name of an element without its namespace; empty for any other node."""
    return node.tagName.rpartition(":")[2] if node.nodeType == node.ELEMENT_NODE else ""


def get_or_add(parsed: Any, parent: Any, name: str) -> Any:
    """The child of that name, which is appended if there is none."""
    return child(parent, name) or parent.appendChild(parsed.createElement(named(parent, name)))


def text(node: Any) -> str | None:
    """The text of an element; None for None."""
    if node is None:
        return None
    return "".join(each.data for each in node.childNodes if each.nodeType == node.TEXT_NODE)


def set_text(parsed: Any, node: Any, wanted: str) -> bool:
    """Give the element this text. Returns whether that changed it."""
    if node.childNodes and text(node) == wanted:
        return False
    while node.firstChild:
        node.removeChild(node.firstChild)
    node.appendChild(parsed.createTextNode(wanted))
    return True
