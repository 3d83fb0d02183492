"""The checks of one destination: what they report, and that they leave the store as they found it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from s3_sync.config.settings import Profile
from s3_sync.errors import (
    AccessDenied,
    CredentialsRefused,
    NotFound,
    ObjectLocked,
    RemoteError,
    RemoteUnavailable,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Bucket, WriteOptions
from s3_sync.providers.checks.access import ACCESS, UPLOADS
from s3_sync.providers.checks.probes import put
from s3_sync.providers.checks.suite import PROPERTIES
from s3_sync.providers.memory import MemoryBucket, MemoryProvider, MemoryUpload
from s3_sync.providers.wrappers.delegate import DelegatingProvider
from s3_sync.verify.destination import of_mapping
from s3_sync.verify.report import Report
from unit.verify.store import OTHERS, Calls, Interrupted, content, mapping, new_store, verify, verify_killed

THEIRS = dict.fromkeys(OTHERS, b"theirs")


def states(report: Report) -> dict[str, str]:
    return {result.check: result.state for result in report.results}


def test_store_that_can_all_passes_every_check_and_keeps_what_it_had() -> None:
    memory = new_store()
    report = verify(memory)
    assert report.failures == []
    assert set(states(report).values()) == {"ok", "note"}  # more than is known of the store
    names = [check.name for check in (*ACCESS, *UPLOADS, *PROPERTIES)]
    assert sorted(states(report)) == sorted([*names, "stored manifest"])
    assert content(memory) == THEIRS


def test_run_without_properties_checks_what_is_permitted_only() -> None:
    report = verify(new_store(), with_properties=False)
    assert list(states(report)) == [*(check.name for check in (*ACCESS, *UPLOADS)), "stored manifest"]


def test_run_after_a_kill_at_any_call_leaves_the_store_as_it_was() -> None:
    """Each call has taken effect when the process is gone."""
    calls = Calls()
    verify(DelegatingProvider(new_store(), calls))
    assert calls.count > 150
    for last in range(1, calls.count + 1):
        memory = new_store()
        assert verify_killed(memory, last)
        assert verify(memory, with_properties=False).failures == []
        assert content(memory) == THEIRS, last


def test_run_interrupted_at_any_call_tidies_up_itself() -> None:
    """Also where the interruption comes while it does so. The call may have taken effect."""
    calls = Calls()
    verify(DelegatingProvider(new_store(), calls))
    for last in range(1, calls.count + 1):
        memory = new_store()
        with pytest.raises(KeyboardInterrupt):
            verify(DelegatingProvider(memory, Interrupted(last)))
        assert content(memory) == THEIRS, last


class Denying(MemoryProvider):
    """Does not permit some methods of its buckets and uploads."""

    def __init__(self, *denied: str, error: Callable[[], RemoteError] | None = None) -> None:
        super().__init__(limits=new_store().limits)
        self.denied = denied
        self.error = error or (lambda: AccessDenied("no", status=403, code="AccessDenied"))
        self.create_bucket("bucket")

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = WriteOptions()) -> Any:  # noqa: B008
        return _Denying(super().bucket(name, namer, write), self)


class _Denying:
    def __init__(self, behind: MemoryBucket | MemoryUpload, provider: Denying) -> None:
        self._behind = behind
        self._provider = provider

    def __getattr__(self, name: str) -> Any:
        if name in self._provider.denied:
            return self._deny
        found = getattr(self._behind, name)
        if name not in ("create_upload", "upload_by_id", "manifests"):
            return found
        if name == "manifests":
            return _Denying(found, self._provider)
        return lambda *arguments: _Denying(found(*arguments), self._provider)

    def _deny(self, *_: object, **__: object) -> Any:
        raise self._provider.error()


def grants(report: Report) -> dict[str, str]:
    return {result.check: result.grant for result in report.results if result.state == "failed"}


@pytest.mark.parametrize(
    ("denied", "failed", "action"),
    [
        ("put_object", "PUT", "s3:PutObject"),
        ("head_object", "HEAD", "s3:GetObject"),
        ("get_object", "GET", "s3:GetObject"),
        ("post_object", "POST", '["s3:GetObject", "s3:PutObject"]'),
        ("list_objects", "LIST", "s3:ListBucket"),
        ("delete_object", "DELETE", "s3:DeleteObject"),
        ("create_upload", "multipart upload", "s3:PutObject"),
        ("abort", "abort upload", "s3:AbortMultipartUpload"),
        ("list_uploads", "list uploads", "s3:ListBucketMultipartUploads"),
    ],
)
def test_missing_permission_is_named_with_the_line_that_grants_it(
    denied: str, failed: str, action: str
) -> None:
    provider = Denying(denied)
    report = verify(provider)
    assert action in grants(report)[failed]
    assert any(action in line for line in report.failures)
    assert content(provider) == {}


def test_nothing_is_written_that_could_not_be_deleted() -> None:
    provider = Denying("delete_object")
    report = verify(provider)
    assert states(report) == {
        "DELETE": "failed",
        "PUT": "skipped",
        "POST": "skipped",
        "HEAD": "ok",
        "metadata": "skipped",
        "GET": "ok",
        "LIST": "ok",
    }
    [line] = report.failures
    assert line.startswith("Unexpected status code deleting obj: 403 Forbidden: no; needed: {")
    assert content(provider) == {}


def test_uploads_are_not_begun_where_they_cannot_be_aborted() -> None:
    provider = Denying("abort")
    report = verify(provider)
    assert states(report)["sizes of parts"] == states(report)["number of parts"] == "ok"
    assert grants(report).keys() == {"abort upload"}
    assert provider.store("bucket").uploads == {}


def test_object_that_a_lock_keeps_is_reported_as_left() -> None:
    provider = Denying("delete_object", error=lambda: ObjectLocked("locked until tomorrow", status=403))
    report = verify(provider)
    assert any("locked until tomorrow" in line for line in report.failures)
    assert any(line.startswith("Could not be removed: ") for line in report.failures)


@pytest.mark.parametrize(
    "error",
    [
        RemoteUnavailable("cannot connect"),
        CredentialsRefused("wrong secret", status=403),
        NotFound("no such bucket", status=404, code="NoSuchBucket"),
    ],
    ids=["unreachable", "credentials", "no bucket"],
)
def test_store_that_refuses_everything_is_reported_in_one_line(error: RemoteError) -> None:
    methods = ("put_object", "head_object", "get_object", "list_objects", "delete_object", "list_uploads")
    report = verify(Denying(*methods, error=lambda: error))
    [line] = report.failures
    assert line.startswith("Unexpected status code checking PUT: ")
    assert str(error) in line
    assert list(report.text()) == []


def test_error_of_the_program_is_a_failed_check_and_no_traceback() -> None:
    def fail() -> RemoteError:
        raise ZeroDivisionError("division by zero")

    report = verify(Denying("post_object", error=fail))
    error = "an error of this program: ZeroDivisionError: division by zero"
    assert report.failures == [f"Unexpected status code checking write: {error}"]
    assert states(report)["DELETE"] == "ok"


def test_probes_have_the_default_class_and_the_profile_is_tried_once() -> None:
    written: list[str] = []

    class Noting(MemoryProvider):
        def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = WriteOptions()) -> Any:  # noqa: B008
            bucket = super().bucket(name, namer, write)
            put_object = bucket.put_object

            def note(name: str, *arguments: Any) -> Any:
                if write.storage_class:
                    written.append(name)
                return put_object(name, *arguments)

            bucket.put_object = note  # type: ignore[method-assign]
            return bucket

    provider = Noting(limits=new_store().limits)
    provider.create_bucket("bucket")
    archived = mapping(profile=Profile(storage_class="GLACIER", tags=(("a", "b"),)))
    report = verify(provider, of_mapping(archived))
    assert states(report)["profile's options"] == "ok"
    assert written == ["configured"]
    assert report.failures == []


def test_lifecycle_rule_is_written_only_if_the_mapping_has_one() -> None:
    memory = new_store()
    verify(memory)
    assert set(memory.store("bucket").lifetimes.values()) <= {0}
    report = verify(memory, of_mapping(mapping(profile=Profile(remote_delete_after=30 * 86400))))
    assert memory.store("bucket").lifetimes["p/"] == 30
    [told] = [result.text for result in report.results if result.check == "lifecycle rule"]
    assert told == (
        "copies expire 30 days after they are written: the rule has been set, as the daemon does, and stays"
    )


def test_account_mapping_is_checked_with_a_container_that_nobody_has() -> None:
    memory = new_store()
    whole = mapping(container="/*", namer=KeyNamer.hashed("AUTH_a", "/*"))
    destination = of_mapping(whole)
    assert verify(memory, destination).failures == []
    assert "/AUTH_a/.cloudsync_test_container-ï/.swift-s3-verify." in destination.folder
    assert not destination.creates_bucket
    assert content(memory) == THEIRS


@pytest.mark.parametrize("age", [60.0, 2 * 3600.0])
def test_probes_of_another_machine_are_removed_after_an_hour(age: float) -> None:
    memory = new_store()
    now = memory.clock()
    memory.clock = lambda: now - age
    other: Bucket = memory.bucket("bucket", KeyNamer.literal("p/.swift-s3-verify.00000000/"))
    put(other, "object")
    place: Bucket = memory.bucket("bucket", KeyNamer.literal("p/.swift-s3-verify."))
    put(place, "notes/of a user")
    other.create_upload("numbers", put_meta())
    memory.clock = lambda: now
    verify(memory)
    store = memory.store("bucket")
    gone = age > 3600
    assert ("p/.swift-s3-verify.00000000/object" not in store.objects) == gone
    assert (store.uploads == {}) == gone
    assert {*THEIRS, "p/.swift-s3-verify.notes/of a user"} <= store.objects.keys()


def put_meta() -> Any:
    from s3_sync.model.objects import ObjectMeta

    return ObjectMeta()
