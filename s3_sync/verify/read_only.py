"""Checks that write nothing: list buckets, or read an object that is there."""

from __future__ import annotations

from dataclasses import replace

from s3_sync.config.credentials.permissions import Operation
from s3_sync.errors import RemoteError, UsageError
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Bucket, ListQuery, Provider
from s3_sync.providers.registry import Registry
from s3_sync.verify.arguments import EVERY_BUCKET
from s3_sync.verify.destination import Destination
from s3_sync.verify.diagnosis import is_denied
from s3_sync.verify.messages import described
from s3_sync.verify.report import Report, Result


def check_buckets(registry: Registry, destination: Destination) -> Report:
    """The credentials are good, and may list buckets."""
    credentials = destination.mapping.credentials
    report = Report(f"account at {credentials.described_endpoint()}", credentials)
    grant = credentials.grant(Operation.LIST_BUCKETS, "")
    try:
        entry = next(registry.provider(credentials).list_buckets(), None)
    except RemoteError as error:
        grant = grant if is_denied(error) else ""
        message = f"Failed to list containers/buckets: {described(error, grant)}"
        report.results.append(Result("list buckets", "failed", described(error), message, grant))
        return report
    report.results.append(Result("list buckets", "ok", "" if entry else "there are none"))
    return report


def read_something(registry: Registry, destination: Destination, bucket: str, prefix: str | None) -> Report:
    """LIST, HEAD and GET of an object that is there. ``bucket``: may be all of them; then the first one
    counts. ``prefix``: of its key; None: that of the mapping."""
    credentials = destination.mapping.credentials
    report = Report(destination.title, credentials)
    if bucket == EVERY_BUCKET:
        found = _first_bucket(registry.provider(credentials), report)
        if found is None:
            return report
        destination = replace(destination, mapping=replace(destination.mapping, bucket=found))
        report.title = destination.title
    namer = destination.mapping.namer if prefix is None else KeyNamer.literal(prefix)
    _read(registry.open_bucket(replace(destination.mapping, namer=namer)), report)
    return report


def _first_bucket(provider: Provider, report: Report) -> str | None:
    try:
        entry = next(provider.list_buckets(), None)
    except RemoteError as error:
        _failed(report, Operation.LIST_BUCKETS, "Unexpected response when listing buckets/containers", error)
        return None
    if entry is None:
        raise UsageError("No buckets/containers found")
    return entry.name


def _read(bucket: Bucket, report: Report) -> None:
    try:
        page = bucket.list_objects(ListQuery(limit=1))
        while not page.objects and page.next_after is not None:
            page = bucket.list_objects(ListQuery(start_after=page.next_after, limit=1))
    except RemoteError as error:
        _failed(report, Operation.LIST, "Unexpected status code when listing objects", error)
        return
    report.results.append(Result("LIST", "ok"))
    if not page.objects:
        raise UsageError("There are no objects in the bucket to validate GET/HEAD access")
    name = page.objects[0].name
    try:
        bucket.head_object(name)
        report.results.append(Result("HEAD", "ok", name))
    except RemoteError as error:
        _failed(report, Operation.HEAD, f"Unexpected status when issuing HEAD on {name}", error)
    try:
        bucket.get_object(name).close()
        report.results.append(Result("GET", "ok", name))
    except RemoteError as error:
        _failed(report, Operation.GET, f"Unexpected status when issuing GET on {name}", error)


def _failed(report: Report, operation: Operation, what: str, error: RemoteError) -> None:
    grant = report.credentials.grant(operation, "BUCKET") if is_denied(error) else ""
    message = f"{what}: {described(error, grant)}"
    report.results.append(Result(operation.value, "failed", described(error), message, grant))
