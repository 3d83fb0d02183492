"""Our expiration rules in a bucket's lifecycle configuration, beside other people's rules.

Source: S3 API Reference, GetBucketLifecycleConfiguration and PutBucketLifecycleConfiguration. The
configuration can only be written as a whole, and unconditionally: a change by another client between our read
and our write, some milliseconds, is lost. So it is written only if something has to change, and everything
else is written back unchanged, unknown elements included: the document is edited, never rebuilt. Our rules
are recognised by their IDs, which are derived from their prefixes.
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
#: applies to transitions of other people's rules; a write without it resets it
_MINIMUM = "x-amz-transition-default-minimum-object-size"
#: serialises the edits of this process, as mappings may share a bucket
_lock = threading.Lock()


def rule_id(prefix: str) -> str:
    return f"swift-s3-sync-{hashlib.sha256(prefix.encode('utf-8')).hexdigest()[:16]}"


def set_expiry_rule(account: Account, bucket: str, prefixes: Sequence[str], days: int) -> bool:
    """See ``Bucket.set_expiry_rule``."""
    if not account.dialect.expires:
        raise NotSupported(f"{account.dialect.name}: lifecycle rules are not supported")
    with _lock:
        document, headers = _read(account, bucket)
        edited = edit(document, prefixes, days)
        if edited is None:
            return False
        _write(account, bucket, edited, headers)
        written, _ = _read(account, bucket)
        if edit(written, prefixes, days) is not None:  # not the store's response
            what = f"write the lifecycle configuration of {bucket}"
            raise unexpected(what, "the rules were not written", account.endpoint, 200)
        return True


def edit(document: bytes | None, prefixes: Sequence[str], days: int) -> bytes | None:
    """Edit the configuration (None: there is none) so that it has a rule for each of our prefixes. Returns
    None if it needs no change. With ``days`` 0 our rules are disabled but kept.

    A rule for the same prefix whose ID is that prefix was written by an earlier version and counts as ours.
    Raises InvalidRequest or NotSupported for any other document.
    """
    try:
        parsed: Any = minidom.parseString(_EMPTY.encode("ascii") if document is None else document)
    except ExpatError as error:
        raise InvalidRequest(f"the lifecycle configuration is not XML: {error}") from error
    root = parsed.documentElement
    if root.localName != _ROOT:
        # some stores treat the request as a listing, and would treat the write as something else, too
        raise NotSupported(f"the store has no lifecycle configuration; its response is a {root.localName}")
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
        selection = _child(self._node, "Filter")
        holder = selection or self._node
        others = selection is not None and {_local(child) for child in selection.childNodes} - {"", "Prefix"}
        written = _text(_child(holder, "Prefix"))
        same = (written or "" if selection is not None else written) == prefix and not others
        return same and (identity == rule_id(prefix) or identity == prefix != "")

    def set(self, parsed: Any, days: int) -> bool:
        """Set the expiration; 0 disables the rule. Returns whether anything changed."""
        status = _get_or_add(parsed, self._node, "Status")
        changed = _set_text(parsed, status, "Enabled" if days else "Disabled")
        if days:
            expiration = _get_or_add(parsed, self._node, "Expiration")
            changed = _set_text(parsed, _get_or_add(parsed, expiration, "Days"), str(days)) or changed
        return changed


def _new_rule(parsed: Any, root: Any, prefix: str, days: int, old_form: bool) -> Any:
    rule = parsed.createElement(_named(root, "Rule"))
    _set_text(parsed, _get_or_add(parsed, rule, "ID"), rule_id(prefix))
    holder = rule if old_form else _get_or_add(parsed, rule, "Filter")
    if prefix or old_form:  # an empty Filter is for all objects; some stores refuse an empty Prefix in it
        _set_text(parsed, _get_or_add(parsed, holder, "Prefix"), prefix)
    _Rule(rule).set(parsed, days)
    return rule


def _named(parent: Any, name: str) -> str:
    """The name with the namespace prefix of its parent, if any."""
    space, colon, _ = parent.tagName.rpartition(":")
    return f"{space}{colon}{name}"


def _children(node: Any, name: str) -> list[Any]:
    return [child for child in node.childNodes if _local(child) == name]


def _child(node: Any, name: str) -> Any:
    return next(iter(_children(node, name)), None)


def _local(node: Any) -> str:
    return node.tagName.rpartition(":")[2] if node.nodeType == node.ELEMENT_NODE else ""


def _get_or_add(parsed: Any, parent: Any, name: str) -> Any:
    """The child of that name, which is appended if there is none."""
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
    """Read the configuration; None only if S3's own error code says that there is none."""
    try:
        with translated(f"read the lifecycle configuration of {bucket}"):
            response = account.client.get_bucket_lifecycle_configuration(Bucket=bucket)
    except NotFound as error:
        if error.code != "NoSuchLifecycleConfiguration":
            raise
        return None, {}
    received = response["ResponseMetadata"]["HTTPHeaders"]
    return response[RAW_BODY], {_MINIMUM: received[_MINIMUM]} if _MINIMUM in received else {}


def _write(account: Account, bucket: str, document: bytes, headers: dict[str, str]) -> None:
    with translated(f"write the lifecycle configuration of {bucket}"):
        account.client.put_bucket_lifecycle_configuration(
            Bucket=bucket, **{RAW_BODY: document, RAW_HEADERS: tuple(headers.items())}
        )
