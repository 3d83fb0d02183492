"""Output formats of listings: JSON, XML and plain names, byte for byte as Swift writes them.

Modelled on ``swift.common.middleware.listing_formats``, which is not imported: this layer does not depend on
Swift.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

Record = Mapping[str, Any]
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_ACCOUNT_FIELDS = ("name", "count", "bytes", "last_modified", "storage_policy")
_XML_FIELDS = ("name", "hash", "bytes", "content_type", "last_modified")


def as_json(records: Sequence[Record]) -> bytes:
    return json.dumps(records).encode("ascii")


def as_xml(records: Iterable[Record], container: str) -> bytes:
    """Format records with the fields of Swift's XML listings only; ``content_location`` is not among them."""
    document = Element("container", name=container)
    for record in records:
        if "subdir" in record:
            group = SubElement(document, "subdir", name=record["subdir"])
            SubElement(group, "name").text = record["subdir"]
        else:
            line = SubElement(document, "object")
            for field in _XML_FIELDS:
                SubElement(line, field).text = str(record[field])
    text: bytes = tostring(document, encoding="UTF-8", xml_declaration=False)
    return _DECLARATION + text


def account_as_xml(records: Iterable[Record], account: str) -> bytes:
    """Format the listing of an account, as ``as_xml`` that of a container. Swift has line breaks in this
    one."""
    document = Element("account", name=account)
    document.text = "\n"
    for record in records:
        if "subdir" in record:
            line = SubElement(document, "subdir", name=record["subdir"])
        else:
            line = SubElement(document, "container")
            for field in _ACCOUNT_FIELDS:
                if field in record:
                    SubElement(line, field).text = str(record[field])
        line.tail = "\n"
    text: bytes = tostring(document, encoding="UTF-8", xml_declaration=False)
    return _DECLARATION + text


def as_plain(records: Iterable[Record]) -> bytes:
    """Format one name per line; an empty listing has no bytes, and Swift answers it with 204."""
    lines = [record["subdir"] if "subdir" in record else record["name"] for record in records]
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


#: content type without charset -> (records, name of the container) -> body
FORMATS: Mapping[str, Callable[[Sequence[Record], str], bytes]] = MappingProxyType(
    {
        "application/json": lambda records, container: as_json(records),
        "application/xml": as_xml,
        "text/xml": as_xml,
        "text/plain": lambda records, container: as_plain(records),
    }
)
