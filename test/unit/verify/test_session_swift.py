"""Mappings to another Swift, whose containers may not exist yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3_sync.config.settings import Profile
from s3_sync.errors import AccessDenied, InvalidRequest, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.memory_swift import MemorySwift
from s3_sync.providers.wrappers.delegate import DelegatingProvider
from s3_sync.verify.destination import Destination, of_mapping
from s3_sync.verify.report import Report
from unit.verify.store import Calls, Interrupted, containers, new_swift, swift_mapping, verify, verify_killed

THEIRS = {"theirs": ["theirs"]}
OWN = ".cloudsync_test_container-\u00ef"


def states(report: Report) -> dict[str, str]:
    return {result.check: result.state for result in report.results}


def existing() -> Destination:
    return of_mapping(swift_mapping(bucket="theirs"))


def test_existing_container_is_used_and_keeps_what_it_had() -> None:
    memory = new_swift()
    report = verify(memory, existing())
    assert report.failures == []
    assert states(report)["large objects"] == states(report)["segments"] == "ok"
    assert report.needed == report.advised == {}
    assert containers(memory) == THEIRS


@pytest.mark.parametrize("bucket", ["theirs", "new"])
def test_run_interrupted_at_any_call_tidies_up_itself(bucket: str) -> None:
    """Where the container is there, with one for its segments, and where another one is created."""
    destination = of_mapping(swift_mapping(bucket=bucket))
    calls = Calls()
    verify(DelegatingProvider(new_swift("theirs_segments"), calls), destination)
    for last in range(1, calls.count + 1):
        memory = new_swift("theirs_segments")
        with pytest.raises(KeyboardInterrupt):
            verify(DelegatingProvider(memory, Interrupted(last)), destination)
        assert containers(memory) == {**THEIRS, "theirs_segments": []}, last


@pytest.mark.parametrize("container", ["c", "/*"])
def test_missing_container_is_not_created_but_another_one(container: str) -> None:
    memory = new_swift()
    created: list[tuple[str, str]] = []
    create = memory.create_bucket

    def note(name: str, storage_policy: str = "") -> None:
        created.append((name, storage_policy))
        create(name, storage_policy)

    memory.create_bucket = note  # type: ignore[method-assign]
    profile = Profile(storage_policy="silver")
    report = verify(memory, of_mapping(swift_mapping(container=container, bucket="new", profile=profile)))
    assert report.failures == []
    assert created[0][0].endswith(OWN)
    assert created[0][1] == "silver"
    assert containers(memory) == THEIRS


def test_container_of_an_old_command_line_must_exist() -> None:
    memory = new_swift()
    destination = replace(of_mapping(swift_mapping(bucket="new")), is_configured=False)
    [line] = verify(memory, destination).failures
    assert line.startswith("Unexpected status code checking PUT: 404 Not Found: ")
    assert containers(memory) == THEIRS


def test_container_that_cannot_be_created_is_told_in_the_stores_words() -> None:
    memory = new_swift()

    def refuse(name: str, storage_policy: str = "") -> None:
        raise InvalidRequest("Invalid X-Storage-Policy 'badPolicyName'", status=400)

    memory.create_bucket = refuse  # type: ignore[method-assign]
    destination = of_mapping(swift_mapping(container="/*"))
    assert verify(memory, destination).failures == ["Invalid X-Storage-Policy 'badPolicyName'"]


def test_cluster_that_does_not_answer_has_one_line() -> None:
    memory = new_swift()

    def fail(name: str) -> None:
        raise RemoteUnavailable("cannot connect")

    memory.head_bucket = fail  # type: ignore[method-assign]
    assert verify(memory, existing()).failures == ["Unexpected status code checking PUT: cannot connect"]


class OneContainer(MemorySwift):
    """The user has ACLs of one container, and no role on the account."""

    def head_bucket(self, name: str) -> None:
        if name != "theirs":
            raise AccessDenied("no", status=403)

    def create_bucket(self, name: str, storage_policy: str = "") -> None:
        if name != "theirs":
            raise AccessDenied("no", status=403)
        super().create_bucket(name)


def test_rights_to_one_container_only_are_told_with_the_role_that_is_missing() -> None:
    report = verify(OneContainer(), existing())
    failed = {result.check: result.grant for result in report.results if result.state == "failed"}
    assert failed == {"segments": "a role on the account, such as swiftoperator, for a:b"}


def test_segments_container_that_exists_is_written_to_and_kept() -> None:
    memory = new_swift()
    memory.create_bucket("theirs_segments")
    report = verify(memory, existing())
    assert [result.text for result in report.results if result.check == "segments"] == ["in theirs_segments"]
    assert containers(memory) == {**THEIRS, "theirs_segments": []}


@pytest.mark.parametrize("bucket", ["theirs", "new"])
def test_run_after_a_kill_at_any_call_leaves_the_cluster_as_it_was(bucket: str) -> None:
    destination = of_mapping(swift_mapping(bucket=bucket))
    calls = Calls()
    verify(DelegatingProvider(new_swift(), calls), destination)
    assert calls.count > 100
    for last in range(1, calls.count + 1):
        memory = new_swift()
        assert verify_killed(memory, last, destination)
        assert verify(memory, destination, with_properties=False).failures == []
        assert containers(memory) == THEIRS, last


def test_namer_of_another_swift_is_plain() -> None:
    found: Any = existing()
    assert found.namer == KeyNamer.literal(found.folder)
