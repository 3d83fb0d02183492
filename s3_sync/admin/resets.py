"""The ``--since`` argument of a reset, and the dry run of one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from s3_sync.admin.node import NodeView
from s3_sync.cluster.brokers import BriefRow, LocalReplica
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalError, LocalMissing, UsageError
from s3_sync.model.timestamps import parse_iso_date
from s3_sync.sync.inspection import listed_size, reset_rows

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGO = re.compile(r"(\d{1,9})([smhdw])")


@dataclass(slots=True)
class Plan:
    """The rows that a reset would compare on this node: ``objects`` and ``deletes`` of its own share at once,
    ``others``, which belong to other nodes, after the verification slack. ``bytes``: size of the objects, the
    most that would be sent. ``failures``: failed objects that would be retried.
    """

    objects: int = 0
    bytes: int = 0
    deletes: int = 0
    others: int = 0
    failures: int = 0
    databases: int = 0


def since_of(text: str, now: float) -> float:
    """Parse a date (``2026-01-31``, ``2026-01-31T12:00:00Z``; UTC), an age (``24h``; or s, m, d, w), or
    seconds since the epoch, and return seconds since the epoch. Raises UsageError, also for a time in the
    future."""
    if ago := _AGO.fullmatch(text):
        since = now - int(ago[1]) * _UNITS[ago[2]]
    elif re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        since = float(text)
    else:
        try:
            since = parse_iso_date(text)
        except (ValueError, OverflowError):
            raise UsageError(f"--since {text}: expected a date, or an age such as 24h") from None
    if since > now:
        raise UsageError(f"--since {text}: the time is in the future")
    return max(0.0, since)


def plan(node: NodeView, mapping: Mapping, prefix: str = "", since: float = 0.0) -> Plan:
    """Count the rows in the databases, without any request to the store. Raises LocalError, StateError."""
    found = Plan()
    for each in node.containers(mapping, listed=True):
        for replica in node.replicas.replicas(each.account, each.container):
            try:
                with replica.open() as db:
                    found.databases += 1
                    for row in reset_rows(db, prefix, since):
                        _add(found, row, replica)
            except LocalMissing:
                continue
        after = ""
        while page := node.journal.unsettled(each.journal_key, 1000, after):
            found.failures += sum(entry.name.startswith(prefix) for entry in page)
            after = page[-1].name
    if not found.databases:
        raise LocalError("this node has no database of the container")
    return found


def _add(found: Plan, row: BriefRow, replica: LocalReplica) -> None:
    _, name, _, size, deleted, content_type = row
    if not replica.owns(name):
        found.others += 1
    elif deleted:
        found.deletes += 1
    else:
        found.objects += 1
        found.bytes += listed_size(size, content_type)
