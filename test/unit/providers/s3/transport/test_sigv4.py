"""Our signatures are those that the SDK makes of the same requests, and those in Amazon's documents."""

from __future__ import annotations

import datetime
import string
from typing import Any

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from conformance.names import NAMES
from s3_sync.providers.s3.transport.sigv4 import (
    EMPTY_SHA256,
    SIGNED_CHUNKS,
    UNSIGNED,
    Header,
    Keys,
    Signature,
    Signer,
    chunk_signature,
    quoted_key,
    trailer_signature,
)

NOW = datetime.datetime(2026, 3, 4, 23, 59, 58, tzinfo=datetime.timezone.utc)
ACCESS, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/token+of==many"
PRINTABLE = st.text(alphabet=string.ascii_letters + string.digits + string.punctuation + "  ", max_size=40)
KEY = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def signer(clock: float = NOW.timestamp(), token: str | None = None, region: str = "eu-west-1") -> Signer:
    return Signer(lambda: Keys(ACCESS, SECRET, token), region, clock=lambda: clock)


def authorization(signature: Signature) -> str:
    return dict(signature.headers)["Authorization"]


def sdk_authorization(
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    url: str,
    headers: list[Header],
    payload: str,
    token: str | None,
) -> str:
    """What botocore's pure Python signer puts into the header, at NOW."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOW.replace(tzinfo=None))
    auth = botocore.auth.S3SigV4Auth(Credentials(ACCESS, SECRET, token), "s3", "eu-west-1")
    request: Any = AWSRequest(method=method, url=url, headers=dict(headers))
    # what would be computed from the body
    monkeypatch.setattr(auth, "payload", lambda _: payload)
    monkeypatch.setattr(auth, "_should_sha256_sign_payload", lambda _: True)
    auth.add_auth(request)
    return str(request.headers["Authorization"])


def check_same(
    monkeypatch: pytest.MonkeyPatch, target: str, headers: list[Header], token: str | None = None
) -> None:
    ours = signer(token=token).sign("PUT", "host.example:8080", target, headers, UNSIGNED)
    url = "http://host.example:8080" + target
    sent = [header for header in headers if header[0].lower() != "user-agent"]
    assert authorization(ours) == sdk_authorization(monkeypatch, "PUT", url, sent, UNSIGNED, token)


@pytest.mark.parametrize("name_id", NAMES)
def test_sign_hostile_key_equals_signature_of_sdk(monkeypatch: pytest.MonkeyPatch, name_id: str) -> None:
    check_same(monkeypatch, f"/bucket/{quoted_key(NAMES[name_id])}", [("content-type", "text/plain")])


@given(
    key=KEY, value=PRINTABLE, name=st.text(alphabet=string.ascii_lowercase + "-_.", min_size=1, max_size=20)
)
def test_sign_any_key_and_header_equals_signature_of_sdk(key: str, value: str, name: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        headers = [("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="), (f"x-amz-meta-{name}", value)]
        check_same(monkeypatch, f"/bucket/{quoted_key(key)}", headers)


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    "query", ["", "?partNumber=12&uploadId=2~a.b_c-%2F%2B%3D", "?uploads=", "?a-b=2&a=1"]
)
def test_sign_query_and_token_equals_signature_of_sdk(
    monkeypatch: pytest.MonkeyPatch, query: str, token: str | None
) -> None:
    headers = [("User-Agent", "anything"), ("Content-Type", "a/b"), ("X-Amz-Meta-Blanks", " a   b ")]
    check_same(monkeypatch, f"/bucket/key{query}", headers, token)


def test_sign_with_token_sends_and_signs_it() -> None:
    signature = signer(token=TOKEN).sign("PUT", "host", "/b/k", [], UNSIGNED)
    assert dict(signature.headers)["x-amz-security-token"] == TOKEN
    assert "x-amz-security-token" in authorization(signature).split("SignedHeaders=")[1]


def test_sign_leaves_out_headers_that_proxies_change() -> None:
    plain = signer().sign("PUT", "host", "/b/k", [], UNSIGNED)
    more = signer().sign("PUT", "host", "/b/k", [("Expect", "100-continue"), ("User-Agent", "x")], UNSIGNED)
    assert plain.value == more.value


def test_sign_after_a_clock_change_uses_the_new_time() -> None:
    now = [NOW.timestamp()]
    each = Signer(lambda: Keys(ACCESS, SECRET), "eu-west-1", clock=lambda: now[0])
    seen = []
    for moment in (0, 1, 20 * 60, -20 * 60, 2):  # the clock is set, midnight passes, and back
        now[0] = NOW.timestamp() + moment
        signature = each.sign("PUT", "host", "/b/k", [], UNSIGNED)
        fresh = signer(now[0]).sign("PUT", "host", "/b/k", [], UNSIGNED)
        assert signature.headers == fresh.headers
        seen.append((signature.timestamp, signature.value))
    assert len(set(seen)) == len(seen)
    assert [timestamp for timestamp, _ in seen][:3] == [
        "20260304T235958Z",
        "20260304T235959Z",
        "20260305T001958Z",
    ]


def test_sign_after_refresh_uses_the_new_keys() -> None:
    keys = [Keys(ACCESS, SECRET, "old")]
    each = Signer(lambda: keys[0], "eu-west-1", clock=NOW.timestamp)
    before = each.sign("PUT", "host", "/b/k", [], UNSIGNED)
    keys[0] = Keys("OTHER", "another secret", "new")
    after = each.sign("PUT", "host", "/b/k", [], UNSIGNED)
    assert dict(after.headers)["x-amz-security-token"] == "new"
    assert "Credential=OTHER/" in authorization(after)
    assert before.value != after.value


def test_repr_and_signature_do_not_reveal_the_secret() -> None:
    signature = signer(token=TOKEN).sign("PUT", "host", "/b/k", [], UNSIGNED)
    for shown in (repr(Keys(ACCESS, SECRET, TOKEN)), repr(signature.key), authorization(signature)):
        assert SECRET not in shown
    assert TOKEN not in repr(Keys(ACCESS, SECRET, TOKEN))


# From the Amazon S3 API Reference, "Transferring Payload in Multiple Chunks", and its page about trailers.
DOCUMENTED = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
IN_2013 = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)


def documented(payload: str, headers: list[Header]) -> Signature:
    each = Signer(lambda: DOCUMENTED, "us-east-1", clock=IN_2013.timestamp)
    target = "/examplebucket/chunkObject.txt"
    return each.sign("PUT", "s3.amazonaws.com", target, headers, payload)


def test_chunk_signatures_equal_the_documented_ones() -> None:
    signature = documented(
        SIGNED_CHUNKS,
        [
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("Content-Encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("Content-Length", "66824"),
        ],
    )
    assert signature.value == "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    first = chunk_signature(signature, signature.value, b"a" * 65536)
    assert first == "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
    second = chunk_signature(signature, first, b"a" * 1024)
    assert second == "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
    last = chunk_signature(signature, second, b"")
    assert last == "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"


def test_trailer_signature_equals_the_documented_one() -> None:
    seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    signature = documented(SIGNED_CHUNKS, [])  # for its key and scope; the chain starts from the seed
    first = chunk_signature(signature, seed, b"a" * 65536)
    assert first == "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"
    second = chunk_signature(signature, first, b"a" * 1024)
    last = chunk_signature(signature, second, b"")
    assert last == "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"
    trailer = trailer_signature(signature, last, b"x-amz-checksum-crc32c:sOO8/Q==\n")
    assert trailer == "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


def test_empty_sha256_is_the_hash_of_no_bytes() -> None:
    assert EMPTY_SHA256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
