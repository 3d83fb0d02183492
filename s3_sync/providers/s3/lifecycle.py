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

from s3_sync.errors import NotFound, NotSupported
from s3_sync.providers.s3.client import RAW_BODY, RAW_HEADERS, Account
from s3_sync.providers.s3.errors import translated, unexpected
from s3_sync.providers.s3.google_rules import edit_google
from s3_sync.providers.s3.rule_xml import (
    child,
    children,
    get_or_add,
    local,
    named,
    parsed_rules,
    set_text,
    text,
)

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
#: applies to transitions of other people's rules; a write without it resets it
_MINIMUM = "x-amz-transition-default-minimum-object-size"
_NO_RULES = b"<LifecycleConfiguration/>"
#: serialises the edits of this process, as mappings may share a bucket
_lock = threading.Lock()


def rule_id(prefix: str) -> str:
    return f"swift-s3-sync-{hashlib.sha256(prefix.encode('utf-8')).hexdigest()[:16]}"


def set_expiry_rule(account: Account, bucket: str, prefixes: Sequence[str], days: int) -> bool:
    """See ``Bucket.set_expiry_rule``."""
    if not account.dialect.expires:
        raise NotSupported(f"{account.dialect.name}: lifecycle rules are not supported")
    with _lock:
        editor = edit_google if account.dialect.rule_form == "google" else edit
        document, headers = _read(account, bucket)
        edited = editor(document, prefixes, days)
        if edited is None:
            return False
        _write(account, bucket, edited, headers)
        written, _ = _read(account, bucket)
        if editor(written, prefixes, days) is not None:
            # not the store's response
            if editor is edit_google:  # or it dropped a condition, so that the rule is for other objects, too
                _write(account, bucket, document or _NO_RULES, headers)
            what = f"write the lifecycle configuration of {bucket}"
            raise unexpected(what, "the rules were not written", account.endpoint, 200)
        return True


def edit(document: bytes | None, prefixes: Sequence[str], days: int) -> bytes | None:
    """Edit the configuration (None: there is none) so that it has a rule for each of our prefixes. Returns
    None if it needs no change. With ``days`` 0 our rules are disabled but kept.

    A rule for the same prefix whose ID is that prefix was written by an earlier version and counts as ours.
    Raises InvalidRequest or NotSupported for any other document.
    """
    parsed = parsed_rules(document, NAMESPACE)
    root = parsed.documentElement
    rules = [_Rule(node) for node in children(root, "Rule")]
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
        return not children(self._node, "Filter") and bool(children(self._node, "Prefix"))

    def is_for(self, prefix: str) -> bool:
        identity = text(child(self._node, "ID"))
        selection = child(self._node, "Filter")
        holder = selection or self._node
        others = selection is not None and {local(each) for each in selection.childNodes} - {"", "Prefix"}
        written = text(child(holder, "Prefix"))
        same = (written or "" if selection is not None else written) == prefix and not others
        return same and (identity == rule_id(prefix) or identity == prefix != "")

    def set(self, parsed: Any, days: int) -> bool:
        """Set the expiration; 0 disables the rule. Returns whether anything changed."""
        status = get_or_add(parsed, self._node, "Status")
        changed = set_text(parsed, status, "Enabled" if days else "Disabled")
        if days:
            expiration = get_or_add(parsed, self._node, "Expiration")
            changed = set_text(parsed, get_or_add(parsed, expiration, "Days"), str(days)) or changed
        return changed


def _new_rule(parsed: Any, root: Any, prefix: str, days: int, old_form: bool) -> Any:
    rule = parsed.createElement(named(root, "Rule"))
    set_text(parsed, get_or_add(parsed, rule, "ID"), rule_id(prefix))
    holder = rule if old_form else get_or_add(parsed, rule, "Filter")
    if prefix or old_form:  # an empty Filter is for all objects; some stores refuse an empty Prefix in it
        set_text(parsed, get_or_add(parsed, holder, "Prefix"), prefix)
    _Rule(rule).set(parsed, days)
    return rule


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
