"""Rules in the account's management policy, at a Resource Manager of our own."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from s3_sync.config.credentials import azure as model
from s3_sync.config.credentials.azure import AzureCredentials, CloudPlaces
from s3_sync.errors import AccessDenied, NotFound, NotSupported, RemoteError, Throttled, UnexpectedAnswer
from s3_sync.http.network import Network
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.azure import management
from s3_sync.providers.azure.management import ManagementPolicy, edit, rule_name
from servers.fake_azure import FakeAzure
from servers.in_process import InProcessServer
from unit.providers.azure.conftest import NewBucket

THEIRS = {
    "name": "theirs",
    "enabled": True,
    "type": "Lifecycle",
    "definition": {"actions": {"baseBlob": {"tierToCool": {"daysAfterModificationGreaterThan": 30.5}}}},
    "unknown": {"kept": ["as", "it", "is"]},
}
PATH = "/subscriptions/sub%20id/resourceGroups/group/providers/Microsoft.Storage/storageAccounts/labs"


class Manager:
    """``rules`` None: there is no policy. ``answer``: instead of any other."""

    def __init__(self) -> None:
        self.rules: Any = None
        self.answer: tuple[int, Any] | None = None
        self.writes = 0
        self.ignores_writes = False

    def serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        assert handler.path == f"{PATH}/managementPolicies/default?api-version=2023-01-01"
        assert handler.headers["Authorization"] == "Bearer t0ken"
        if self.answer is not None:
            return self.answer
        if handler.command == "PUT":
            self.writes += 1
            if not self.ignores_writes:
                self.rules = json.loads(body)["properties"]["policy"]["rules"]
        if self.rules is None:
            return 404, {"error": {"code": "ManagementPolicyNotFound", "message": "there is none"}}
        return 200, {"properties": {"policy": {"rules": self.rules}}}


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, document = manager.serve(self, body)
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Retry-After", "5")
            self.end_headers()
            self.wfile.write(data)

        do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with InProcessServer(Handler) as server:
        places = CloudPlaces("core.windows.net", "login.example.org", server.endpoint)
        monkeypatch.setitem(model.CLOUDS, "public", places)  # type: ignore[arg-type]
        monkeypatch.setattr(
            management, "token_cache", lambda *_: type("T", (), {"token": lambda _: "t0ken"})()
        )
        yield manager


@pytest.fixture
def policy() -> Iterator[ManagementPolicy]:
    credentials = AzureCredentials(
        provider="azure", identity="labs", azure_login="managed_identity", subscription_id="sub id",
        resource_group="group",
    )  # fmt: skip
    policy = ManagementPolicy(credentials, Network(credentials))
    yield policy
    policy.close()


def test_rule_is_written_once_and_changed_and_disabled(manager: Manager, policy: ManagementPolicy) -> None:
    spaces = KeyNamer.literal("p/").key_spaces
    assert not policy.set_rule("scans", spaces, 0)
    assert policy.set_rule("scans", spaces, 30)
    assert not policy.set_rule("scans", spaces, 30)
    (rule,) = manager.rules
    assert rule["definition"] == {
        "actions": {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 30}}},
        "filters": {"blobTypes": ["blockBlob"], "prefixMatch": ["scans/p/"]},
    }
    assert rule["name"].isalnum()
    assert policy.set_rule("scans", spaces, 31)
    assert policy.set_rule("scans", spaces, 0)
    assert [each["enabled"] for each in manager.rules] == [False]
    assert manager.writes == 3


def test_foreign_rules_stay_as_they_are(manager: Manager, policy: ManagementPolicy) -> None:
    manager.rules = [copy.deepcopy(THEIRS)]
    policy.set_rule("scans", KeyNamer.hashed("AUTH_a", "c").key_spaces, 30)
    policy.set_rule("other", [""], 5)
    assert manager.rules[0] == THEIRS
    places = [rule["definition"]["filters"]["prefixMatch"] for rule in manager.rules[1:]]
    assert places == [["scans/15dca6/AUTH_a/c/", "scans/15dca6/.manifests/AUTH_a/c/"], ["other/"]]


def test_write_that_had_no_effect_is_no_success(manager: Manager, policy: ManagementPolicy) -> None:
    manager.rules, manager.ignores_writes = [], True
    with pytest.raises(UnexpectedAnswer):
        policy.set_rule("scans", [""], 30)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((403, {"error": {"code": "AuthorizationFailed", "message": "no"}}), AccessDenied),
        ((404, {"error": {"code": "ResourceNotFound", "message": "no account"}}), NotFound),
        ((404, b"<html>"), UnexpectedAnswer),
        ((429, {"error": {"code": "TooManyRequests"}}), Throttled),
        ((200, b"<html>"), UnexpectedAnswer),
        ((200, {"properties": {}}), UnexpectedAnswer),
        ((200, {"properties": {"policy": {"rules": ["x"]}}}), UnexpectedAnswer),
    ],
)
def test_other_answers_change_nothing(
    manager: Manager, policy: ManagementPolicy, answer: tuple[int, Any], kind: type[RemoteError]
) -> None:
    manager.answer = answer
    with pytest.raises(kind):
        policy.set_rule("scans", [""], 30)
    assert manager.writes == 0


def test_key_cannot_set_rules(service: FakeAzure, new_bucket: NewBucket) -> None:
    with pytest.raises(NotSupported, match="management policy"):
        new_bucket().set_expiry_rule(30)


def test_edit_changes_nothing_where_nothing_differs() -> None:
    rules = edit([], ["a/"], 3)
    assert rules
    assert rules[0]["name"] == rule_name(["a/"])
    assert edit(rules, ["a/"], 3) is None
    assert edit([THEIRS], ["a/"], 0) is None
