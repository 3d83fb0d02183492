"""The rules of a bucket's lifecycle configuration that make our objects expire, among everybody's rules.

Source: S3 API Reference, GetBucketLifecycleConfiguration and PutBucketLifecycleConfiguration. The
configuration is written as a whole, and there is no condition for that: what somebody else changes
between our read and our write, some milliseconds, is lost. So it is written only where something has to
change, and everything that is not ours goes back as it came, elements that we do not know included: the
document is edited, never made anew. A rule of ours is known by its ID, which follows from its prefix.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Any
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from s3_sync.errors import InvalidRequest, NotFound, NotSupported
from s3_sync.providers.s3.client import RAW_BODY, RAW_HEADERS, Account
from s3_sync.providers.s3.errors import translated, unexpected

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_ROOT = "LifecycleConfiguration"
_EMPTY = f'<?xml version="1.0" encoding="UTF-8"?><{_ROOT} xmlns="{NAMESPACE}"></{_ROOT}>'
#: says what the sizes in transitions of other people's rules mean; a write without it resets it
_MINIMUM = "x-amz-transition-default-minimum-object-size"
#: one at a time in this process; mappings may share a bucket
_lock = threading.Lock()


def rule_id(prefix: str) -> str:
    return f"swift-s3-sync-{hashlib.sha256(prefix.encode('utf-8')).hexdigest()[:16]}"


def set_expiry_rule(account: Account, bucket: str, prefixes: Sequence[str], days: int) -> bool:
    """See ``Bucket.set_expiry_rule``."""
    if not account.dialect.expires:
        raise NotSupported(f"{account.dialect.name}: objects cannot be made to expire through this API")
    with _lock:
        document, headers = _read(account, bucket)
        edited = edit(document, prefixes, days)
        if edited is None:
            return False
        _write(account, bucket, edited, headers)
        written, _ = _read(account, bucket)
        if edit(written, prefixes, days) is not None:  # whoever said that it was written was not the store
            what = f"write the lifecycle configuration of {bucket}"
            raise unexpected(what, "the rules are not there", account.endpoint, 200)
        return True


def edit(document: bytes | None, prefixes: Sequence[str], days: int) -> bytes | None:
    """The configuration (None: there is none) with a rule for each of our prefixes; None when it needs no
    change. With ``days`` 0 our rules are switched off, and stay there.

    A rule for the same prefix whose ID is that prefix was made by an earlier version and counts as ours.
    Raises InvalidRequest or NotSupported for a document that is something else.
    """
    try:
        parsed: Any = minidom.parseString(_EMPTY.encode("ascii") if document is None else document)
    except ExpatError as error:
        raise InvalidRequest(f"the lifecycle configuration is not XML: {error}") from error
    root = parsed.documentElement
    if root.localName != _ROOT:
        # some stores take the request for a listing, and a write of it would be something else too
        raise NotSupported(f"the store has no lifecycle configuration; it answers with a {root.localName}")
    rules = [_Rule(node) for node in _children(root, "Rule")]
    changed = False
    for prefix in prefixes:
        ours = [rule for rule in rules if rule.is_for(prefix)]
        if not ours and days:
            # S3 refuses a mixture of rules with Filter and rules of the older form
            old_form = any(rule.is_of_old_form for rule in rules)
            root.appendChild(_new_rule(parsed, root, prefix, days, old_form))
            changed = True
        for rule in ours:
            changed = rule.set(parsed, days) or changed
    return bytes(parsed.toxml(encoding="UTF-8")) if changed else None


class _Rule:
    """One ``Rule`` element."""

    def __init__(self, node: Any) -> None:
        self._node = node

    @property
    def is_of_old_form(self) -> bool:
        return not _children(self._node, "Filter") and bool(_children(self._node, "Prefix"))

    def is_for(self, prefix: str) -> bool:
        identity = _text(_child(self._node, "ID"))
        holder = _child(self._node, "Filter") or self._node
        same = _text(_child(holder, "Prefix")) == prefix and not _children(holder, "And")
        return same and (identity == rule_id(prefix) or identity == prefix != "")

    def set(self, parsed: Any, days: int) -> bool:
        """True = it was something else."""
        changed = _set_text(parsed, _made(parsed, self._node, "Status"), "Enabled" if days else "Disabled")
        if days:
            expiration = _made(parsed, self._node, "Expiration")
            changed = _set_text(parsed, _made(parsed, expiration, "Days"), str(days)) or changed
        return changed


def _new_rule(parsed: Any, root: Any, prefix: str, days: int, old_form: bool) -> Any:
    rule = parsed.createElement(_named(root, "Rule"))
    _set_text(parsed, _made(parsed, rule, "ID"), rule_id(prefix))
    holder = rule if old_form else _made(parsed, rule, "Filter")
    _set_text(parsed, _made(parsed, holder, "Prefix"), prefix)
    _Rule(rule).set(parsed, days)
    return rule


def _named(parent: Any, name: str) -> str:
    """With the namespace prefix that its parent has, if any."""
    space, colon, _ = parent.tagName.rpartition(":")
    return f"{space}{colon}{name}"


def _children(node: Any, name: str) -> list[Any]:
    return [child for child in node.childNodes if _local(child) == name]


def _child(node: Any, name: str) -> Any:
    return next(iter(_children(node, name)), None)


def _local(node: Any) -> str:
    return node.tagName.rpartition(":")[2] if node.nodeType == node.ELEMENT_NODE else ""


def _made(parsed: Any, parent: Any, name: str) -> Any:
    """The child of that name; appended if there is none."""
    return _child(parent, name) or parent.appendChild(parsed.createElement(_named(parent, name)))


def _text(node: Any) -> str | None:
    if node is None:
        return None
    return "".join(child.data for child in node.childNodes if child.nodeType == node.TEXT_NODE)


def _set_text(parsed: Any, node: Any, text: str) -> bool:
    if node.childNodes and _text(node) == text:
        return False
    while node.firstChild:
        node.removeChild(node.firstChild)
    node.appendChild(parsed.createTextNode(text))
    return True


def _read(account: Account, bucket: str) -> tuple[bytes | None, dict[str, str]]:
    """Nothing but S3's own word for it is taken to mean that there are no rules."""
    try:
        with translated(f"read the lifecycle configuration of {bucket}"):
            answer = account.client.get_bucket_lifecycle_configuration(Bucket=bucket)
    except NotFound as error:
        if error.code != "NoSuchLifecycleConfiguration":
            raise
        return None, {}
    received = answer["ResponseMetadata"]["HTTPHeaders"]
    return answer[RAW_BODY], {_MINIMUM: received[_MINIMUM]} if _MINIMUM in received else {}


def _write(account: Account, bucket: str, document: bytes, headers: dict[str, str]) -> None:
    with translated(f"write the lifecycle configuration of {bucket}"):
        account.client.put_bucket_lifecycle_configuration(
            Bucket=bucket, **{RAW_BODY: document, RAW_HEADERS: tuple(headers.items())}
        )
