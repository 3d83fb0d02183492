"""Our rule in a bucket's lifecycle configuration, beside other people's rules.

Source: Cloud Storage documentation, "Object Lifecycle Management". Rules have no IDs, and one that looks like
ours may be somebody else's: ours has a distinctive condition, a date before which every object was created.
Rules can only be written as a whole: the rest is written back as it was read, and only if nobody has changed
the bucket in between (``ifMetagenerationMatch``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from s3_sync.errors import InvalidRequest, NotSupported, PreconditionFailed, UnexpectedAnswer
from s3_sync.providers.gcs.resource import number
from s3_sync.providers.gcs.transport import GcsTransport, bucket_path

#: value of createdBefore; that of the S3 interoperability (``providers.s3.google_rules``), too
MARK = "2199-12-31"
_FIELDS = "metageneration,lifecycle"
#: attempts to write the rules of a bucket that other clients are changing
_ATTEMPTS = 5


def set_expiry_rule(transport: GcsTransport, bucket: str, prefixes: Sequence[str], days: int) -> bool:
    """See ``Bucket.set_expiry_rule``."""
    read, write = f"read the lifecycle rules of {bucket}", f"write the lifecycle rules of {bucket}"
    path = bucket_path(bucket)
    for attempts_left in range(_ATTEMPTS - 1, -1, -1):
        found = transport.document(read, "GET", path, {"fields": _FIELDS})
        rules = _rules(read, found)
        wanted = edited(rules, prefixes, days)
        if wanted == rules:
            return False
        metageneration = number(found, "metageneration")
        if metageneration is None:
            raise UnexpectedAnswer(f"{read}: not the description of a bucket", status=200)
        query = {"ifMetagenerationMatch": metageneration, "fields": _FIELDS}
        lifecycle = {"rule": wanted} if wanted else None
        try:
            written = transport.document(write, "PATCH", path, query, {"lifecycle": lifecycle})
        except PreconditionFailed:
            if not attempts_left:
                raise
            continue
        if wanted and not written.get("lifecycle"):
            raise NotSupported(f"{write}: the store keeps no rules")
        shown = _rules(write, written)
        if edited(shown, prefixes, days) != shown:
            raise UnexpectedAnswer(f"{write}: the answer does not show our rule", status=200)
        return True
    raise AssertionError("not reached")


def edited(rules: Sequence[Any], prefixes: Sequence[str], days: int) -> list[Any]:
    """The rules with one of ours for each of these prefixes; with ``days`` 0 without any of them."""
    found = list(rules)
    for prefix in prefixes:
        wanted = _rule(prefix, days)
        if days and found.count(wanted) == 1 and sum(is_ours(rule, prefix) for rule in found) == 1:
            continue
        found = [rule for rule in found if not is_ours(rule, prefix)]
        if days:
            found.append(wanted)
    return found


def is_ours(rule: Any, prefix: str) -> bool:
    """Whether the rule is ours, and for exactly this prefix: with a condition more or less, it is not."""
    condition = rule.get("condition") if isinstance(rule, dict) else None
    if not isinstance(condition, dict):
        return False
    return bool({**rule, "condition": {**condition, "age": 0}} == _rule(prefix, 0))


def _rule(prefix: str, days: int) -> dict[str, Any]:
    condition: dict[str, Any] = {"age": days, "createdBefore": MARK}
    if prefix:  # an empty one is for all objects, which have no condition then
        condition["matchesPrefix"] = [prefix]
    return {"action": {"type": "Delete"}, "condition": condition}


def _rules(what: str, document: dict[str, Any]) -> list[Any]:
    lifecycle = document.get("lifecycle") or {}
    rules = lifecycle.get("rule") or [] if isinstance(lifecycle, dict) else None
    if not isinstance(rules, list):
        raise InvalidRequest(f"{what}: the bucket's rules have an unknown form")
    return rules
