"""Credentials at Azure and at Google that are replaced, or lose a right, while the daemon has work to do."""

from __future__ import annotations

import base64
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faults.proxy import Call, FaultProxy
from faults.store_api import APIS, REFUSALS, Api
from servers import fake_azure, fake_gcs, fake_gcs_handler
from servers.daemon import NewDaemon
from servers.fake_azure import FakeAzure
from servers.fake_gcs import FakeGcs
from servers.google import FakeGoogle
from servers.pair import Pair
from servers.process import wait_until

WORKERS = 2
NewPair = Callable[..., Pair]


@dataclass
class Case:
    """A mapping whose credentials lose one right. ``name``: begins the names of its objects."""

    api: Api
    pair: Pair
    proxy: FaultProxy
    right: str
    name: str

    @property
    def operations(self) -> tuple[str, ...]:
        """What the right permits."""
        deletes = tuple(name for name in self.api.writes if name.startswith("Delete"))
        return {
            "write": tuple(name for name in self.api.writes if name not in deletes),
            "delete": (*deletes, "DeleteObject"),
            "list": tuple(name for name in self.api.reads if name.startswith("List")),
        }[self.right]

    def is_it(self, call: Call) -> bool:
        return self.is_mine(call) and self.api.operation(call) in self.operations

    def is_mine(self, call: Call) -> bool:
        return self.api.place(call)[0] == self.pair.bucket

    def fill(self) -> None:
        for number in range(4):
            self.pair.put(f"{self.name}-old{number}")

    def change(self) -> None:
        self.pair.put(f"{self.name}-new0")
        self.pair.post(f"{self.name}-old0", {"X-Object-Meta-Colour": "blue"})
        self.pair.delete(f"{self.name}-old1")
        self.pair.put(f"{self.name}-new1")

    def check_denied(self, denied: set[str]) -> None:
        """``denied``: the objects of this mapping that the journal has."""
        mine = {each for each in denied if each.startswith(self.name)}
        if self.right == "write":  # the first failures are enough for the mapping to wait
            assert mine
            assert mine <= {f"{self.name}-{each}" for each in ("new0", "new1", "old0")}
        elif self.right == "delete":
            assert mine == {f"{self.name}-old1"}
            assert len(self.pair.arrived()) == 6
        else:
            assert mine == set()
            self.pair.check()

    def check_sent(self, since: int) -> None:
        """Nothing was sent twice, and nothing that was there."""
        calls = [call for call in self.proxy.calls(since=since) if self.is_mine(call)]
        sends = [call for call in calls if self.api.operation(call) in self.api.sends]
        sent = Counter(self.api.place(call)[1] for call in sends if call.status // 100 == 2)
        prefix = f"{self.pair.prefix}{self.name}"
        assert sent == {f"{prefix}-new0": 1, f"{prefix}-new1": 1}


def test_lost_right_concerns_its_own_requests_and_its_mapping_only(
    request: pytest.FixtureRequest, provider_pair: NewPair, new_daemon: NewDaemon
) -> None:
    """Deletes go on without the right to write, writes without the one to delete, all without listings."""
    with ExitStack() as stack:
        cases = []
        for store, api in APIS.items():
            proxy = stack.enter_context(FaultProxy.before(request.getfixturevalue(store).endpoint))
            for right in ("write", "delete", "list"):
                pair = provider_pair(store, through=proxy.endpoint)
                cases.append(Case(api, pair, proxy, right, f"{store}-{right}"))
                cases[-1].fill()
        daemon = new_daemon(*(case.pair for case in cases), workers=WORKERS)
        assert daemon.once().returncode == 0, daemon.log_text()
        for case in cases:
            case.change()
            store = case.name.partition("-")[0]
            case.proxy.when(REFUSALS[store]["403 denied"], where=case.is_it)
            if case.right == "list":  # all of it is compared
                (daemon.status_dir / case.pair.swift.account / case.pair.container).unlink()
        since = {case.name: len(case.proxy.calls()) for case in cases}
        assert daemon.once().returncode == 1
        found = daemon.unsettled()
        assert {reason for _, reason, _ in found.values()} == {"remote_denied"}
        for case in cases:
            case.check_denied(set(found))
            case.proxy.heal()
        daemon.ctl("failed", "--retry")
        assert daemon.once().returncode == 0, daemon.log_text()
        assert daemon.unsettled() == {}
        for case in cases:
            case.pair.check()
            case.check_sent(since[case.name])


@dataclass
class Credential:
    """The credential of one store. ``first``: what it takes now; ``replace``: from now on it takes another
    one, which is returned."""

    first: str
    replace: Callable[[], str]
    option: str = "aws_secret"


def account_key(azure: FakeAzure, patch: pytest.MonkeyPatch) -> Credential:
    def replace() -> str:
        key = base64.b64encode(b"another key of the same account").decode()
        patch.setattr(fake_azure, "KEY", key)
        return key

    return Credential(fake_azure.KEY, replace)


def hmac_secret(google: FakeGoogle, patch: pytest.MonkeyPatch) -> Credential:
    def replace() -> str:
        patch.setattr(google, "secret_key", "another/secret+of=google")
        return google.secret_key

    return Credential(google.secret_key, replace)


def service_account_key(gcs: FakeGcs, patch: pytest.MonkeyPatch) -> Credential:
    """Its tokens end with it."""

    def replace() -> str:
        pair = fake_gcs.private_key.__wrapped__()
        for module in (fake_gcs, fake_gcs_handler):
            patch.setattr(module, "private_key", lambda: pair)
        gcs.revoke_all()
        return gcs.key_json

    return Credential(gcs.key_json, replace)


CREDENTIALS: dict[str, Callable[[Any, pytest.MonkeyPatch], Credential]] = {
    "azure": account_key,
    "google": hmac_secret,
    "gcs": service_account_key,
}


@pytest.mark.ends_in_the_middle  # it may keep the account as it was before
@pytest.mark.parametrize("store", CREDENTIALS)
def test_replaced_credential_is_an_outage_until_the_daemon_is_given_the_new_one(
    store: str,
    request: pytest.FixtureRequest,
    provider_pair: NewPair,
    new_daemon: NewDaemon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credential = CREDENTIALS[store](request.getfixturevalue(store), monkeypatch)
    file = tmp_path / "secret"
    pair = provider_pair(store)
    pair.mapping[credential.option] = {"file": str(file)}

    def give(secret: str) -> None:
        new = tmp_path / "new"
        new.write_text(secret)
        new.chmod(0o600)
        new.replace(file)

    give(credential.first)
    pair.put("old", b"1")
    pair.put("gone", b"1")
    daemon = new_daemon(pair, workers=WORKERS)
    child = daemon.start()
    wait_until(lambda: sorted(pair.arrived()) == ["gone", "old"], 30, "the first copies")
    second = credential.replace()
    if store == "google":
        pair.s3 = request.getfixturevalue(store).client()
    pair.put("old", b"2")
    pair.delete("gone")
    for number in range(20):
        pair.put(f"new{number:02}")
    wait_until(lambda: "Failed to process" in daemon.log_text(), 30, "the pause")
    waiting = daemon.unsettled()
    assert {reason for _, reason, _ in waiting.values()} <= {"remote_credentials"}
    assert len(waiting) <= 3 * WORKERS, "the rest waits in the container's database"
    assert sorted(pair.arrived()) == ["gone", "old"]
    give(second)
    child.signal(signal.SIGHUP)
    wait_until(lambda: len(pair.arrived()) == 21 and not daemon.unsettled(), 60, "recovery")
    daemon.stop()
    pair.check()
    assert daemon.log_text().count("Failed to process") == 1
    tokens = request.getfixturevalue(store).tokens if store == "gcs" else ()
    check_no_secret(daemon.directory, credential.first, second, *tokens)


def check_no_secret(directory: Path, *secrets: str) -> None:
    """Neither in a log nor in any other file of a daemon."""
    words = {word for secret in secrets for word in words_of(secret)}
    assert len(words) >= len(secrets)
    for path in directory.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert [word for word in words if word.encode() in content] == [], path


def words_of(secret: str) -> list[str]:
    """What must not be quoted of it: of a key in JSON the lines of the private key."""
    if not secret.startswith("{"):
        return [secret]
    return [line for line in secret.split("\\n") if len(line) == 64]
