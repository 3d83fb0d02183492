"""The program with the strict blob service as its store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from s3_sync.verify.main import main
from servers.fake_azure import ACCOUNT, KEY, FakeAzure
from servers.fake_azure_store import Blob, Container, Refused


@pytest.fixture
def service() -> Iterator[FakeAzure]:
    with FakeAzure() as service:
        service.store.containers["probes"] = Container()
        yield service


def verify(service: FakeAzure, *more: str) -> int:
    given = ["--protocol", "azure", "--endpoint", service.endpoint, "--username", ACCOUNT]
    return main([*given, "--password", KEY, *more])


def test_container_that_works_is_left_as_it_was(
    service: FakeAzure, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(service, "--bucket", "probes") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert {line.split()[0] for line in lines} == {"ok", "note"}
    assert [line.split()[1:4] for line in lines if "note" in line] == [["kinds", "of", "names"]]
    assert "  ok      conditional writes     If-None-Match: enforced; If-Match: enforced" in lines
    assert service.store.containers["probes"].blobs == {}


def test_missing_permission_is_named_with_what_grants_it(
    service: FakeAzure, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(method: str, path: str, query: dict[str, str]) -> None:
        if query.get("comp") == "metadata":
            raise Refused(403, "AuthorizationPermissionMismatch")

    service.faults.refuse = refuse
    assert verify(service, "--bucket", "probes") == 1
    out = capsys.readouterr().out
    assert "FAILED  POST" in out
    assert "the role Storage Blob Data Contributor on the container probes, or a SAS with rw" in out
    assert KEY not in out


def test_reading_only_writes_nothing(service: FakeAzure, capsys: pytest.CaptureFixture[str]) -> None:
    service.store.containers["probes"].blobs["o"] = Blob((("", b"x"),), "0x1", {}, {})
    assert verify(service, "--bucket", "probes", "--read-only") == 0
    assert verify(service) == 0  # lists containers
    assert {each.method for each in service.requests} <= {"GET", "HEAD"}
