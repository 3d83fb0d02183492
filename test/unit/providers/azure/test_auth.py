"""Who asks: account keys, shared access signatures, tokens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import AccessDenied, ClockSkewed, CredentialsRefused, RemoteUnavailable
from s3_sync.providers.azure import blocks
from s3_sync.providers.azure.auth import Bearer, Request, SharedKey, string_to_sign
from s3_sync.providers.azure.bucket import AzureBucket
from s3_sync.providers.azure.names import to_identifier
from s3_sync.streams.reader import BytesBody
from servers.fake_azure import KEY, FakeAzure
from unit.providers.azure.conftest import NewBucket, put

NAMES = st.text("ab_-29z", min_size=1, max_size=6)


@given(st.dictionaries(NAMES, st.sampled_from(["v", "other value"]), max_size=8))
@settings(deadline=None)
def test_signature_is_that_of_the_sdk(metadata: dict[str, str]) -> None:
    headers = [("x-ms-date", "Mon"), ("x-ms-version", "2021-12-02"), ("x-ms-blob-type", "BlockBlob")]
    headers += [("Content-Type", "a/b"), ("If-Match", '"0x1"')]
    headers += [(f"x-ms-meta-{to_identifier(name)}", value) for name, value in metadata.items()]
    query = [("comp", "blocklist"), ("blockid", "ab+/=")]
    ours = SharedKey("account", KEY).headers(Request("PUT", "/c/b%20c", query, headers, 7))
    http = SimpleNamespace(
        method="PUT",
        url="https://account/c/b%20c",
        headers={**dict(headers), "Content-Length": "7"},
        query={name: value.replace("+", "%2B") for name, value in query},
    )
    request = SimpleNamespace(http_request=http, context=SimpleNamespace(transport=None))
    SharedKeyCredentialPolicy("account", KEY).on_request(request)
    assert ours == [("Authorization", http.headers["Authorization"])]


def test_empty_body_has_no_length_in_what_is_signed() -> None:
    lines = string_to_sign("a", Request("PUT", "/c", [], [("x-ms-date", "d")], 0)).split("\n")
    assert lines[:4] == ["PUT", "", "", ""]
    assert lines[-2:] == ["x-ms-date:d", "/a/c"]


def test_shared_access_signature_is_sent_and_never_shown(service: FakeAzure, new_bucket: NewBucket) -> None:
    service.faults.sas = "s3cret/sig="
    bucket = new_bucket(secret=None, sas_token=_secret("?sv=2021&sp=rw&sig=s3cret%2Fsig%3D"))
    put(bucket, "o", b"bytes")
    assert bucket.head_object("o").size == 5
    other = new_bucket(secret=None, sas_token=_secret("sv=2021&sig=another%2Fsecret"))
    with pytest.raises(CredentialsRefused) as refusal:
        other.head_object("o")
    with pytest.raises(CredentialsRefused) as told:
        put(other, "o", b"bytes")
    for error in (refusal.value, told.value):
        assert "another" not in str(error)
        assert not error.transient
    assert "***" in str(told.value)


def test_wrong_key_and_wrong_clock_are_told_apart(service: FakeAzure, new_bucket: NewBucket) -> None:
    with pytest.raises(CredentialsRefused, match="no account|not Base64"):
        put(new_bucket(secret=_secret("no base64")), "o", b"x")
    with pytest.raises(CredentialsRefused):
        put(new_bucket(secret=_secret("AAAA")), "o", b"x")
    service.faults.skew = 3600.0
    bucket = new_bucket()
    with pytest.raises(ClockSkewed):
        put(bucket, "o", b"x")
    assert bucket.clock_offset == pytest.approx(3600, abs=5)


class TestBearer:
    @pytest.fixture
    def tokens(self, service: FakeAzure, bucket: AzureBucket) -> list[str]:
        """The tokens to come; ``bucket`` sends them."""
        tokens = ["first"]
        current = [""]

        def token() -> str:
            current[0] = current[0] or tokens.pop(0)
            return current[0]

        bucket._transport._authorizer = Bearer(token, lambda: current.__setitem__(0, ""))
        service.faults.token = "first"
        return tokens

    def test_refused_token_is_renewed_and_the_request_repeated(
        self, service: FakeAzure, bucket: AzureBucket, tokens: list[str]
    ) -> None:
        put(bucket, "o", b"1")
        service.faults.token = "second"
        tokens.append("second")
        put(bucket, "o", b"2" * 2_000_000)
        assert [each.status for each in service.requests if each.method == "PUT"][-3:] == [401, 201, 201]
        assert bucket.head_object("o").size == 2_000_000

    def test_token_refused_between_blocks_is_renewed_and_the_object_sent_again(
        self,
        service: FakeAzure,
        bucket: AzureBucket,
        tokens: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(blocks, "BLOCK", 1_500_000)
        data = b"1" * 2_000_000

        def expire(method: str, path: str, query: dict[str, str]) -> None:
            if service.count("PUT", "block") == 1:
                service.faults.token = "second"

        service.faults.refuse = expire
        tokens.append("second")
        with pytest.raises(RemoteUnavailable) as refusal:
            put(bucket, "o", data)
        assert (refusal.value.transient, refusal.value.status) == (True, 401)
        put(bucket, "o", data)
        assert bucket.head_object("o").size == len(data)

    def test_body_that_cannot_be_sent_again_fails_for_now(
        self, service: FakeAzure, bucket: AzureBucket, tokens: list[str]
    ) -> None:
        service.faults.token = "second"
        tokens.append("second")

        class Once(BytesBody):
            def rewind(self) -> None:
                raise OSError("no")

        with pytest.raises((RemoteUnavailable, OSError)):
            bucket._blocks.send("o", Once(b"x" * 2_000_000), 2_000_000, None)

    def test_second_refusal_is_final(
        self, service: FakeAzure, bucket: AzureBucket, tokens: list[str]
    ) -> None:
        service.faults.token = "never"
        tokens.append("second")
        with pytest.raises(AccessDenied):
            bucket.head_object("o")
        assert len([each for each in service.requests if each.method == "HEAD"]) == 2


def _secret(text: str) -> Any:
    from s3_sync.config.secret import Secret

    return Secret(text)
