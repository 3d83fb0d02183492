"""``swift-s3-ctl explain``"""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.explanation import (
    BOTH,
    NOWHERE,
    STORE,
    SWIFT,
    Explanation,
    LocalStatus,
    MappingExplanation,
    RemoteStatus,
    explain,
)
from s3_sync.admin.failures import Failure
from s3_sync.admin.migration_explanation import (
    ABSENT,
    CLIENTS,
    MIGRATED,
    UNREADABLE,
    MigrationExplanation,
)
from s3_sync.admin.node import NodeView
from s3_sync.runtime.output import Output, moment
from s3_sync.state.journal import QUARANTINE
from s3_sync.sync.inspection import HELD, WAITS, RowPosition

NAME = "explain"
HELP = "show everything known about one object, and where its bytes are"
_WHERE = {
    SWIFT: "in Swift only",
    STORE: "in the store only",
    BOTH: "in Swift and in the store",
    NOWHERE: "nowhere",
}

_IN_SWIFT = {
    ABSENT: "absent",
    MIGRATED: "as the migration has written it",
    CLIENTS: "written or changed by a client: it stays, unless the source's is newer",
    UNREADABLE: "unreadable",
}


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("object", help="account/container/object")
    parser.add_argument("--local", action="store_true", help="do not query the store")


def run(node: NodeView, options: Namespace, output: Output) -> int:
    found = explain(node, options.object, ask_store=not options.local)
    output.answer(found)
    for line in _lines(found):
        output.line(line)
    return codes.FINE if found.is_good else codes.FOUND


def _lines(found: Explanation) -> Iterator[str]:
    yield f"{found.account}/{found.container}/{found.name}"
    yield f"  in Swift        {_local(found.local)}"
    if not found.mappings and not found.migrations:
        yield "  no mapping covers this container"
    for problem in found.problems:
        yield f"  left out        {problem}"
    for each in found.mappings:
        yield ""
        yield f"  mapping         {each.mapping} -> {each.destination} ({each.mode})"
        for label, text in _mapping(each):
            yield f"    {label:<14}{text}"
    for migration in found.migrations:
        yield ""
        yield f"  migration       {migration.migration} <- {migration.source}"
        for label, text in _migration(migration):
            yield f"    {label:<14}{text}"


def _mapping(each: MappingExplanation) -> Iterator[tuple[str, str]]:
    yield from _policy(each)
    for row in each.rows:
        yield "row", _row(row)
        yield "", row.database
    if not each.rows:
        yield "row", "none in the databases on this node"
    yield from _last_error(each.failure)
    remote = each.remote
    text = f"{remote.state} as {remote.key}"
    if remote.state == "present":
        text += f", {remote.size} bytes, ETag {remote.etag}"
        text += f", of {remote.swift_timestamp}" if remote.swift_timestamp else ""
    yield "in the store", text + (f": {remote.detail}" if remote.detail else "")
    if remote.storage_class or remote.archived:
        yield "storage class", _storage_class(remote)
    yield "bytes", _WHERE.get(each.bytes_in, "unknown")
    for error in each.errors:
        yield "error", error


def _migration(each: MigrationExplanation) -> Iterator[tuple[str, str]]:
    if each.paused:
        yield "paused", "nothing is copied until the migration is resumed"
    text = f"{each.source_state} as {each.key}"
    if each.source_state == "present":
        text += f", {each.size} bytes, ETag {each.etag}, of {each.version}"
        text += f", archived in {each.storage_class}" if each.archived else ""
    yield "at the source", text
    yield "in Swift", _IN_SWIFT[each.local]
    for difference in each.differences:
        yield "differs", difference
    yield "present pass", "has compared it" if each.compared else "has not reached it"
    if each.waits_until is not None:
        yield "older_than", f"is met from {moment(each.waits_until)}"
    yield from _last_error(each.failure)
    for error in each.errors:
        yield "error", error


def _storage_class(remote: RemoteStatus) -> str:
    text = remote.storage_class or "unknown"
    if remote.retrieving:
        return f"{text}: the store is retrieving the object, which cannot be read yet"
    if remote.archived:
        return f"{text}: the object cannot be read before the store has retrieved it"
    if remote.retrieved_until is None:
        return text
    end = "for good" if math.isinf(remote.retrieved_until) else f"until {moment(remote.retrieved_until)}"
    return f"{text}: retrieved, can be read {end}"


def _policy(each: MappingExplanation) -> Iterator[tuple[str, str]]:
    if each.paused:
        yield "paused", "no transfers until the mapping is resumed"
    if each.excluded:
        yield "excluded", "the name matches exclude_pattern: the object is ignored"
    if each.condition:
        results = {True: "is met", False: "is not met: the object is ignored", None: "unknown"}
        yield "condition", f"{each.condition}: {results[each.meets_condition]}"
    if each.due is not None:
        yield "due", f"{moment(each.due)}, when copy_after has passed"
    if each.waiting:
        yield "large", "waiting in the lane of large objects, or being sent"
    if each.expires is not None:
        yield "expires", f"{moment(each.expires)}, when the copy is deleted"


def _row(row: RowPosition) -> str:
    until = f" until {moment(row.until)}" if row.position == WAITS else ""
    if row.position == HELD:
        until = " by the delete budget until "
        until += "an operator allows it" if row.until is None else moment(row.until)
    whose = "this node's" if row.own else "another node's"
    what = "deleted" if row.deleted else "written"
    return f"{row.row}, {whose}, {what} {row.timestamp}: {row.position}{until} (cursor {row.cursor})"


def _last_error(failure: Failure | None) -> Iterator[tuple[str, str]]:
    if failure is None:
        yield "last error", "none"
        return
    yield "last error", f"{failure.reason}: {failure.detail}"
    again = "when deletes are allowed" if failure.next_try is None else moment(failure.next_try)
    if failure.state == QUARANTINE:
        again = "when the object changes, or on reset"
    yield "next try", f"{again}, after {failure.attempts} failed attempts"


def _local(local: LocalStatus) -> str:
    text = local.state
    if local.timestamp:
        text += f", {local.timestamp}"
    if local.size is not None:
        text += f", {local.size} bytes, policy {local.policy}, {local.kind}"
    if local.expired:
        text += ", expired"
    return text + (f": {local.detail}" if local.detail else "")
