"""Lifecycle rules, and the store's clock."""

from __future__ import annotations

from s3_sync.config.credentials.permissions import Operation
from s3_sync.errors import NotSupported
from s3_sync.providers.base import Bucket
from s3_sync.providers.checks.base import Check, Finding, Site

#: seconds from which on a difference of clocks is worth a word, and from which on stores refuse signatures
_NOTED, _REFUSED = 60.0, 900.0


def read_rules(site: Site) -> Finding:
    """Whether the bucket has lifecycle rules. Reads them only: no rule is for the prefix of the probes."""
    try:
        site.bucket().set_expiry_rule(0)
    except NotSupported:
        return Finding("there are none", advised=site.changed(expires=False))
    return Finding("can be read")


def write_rule(bucket: Bucket, days: int) -> Finding:
    """Set the rule that the daemon sets at its start. ``bucket``: with the keys of the mapping."""
    changed = bucket.set_expiry_rule(days)
    text = f"copies expire {days} days after they are written"
    return Finding(f"{text}: the rule has been set, as the daemon does, and stays" if changed else text)


def clock(site: Site) -> Finding:
    """The difference to the store's clock, as of its last response."""
    offset = site.bucket().clock_offset
    if abs(offset) <= _NOTED:
        return Finding("agrees with this machine's")
    where = "ahead of" if offset > 0 else "behind"
    text = f"{abs(offset):.0f} s {where} this machine's: correct the wrong one"
    soon = f"; at {_REFUSED:.0f} s stores refuse all requests"
    return Finding(text + soon, wrong=abs(offset) > _REFUSED, noted=True)


RULES = (Check("lifecycle rules", read_rules, Operation.READ_RULES),)
CLOCK = Check("clock", clock, Operation.HEAD)
