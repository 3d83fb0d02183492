"""The SDK's client as we build it, and where requests go."""

from __future__ import annotations

import base64
import hmac
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from conformance.samples import md5, put, sample
from s3_sync import __version__
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects import AWS, CLONE, GOOGLE
from s3_sync.config.secret import Secret
from s3_sync.errors import AccessDenied, ConfigError, CredentialsRefused, RemoteUnavailable
from s3_sync.http.pool import Origin
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import ListQuery
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.provider import S3Provider, can_send_directly
from servers.certificate import write_certificate
from servers.connect_proxy import ConnectProxy
from servers.scripted_s3 import Answer, Received, ScriptedS3, error

KEYS: dict[str, Any] = {"identity": "AKID", "secret": Secret("sesame")}
EMPTY = Answer(200, {}, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")


def account(**fields: Any) -> Account:
    credentials = S3Credentials(**(KEYS | fields))
    return Account(credentials, credentials.effective_dialect, connections=3)


@pytest.mark.parametrize(
    ("endpoint", "dialect"),
    [
        (None, AWS),
        ("https://s3.eu-west-1.amazonaws.com", AWS),
        ("https://storage.googleapis.com", GOOGLE),
        ("https://minio.example.org:9000", CLONE),
        ("https://amazonaws.com.example.org", CLONE),
    ],
)
def test_dialect_of_endpoint_is_aws_google_or_clone(endpoint: str | None, dialect: Any) -> None:
    assert S3Credentials(endpoint=endpoint, **KEYS).effective_dialect is dialect


@pytest.mark.parametrize(
    ("fields", "bucket", "origin", "prefix", "region"),
    [
        (
            {"region": "eu-west-1"},
            "my-bucket",
            ("my-bucket.s3.eu-west-1.amazonaws.com", 443, True),
            "/",
            "eu-west-1",
        ),
        (
            {"region": "cn-north-1"},
            "abc",
            ("abc.s3.cn-north-1.amazonaws.com.cn", 443, True),
            "/",
            "cn-north-1",
        ),
        (
            {"region": "eu-west-1"},
            "dots.in.it",
            ("s3.eu-west-1.amazonaws.com", 443, True),
            "/dots.in.it/",
            "eu-west-1",
        ),
        (
            {"region": "us-east-1"},
            "Capitals",
            ("s3.us-east-1.amazonaws.com", 443, True),
            "/Capitals/",
            "us-east-1",
        ),
        (
            {"region": "eu-west-1", "addressing_style": "path"},
            "abc",
            ("s3.eu-west-1.amazonaws.com", 443, True),
            "/abc/",
            "eu-west-1",
        ),
        ({"endpoint": "https://minio:9000"}, "abc", ("minio", 9000, True), "/abc/", "us-east-1"),
        ({"endpoint": "http://minio"}, "abc", ("minio", 80, False), "/abc/", "us-east-1"),
        ({"endpoint": "http://rgw"}, "tenant:abc", ("rgw", 80, False), "/tenant%3Aabc/", "us-east-1"),
        ({"endpoint": "http://minio/s3/"}, "abc", ("minio", 80, False), "/s3/abc/", "us-east-1"),
        (
            {"endpoint": "https://minio:9000", "addressing_style": "virtual", "region": "here"},
            "abc",
            ("abc.minio", 9000, True),
            "/",
            "here",
        ),
        (
            {"endpoint": "https://storage.googleapis.com"},
            "abc",
            ("storage.googleapis.com", 443, True),
            "/abc/",
            "auto",
        ),
    ],
)
def test_address_of_bucket_has_origin_prefix_and_region(
    fields: Any, bucket: str, origin: Any, prefix: str, region: str
) -> None:
    address = account(**fields).address(bucket)
    assert (address.origin, address.prefix, address.region) == (Origin(*origin), prefix, region)


def test_address_at_aws_without_region_looks_up_that_of_the_bucket(
    store: ScriptedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = account(endpoint="https://s3.amazonaws.com")
    client = account(endpoint=store.endpoint).client
    monkeypatch.setattr(provider, "client", client)
    store.answers = [Answer(200, {"x-amz-bucket-region": "eu-south-1"})]
    assert provider.address("abc").region == "eu-south-1"
    store.answers = [Answer(403, {"x-amz-bucket-region": "eu-north-1"})]
    assert provider.address("abc").region == "eu-north-1"
    assert {request.method for request in store.requests} == {"HEAD"}


def test_two_accounts_share_the_data_loader_of_the_sdk() -> None:
    first, second = account(endpoint="http://one.example.org"), account(endpoint="http://two.example.org")
    loaders = [each._session.get_component("data_loader") for each in (first, second)]
    assert loaders[0] is loaders[1]


def test_request_has_a_user_agent_with_the_version(store: ScriptedS3, open_provider: Any) -> None:
    store.answers = [EMPTY]
    open_provider().bucket("bucket", KeyNamer.literal("")).list_objects(ListQuery())
    assert store.requests[0].headers["user-agent"] == f"swift-s3-sync/{__version__}"


def test_bucket_of_a_tenant_of_ceph_is_sent_and_signed_quoted(store: ScriptedS3, open_provider: Any) -> None:
    for direct in (True, False):
        bucket = open_provider(direct=direct).bucket("tenant:bucket", KeyNamer.literal(""))
        store.answers = [Answer(200, {"ETag": f'"{md5(b"x")}"'}), EMPTY]
        put(bucket, "key")
        bucket.list_objects(ListQuery())
    paths = [request.target.partition("?")[0] for request in store.requests]
    assert paths == 2 * ["/tenant%3Abucket/key", "/tenant%3Abucket"]


@pytest.mark.parametrize("base", ["", "/base"])
def test_signature_version_2_covers_the_path_of_a_bucket_as_sent(
    store: ScriptedS3, open_provider: Any, base: str
) -> None:
    """Without a slash behind it. The signature is made here, of what AWS's documents of version 2 say."""
    provider = open_provider(signature_version="s3", endpoint=store.endpoint + base)
    bucket = provider.bucket("bucket", KeyNamer.literal(""))
    store.answers = [EMPTY]
    bucket.list_objects(ListQuery())
    store.answers = [Answer(200, {"ETag": f'"{md5(b"x")}"'})]
    put(bucket, "folder/")
    for request, resource in zip(store.requests, ("/bucket", "/bucket/folder/"), strict=True):
        assert request.target.partition("?")[0] == base + resource
        fields = [request.headers.get(name, "") for name in ("content-md5", "content-type", "date")]
        marks = [f"{name}:{text}" for name, text in request.headers.items() if name.startswith("x-amz-")]
        text = "\n".join((request.method, *fields, *sorted(marks), resource))
        signature = base64.b64encode(hmac.new(b"sesame", text.encode(), "sha1").digest()).decode()
        assert request.headers["authorization"] == f"AWS AKID:{signature}"


def test_throttled_request_is_not_repeated_by_the_sdk(store: ScriptedS3, open_provider: Any) -> None:
    store.answers = [error(503, "SlowDown"), EMPTY]
    with pytest.raises(Exception, match="SlowDown"):
        open_provider().bucket("bucket", KeyNamer.literal("")).list_objects(ListQuery())
    assert len(store.requests) == 1


def test_account_with_keys_ignores_the_environment(
    store: ScriptedS3, open_provider: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With keys of its own an account looks at no profile, no environment and no proxy of the environment."""
    config = tmp_path / "config"
    config.write_text("[default]\nregion = mars-1\nendpoint_url = http://127.0.0.1:9\n")
    for name, value in {
        "AWS_PROFILE": "nobody-has-this-profile",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "ANOTHER",
        "AWS_SECRET_ACCESS_KEY": "another",
        "AWS_SESSION_TOKEN": "another",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    store.answers = [EMPTY]
    open_provider().bucket("bucket", KeyNamer.literal("")).list_objects(ListQuery())
    headers = store.requests[0].headers
    assert "Credential=AKID/" in headers["authorization"]
    assert "/us-east-1/" in headers["authorization"]
    assert "x-amz-security-token" not in headers


def test_account_without_keys_uses_the_default_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "CHAIN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "links")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    chained = account(identity=None, secret=None)
    assert (chained.keys().access_key, chained.keys().secret_key, chained.keys().token) == (
        "CHAIN",
        "links",
        "token",
    )
    assert chained.address("abc").region == "eu-west-3"


def test_account_without_any_keys_raises_credentials_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_") and name not in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CredentialsRefused):
        account(identity=None, secret=None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "LATER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "found")
    assert account(identity=None, secret=None).keys().access_key == "LATER"
    with pytest.raises(AccessDenied):
        account(identity=None, secret=None, endpoint="http://minio")


def test_proxy_of_origin_is_that_of_its_scheme() -> None:
    http, https = Origin("h", 80), Origin("h", 443, True)
    plain = account(endpoint="http://minio", http_proxy="http://user:p%40ss@proxy:3128")
    proxy = plain.proxy(http)
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.authorization) == ("proxy", 3128, "Basic dXNlcjpwQHNz")
    assert plain.proxy(https) is None
    assert "p%40ss" not in repr(plain.credentials)
    bare = account(endpoint="http://minio", https_proxy="proxy:8080").proxy(https)
    assert bare is not None
    assert (bare.host, bare.port, bare.authorization) == ("proxy", 8080, "")


def test_requests_with_an_http_proxy_are_sent_to_it(store: ScriptedS3, open_provider: Any) -> None:
    provider = open_provider(endpoint="http://no.such.host.example:81", http_proxy=store.endpoint)
    bucket = provider.bucket("bucket", KeyNamer.literal(""))
    store.answers = [EMPTY, Answer(200, {"ETag": f'"{md5(b"x")}"'})]
    bucket.list_objects(ListQuery())
    put(bucket, "key")
    assert store.requests[0].target.startswith("http://no.such.host.example:81/bucket?")
    assert store.requests[1].target == "http://no.such.host.example:81/bucket/key"


def test_can_send_directly_is_false_for_sigv2_and_https_proxy() -> None:
    assert can_send_directly(S3Credentials(**KEYS))
    assert can_send_directly(S3Credentials(http_proxy="http://proxy:3128", **KEYS))
    assert not can_send_directly(S3Credentials(signature_version="s3", **KEYS))
    assert not can_send_directly(S3Credentials(https_proxy="https://proxy:3128", **KEYS))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def put_over_tls(certificate: Path, size: int, direct: bool, **fields: Any) -> Received:
    with ScriptedS3(tls=certificate) as store:
        data = sample(size)
        store.answers = [Answer(200, {"ETag": f'"{md5(data)}"'})]
        credentials = S3Credentials(endpoint=store.endpoint, **(KEYS | fields))
        provider = S3Provider(credentials, connections=1, direct=direct)
        try:
            put(provider.bucket("bucket", KeyNamer.literal("")), "key", data)
        finally:
            provider.close()
        return store.requests[0]


@pytest.mark.parametrize("direct", [True, False])
def test_put_with_own_ca_bundle_succeeds_over_tls(certificate: Path, direct: bool) -> None:
    for size in (10, 200_000):
        request = put_over_tls(certificate, size, direct, ca_bundle=str(certificate))
        assert request.body == sample(size)
        assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"  # TLS guards the bytes
        assert "content-md5" in request.headers


@pytest.mark.parametrize("direct", [True, False])
def test_put_with_untrusted_certificate_succeeds_only_unverified(certificate: Path, direct: bool) -> None:
    with pytest.raises(RemoteUnavailable):
        put_over_tls(certificate, 10, direct)
    put_over_tls(certificate, 10, direct, verify_tls=False)


def test_missing_or_damaged_ca_bundle_raises_config_error(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("this is no certificate")
    for path in (tmp_path / "missing.pem", garbage):
        with pytest.raises(ConfigError, match=path.name):
            account(endpoint="https://minio", ca_bundle=str(path))


def test_put_with_crc32_over_tls_sends_an_unsigned_trailer(certificate: Path) -> None:
    request = put_over_tls(certificate, 200_000, True, verify_tls=False, checksum="crc32")
    assert request.headers["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert request.headers["x-amz-trailer"] == "x-amz-checksum-crc32"
    assert request.headers["x-amz-decoded-content-length"] == "200000"
    checksum = base64.b64encode(zlib.crc32(sample(200_000)).to_bytes(4, "big"))
    assert request.body.endswith(b"\r\n0\r\nx-amz-checksum-crc32:" + checksum + b"\r\n\r\n")


@pytest.mark.parametrize("direct", [True, False])
def test_tls_through_proxy_with_password_ignores_the_environment(
    certificate: Path, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved by the proxy; what the environment says about proxies counts for nothing."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9" if "no_" not in name else "*")
    before = dict(os.environ)
    data = sample(100_000)
    described = {"ETag": f'"{md5(data)}"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
    store = ScriptedS3([Answer(200, described)], tls=certificate)
    with store, ConnectProxy(("127.0.0.1", store.port), "Basic dXNlcjpwQHNz") as proxy:
        url = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
        fields = KEYS | {"endpoint": "https://no.such.host.example", "verify_tls": False}
        provider = S3Provider(S3Credentials(https_proxy=url, **fields), connections=1, direct=direct)
        bucket = provider.bucket("bucket", KeyNamer.literal(""))
        put(bucket, "key", data)
        bucket.head_object("key")
        provider.close()
        asked = {head.split(" HTTP/")[0] for head in proxy.heads}
        assert asked == {"CONNECT no.such.host.example:443"}
        # with another password nothing gets through, and the message does not tell it
        wrong = url.replace("p%40ss", "secret")
        stranger = S3Provider(S3Credentials(https_proxy=wrong, **fields), connections=1, direct=direct)
        with pytest.raises(RemoteUnavailable) as refusal:
            put(stranger.bucket("bucket", KeyNamer.literal("")), "key", data)
        stranger.close()
        assert "secret" not in str(refusal.value)
    assert store.requests[0].body == data
    assert [request.method for request in store.requests] == ["PUT", "HEAD"]
    assert dict(os.environ) == before


def test_read_timeout_of_credentials_applies_to_pool_and_sdk() -> None:
    for fields, seconds in ({}, 60.0), ({"read_timeout": 7.5}, 7.5):
        made = account(endpoint="http://127.0.0.1:1", **fields)
        assert (made.timeouts.read, made.client.meta.config.read_timeout) == (seconds, seconds)
        made.close()
