"""Where credentials come from, and what is said of those that are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.credentials.gcs import GcsCredentials
from s3_sync.config.secret import Secret
from s3_sync.errors import CredentialsRefused, RemoteUnavailable, UnexpectedAnswer
from s3_sync.http.network import Network
from s3_sync.providers.gcs.login import GoogleLogin
from servers.fake_gcs import PROJECT, FakeGcs, Refusal
from unit.providers.gcs.conftest import TIMEOUTS


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))


def set_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The library looks at the variable when it is imported."""
    monkeypatch.setenv("GCE_METADATA_HOST", host)
    monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", host)


class Logins:
    """Logins that are closed when the test ends."""

    def __init__(self, fake: FakeGcs) -> None:
        self.fake = fake
        self.open: list[GoogleLogin] = []

    def __call__(self, secret: str | None, **changes: Any) -> GoogleLogin:
        given = Secret(secret) if secret is not None else None
        credentials = GcsCredentials(provider="gcs", endpoint=self.fake.endpoint, secret=given)
        changed = credentials.model_copy(update=changes)
        self.open.append(GoogleLogin(changed, Network(changed, TIMEOUTS)))
        return self.open[-1]


@pytest.fixture
def login(fake: FakeGcs) -> Iterator[Logins]:
    logins = Logins(fake)
    yield logins
    for each in logins.open:
        each.close()


def test_key_of_a_service_account_gives_a_token(login: Logins, fake: FakeGcs) -> None:
    token = login(fake.key_json).log_in()
    assert token.value in fake.tokens
    assert 3590 < token.life < 3601
    assert token.value not in repr(token)


def test_file_is_read_again_at_each_login(login: Logins, fake: FakeGcs, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(fake.key_json.replace("tester@", "former@"))
    session = login(str(path))
    with pytest.raises(CredentialsRefused, match="Invalid JWT Signature"):
        session.log_in()
    path.write_text(fake.key_json)
    assert session.log_in().value in fake.tokens
    assert session.project() == PROJECT


def test_application_default_credentials_are_found(
    login: Logins, fake: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gcloud").mkdir()
    (tmp_path / "gcloud" / "application_default_credentials.json").write_text(fake.key_json)
    assert login(None).log_in().value in fake.tokens
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(CredentialsRefused, match=r"missing.json: No such file"):
        login(None).log_in()


def test_machine_of_google_gives_a_token_without_a_proxy(
    login: Logins, fake: FakeGcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_machine(monkeypatch, fake.endpoint.removeprefix("http://"))
    assert login(None, http_proxy="http://127.0.0.1:9").log_in().value in fake.tokens


def test_no_credentials_at_all_says_where_they_were_looked_for(
    login: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_machine(monkeypatch, "127.0.0.1:9")
    with pytest.raises(RemoteUnavailable, match="GOOGLE_APPLICATION_CREDENTIALS is not set"):
        login(None).log_in()


def test_workload_identity_exchanges_the_token_of_another_provider(
    login: Logins, fake: FakeGcs, tmp_path: Path
) -> None:
    theirs = tmp_path / "token"
    theirs.write_text("theirs")
    assert login(federation(fake, theirs)).log_in().value in fake.tokens
    theirs.write_text("a stranger's")
    with pytest.raises(CredentialsRefused) as refusal:
        login(federation(fake, theirs)).log_in()
    assert "a stranger's" not in str(refusal.value)


@pytest.mark.parametrize(
    "secret",
    ['{"type": "service_account", "private_key": "hush"}', '{"type": "hush"}', "hush", '{"hush', "{}"],
)
def test_unusable_credentials_are_refused_and_not_shown(login: Logins, secret: str) -> None:
    with pytest.raises(CredentialsRefused) as refusal:
        login(secret).log_in()
    assert "hush" not in str(refusal.value).replace("type 'hush'", "")


def test_busy_service_is_not_waited_for(login: Logins, fake: FakeGcs) -> None:
    """The library would sleep, three times."""
    fake.fail(Refusal(503), when=lambda request: request.path == "/token", times=9)
    with pytest.raises(RemoteUnavailable, match="/token: 503"):
        login(fake.key_json).log_in()
    assert len(fake.requests) == 1


def test_page_of_a_portal_is_no_refusal(login: Logins, fake: FakeGcs) -> None:
    key = json.loads(fake.key_json) | {"token_uri": f"{fake.endpoint}/portal"}
    with pytest.raises(UnexpectedAnswer, match="portal in between"):
        login(json.dumps(key)).log_in()


def federation(fake: FakeGcs, token: Path) -> str:
    source = {"file": str(token)}
    kind = "urn:ietf:params:oauth:token-type:jwt"
    found = {"type": "external_account", "audience": "//iam.googleapis.com/pool", "subject_token_type": kind}
    return json.dumps({**found, "token_url": f"{fake.endpoint}/sts", "credential_source": source})


@pytest.mark.parametrize("damage", ["gone", "directory", "unreadable", "binary", "empty"])
def test_token_file_of_another_provider_that_cannot_be_read_is_told_in_one_line(
    login: Logins, fake: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    theirs = tmp_path / "token"
    if damage == "directory":
        theirs.mkdir()
    elif damage != "gone":
        theirs.write_bytes(b"\xff\xfe" if damage == "binary" else b"")
    if damage == "unreadable":  # also by root, who runs these tests
        monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(CredentialsRefused, match="^login with the configured credentials: ") as refusal:
        login(federation(fake, theirs)).log_in()
    assert "\n" not in str(refusal.value)


def denied(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_file_that_is_too_large_for_credentials_is_refused(login: Logins, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(b" " * 70_000)
    with pytest.raises(CredentialsRefused, match=r"key\.json: it is longer than 65536 bytes"):
        login(str(path)).log_in()
