"""The SDK session and client of one account, and the addresses of its buckets."""

from __future__ import annotations

import base64
import logging
import os
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlsplit

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import validate_bucket_name
from botocore.httpsession import get_cert_path
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from s3_sync import __version__
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects import Addressing, Dialect
from s3_sync.errors import ConfigError, CredentialsRefused, Problem
from s3_sync.http.pool import Origin, Proxy, Timeouts
from s3_sync.http.proxy_url import parse_proxy
from s3_sync.providers.clock_skew import StoreClock
from s3_sync.providers.s3.ambient_credentials import STALE_CODES, CredentialChain, RenewedCredentials
from s3_sync.providers.s3.errors import unexpected
from s3_sync.providers.s3.lenient_xml import make_readable
from s3_sync.providers.s3.list_parser import read_date, take_deletes, take_listing, take_uploads
from s3_sync.providers.s3.response_checks import register_checks
from s3_sync.providers.s3.response_limit import BoundedSession
from s3_sync.providers.s3.transport.sigv4 import Header, Keys
from s3_sync.streams.hashing import new_digest

log = logging.getLogger("s3-sync")

_Value = TypeVar("_Value")

USER_AGENT = f"swift-s3-sync/{__version__}"
CONNECT_TIMEOUT = 10.0
#: accepts the costs of a request to a bucket whose owner does not pay for it
_PAYER = ("x-amz-request-payer", "requester")
#: seconds between two probes of a bucket's ETags
ETAG_PROBE_INTERVAL = 600.0
#: a bucket name that can be a label of a host name; with a dot in it no wildcard certificate matches
_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
#: keeps a session from reading settings of its environment
_NO_ENVIRONMENT = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
#: handlers that read the response of an operation before the SDK does
_RESPONSE_HANDLERS: dict[str, Callable[..., None]] = {
    "ListObjectsV2": take_listing,
    "ListObjects": take_listing,
    "ListMultipartUploads": take_uploads,
    "DeleteObjects": take_deletes,
    "CreateMultipartUpload": make_readable,
    "CompleteMultipartUpload": make_readable,
}
#: parameter of any operation: header fields to send unchanged
RAW_HEADERS = "RawHeaders"
#: parameter of PutBucketLifecycleConfiguration: the body to send unchanged; also the key of the unchanged
#: body in the response of GetBucketLifecycleConfiguration
RAW_BODY = "RawBody"


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a bucket: an origin, the path prefix of its keys, and the region to sign for."""

    origin: Origin
    prefix: str
    region: str


class Account:
    """The SDK's client for one set of credentials. Building it takes some 100 ms. Thread-safe."""

    def __init__(
        self,
        credentials: S3Credentials,
        dialect: Dialect,
        *,
        connections: int,
        unsigned: bool = False,
        timeouts: Timeouts | None = None,
    ) -> None:
        """``unsigned``: the SDK does not hash bodies for the signature.

        Raises ConfigError when the CA bundle cannot be read, CredentialsRefused without credentials.
        """
        self.credentials = credentials
        self.dialect = dialect
        self.timeouts = timeouts or Timeouts(connect=CONNECT_TIMEOUT, read=credentials.read_timeout)
        self._session = _session(credentials, dialect, self.timeouts)
        if self._session.get_credentials() is None:  # a client would never look for them again
            raise CredentialsRefused("no credentials configured, and none found in the environment")
        #: trusts the same CAs as the SDK; None where TLS is not used
        self.tls_context: ssl.SSLContext | None = None
        if credentials.endpoint is None or credentials.endpoint.startswith("https:"):
            self.tls_context = _tls_context(credentials, self._session)
        self.addressing: Addressing = credentials.addressing_style or dialect.addressing
        self._region = credentials.region
        if self._region is None and dialect.ambient_credentials:
            self._region = self._session.get_config_variable("region")
        #: the SDK's client; type stubs for it exist for development only
        self.client: Any = self._session.create_client(
            "s3",
            region_name=self._region or dialect.region,
            endpoint_url=credentials.endpoint,
            verify=credentials.ca_bundle or credentials.verify_tls,
            config=_config(credentials, self.addressing, connections, unsigned).merge(
                Config(connect_timeout=self.timeouts.connect, read_timeout=self.timeouts.read)
            ),
        )
        endpoint = cast(Any, self.client)._endpoint  # there is no public accessor
        #: headers of each request that we send without the SDK
        self.headers: tuple[Header, ...] = (("User-Agent", USER_AGENT),)
        if credentials.requester_pays:
            self.headers += (_PAYER,)
        self.clock = StoreClock(credentials.store_id)
        endpoint.http_session = BoundedSession(endpoint.http_session, self.clock)
        #: buckets whose ETags are not the MD5 of what was PUT
        self._opaque_etags: set[str] = set()
        self._probe_etags_at: dict[str, float] = {}
        self._cache: dict[str, Any] = {}
        self._probing = threading.Lock()
        self._register_handlers()

    def _register_handlers(self) -> None:
        """Register our event handlers with the SDK's client."""
        events, dialect = self.client.meta.events, self.dialect
        events.unregister("before-parameter-build.s3", validate_bucket_name)  # Ceph's tenant:bucket is none
        if self.credentials.signature_version == "s3":
            events.register("before-sign.s3", _sign_path_as_sent)
        events.register("before-parameter-build.s3", _take_raw)
        events.register("before-call.s3", _add_raw_headers)
        if self.credentials.requester_pays:
            events.register("before-call.s3", _add_payer)
        events.register("before-call.s3.PutBucketLifecycleConfiguration", _put_raw_body)
        events.register("before-parse.s3.GetBucketLifecycleConfiguration", _keep_raw_body)
        if dialect.delete_needs_md5:
            events.register("before-call.s3.DeleteObjects", _use_md5)
        for operation, handler in _RESPONSE_HANDLERS.items():
            # this spelling runs before the SDK's own handler for s3.*, which parses the whole document for an
            # error
            events.register(f"before-parse.*.{operation}", handler)
        if dialect.unpacks_gzip:
            for operation in ("GetObject", "HeadObject"):
                events.register(f"before-send.s3.{operation}", _accept_gzip)
        events.register("after-call.s3", self._note_refusal)
        register_checks(events, self.endpoint, follow_regions=dialect.buckets_have_regions)
        if not dialect.encodes_listings:
            for operation in ("ListObjectsV2", "ListObjects"):
                events.register_last(f"before-parameter-build.s3.{operation}", _drop_encoding_type)

    @property
    def endpoint(self) -> str:
        """The endpoint, for messages."""
        return self.credentials.endpoint or str(self.client.meta.endpoint_url)

    def keys(self) -> Keys:
        """The current signing keys. Raises CredentialsRefused, RemoteUnavailable."""
        credentials = self._session.get_credentials()
        if credentials is None:
            raise CredentialsRefused("the credentials are no longer available")
        frozen = credentials.get_frozen_credentials()
        return Keys(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    def note_refusal(self, code: str) -> None:
        """Have temporary keys renewed if the store has refused a request with this code because of them."""
        credentials = self._session.get_credentials()
        if code in STALE_CODES and isinstance(credentials, RenewedCredentials):
            credentials.discard()

    def _note_refusal(self, parsed: dict[str, Any], **_: Any) -> None:
        self.note_refusal(parsed.get("Error", {}).get("Code", ""))

    def has_opaque_etags(self, bucket: str) -> bool:
        """Whether an ETag in this bucket was no MD5, most likely because KMS encrypts it."""
        return bucket in self._opaque_etags or not self.dialect.etag_is_md5

    def mark_opaque_etags(self, bucket: str) -> None:
        """Remember that an ETag in this bucket was no MD5; logged once."""
        if not self.has_opaque_etags(bucket):
            self._opaque_etags.add(bucket)  # before another thread can run
            log.info(
                "%s: ETags are not the MD5s of objects: comparing with the MD5s in their metadata", bucket
            )

    def probe_opaque_etags(self, bucket: str, probe: Callable[[], bool]) -> bool:
        """As ``has_opaque_etags``, after an ETag that looked like an MD5 was a wrong one: calls ``probe`` at
        most once per ETAG_PROBE_INTERVAL."""
        with self._probing:
            if (
                not self.has_opaque_etags(bucket)
                and self._probe_etags_at.get(bucket, 0.0) <= time.monotonic()
            ):
                self._probe_etags_at[bucket] = time.monotonic() + ETAG_PROBE_INTERVAL
                if probe():
                    self.mark_opaque_etags(bucket)
            return self.has_opaque_etags(bucket)

    def cached(self, key: str, probe: Callable[[], _Value]) -> _Value:
        """The result of the first ``probe`` for this key."""
        with self._probing:
            if key not in self._cache:
                self._cache[key] = probe()
            value: _Value = self._cache[key]
            return value

    def address(self, bucket: str) -> Address:
        """The address for requests that we send without the SDK. Looks up the bucket's region at AWS if it is
        not configured; the caller should cache the result. Raises the SDK's exceptions."""
        region = self._region
        if region is None and self.dialect.buckets_have_regions:
            region = self._region_of(bucket)
        region = region or self.dialect.region
        url = urlsplit(self.credentials.endpoint or self._regional_endpoint(region))
        tls = url.scheme == "https"
        host, port = url.hostname or "", url.port or (443 if tls else 80)
        base = url.path.rstrip("/")
        if self.addressing == "virtual" and _HOST_LABEL.fullmatch(bucket):
            return Address(Origin(f"{bucket}.{host}", port, tls), f"{base}/", region)
        return Address(Origin(host, port, tls), f"{base}/{quote(bucket, safe='')}/", region)

    def proxy(self, origin: Origin) -> Proxy | None:
        """The configured proxy for this origin. Raises ValueError for an https proxy."""
        configured = self.credentials.https_proxy if origin.tls else self.credentials.http_proxy
        return parse_proxy(configured) if configured else None

    def location(self) -> dict[str, Any]:
        """The location parameters of CreateBucket: AWS requires none for us-east-1, and one elsewhere."""
        region = self._region or self.dialect.region
        if not self.dialect.buckets_have_regions or region == "us-east-1":
            return {}
        return {"CreateBucketConfiguration": {"LocationConstraint": region}}

    def close(self) -> None:
        self.client.close()

    def _region_of(self, bucket: str) -> str:
        try:
            response = self.client.head_bucket(Bucket=bucket)
        except ClientError as error:  # an error response names the region, too
            response = error.response
            if "x-amz-bucket-region" not in response["ResponseMetadata"]["HTTPHeaders"]:
                raise
        metadata = response["ResponseMetadata"]
        region = metadata["HTTPHeaders"].get("x-amz-bucket-region")
        if region is None:
            why, status = "no x-amz-bucket-region", metadata["HTTPStatusCode"]
            raise unexpected(f"HEAD {bucket}", why, self.endpoint, status, metadata["HTTPHeaders"])
        return str(region)

    def _regional_endpoint(self, region: str) -> str:
        """Amazon's endpoint for this region, in the same partition as the client's own."""
        meta = self.client.meta
        return str(meta.endpoint_url).replace(f".{meta.region_name}.", f".{region}.")


def _tls_context(credentials: S3Credentials, session: Session) -> ssl.SSLContext:
    if not credentials.verify_tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    bundle = credentials.ca_bundle or session.get_config_variable("ca_bundle") or get_cert_path(True)
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:  # ssl.SSLError too
        raise ConfigError([Problem("ca_bundle", f"{bundle}: {error}")]) from error


def _session(credentials: S3Credentials, dialect: Dialect, timeouts: Timeouts) -> Session:
    if credentials.identity is None or credentials.secret is None:
        if not dialect.ambient_credentials:
            raise CredentialsRefused(f"{credentials.endpoint} needs credentials")
        session = Session()
        session.register_component("credential_provider", CredentialChain(session))
        # for clients that the credential chain creates itself, such as STS to assume a role; the SDK's own
        # retries would stop a whole proxy
        session.set_default_client_config(
            Config(
                user_agent=USER_AGENT,
                proxies=_proxies(credentials),
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=timeouts.connect,
                read_timeout=timeouts.read,
            )
        )
        if credentials.region is not None:
            session.set_config_variable("region", credentials.region)
        if credentials.ca_bundle is not None:
            session.set_config_variable("ca_bundle", credentials.ca_bundle)
    else:
        session = Session(session_vars=_NO_ENVIRONMENT)
        token = credentials.session_token.reveal() if credentials.session_token else None
        session.set_credentials(credentials.identity, credentials.secret.reveal(), token)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    # the SDK's own parser raises ValueError for a malformed date, as for an invalid argument of ours
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_date)
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    """A shared loader of the SDK's service descriptions: otherwise each session reads them, which is most of
    the time that it takes to build one."""
    return create_loader(data_path)


def _config(credentials: S3Credentials, addressing: Addressing, connections: int, unsigned: bool) -> Config:
    s3: Any = {"addressing_style": addressing, "us_east_1_regional_endpoint": "regional"}
    if unsigned:
        s3["payload_signing_enabled"] = False
    return Config(
        signature_version=credentials.signature_version,
        s3=s3,
        user_agent=USER_AGENT,
        max_pool_connections=connections,
        # our own wrapper retries requests: it can rewind bodies, and knows which errors are transient
        retries={"total_max_attempts": 1, "mode": "standard"},
        proxies=_proxies(credentials),
        # of S3; AWS_ENDPOINT_URL_STS holds. The stubs do not know it.
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _proxies(credentials: S3Credentials) -> dict[str, str]:
    """An empty mapping, unlike None, disables the environment's proxies."""
    proxies = {"http": credentials.http_proxy, "https": credentials.https_proxy}
    return {scheme: url for scheme, url in proxies.items() if url}


def _take_raw(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["raw_headers"] = params.pop(RAW_HEADERS, ())
    context["raw_body"] = params.pop(RAW_BODY, b"")


def _sign_path_as_sent(request: Any, **_: Any) -> None:
    """Sign a request of version 2 about a bucket for ``/bucket``, as it is sent: the SDK appends a slash."""
    path = request.auth_path or ""
    if path.endswith("/") and not urlsplit(request.url).path.endswith("/"):
        request.auth_path = path[:-1]


def _add_raw_headers(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["headers"].update(context.get("raw_headers", ()))


def _add_payer(model: Any, params: dict[str, Any], **_: Any) -> None:
    """Add the header to the operations that have it, and to HeadBucket, which costs as much."""
    if model.name == "HeadBucket" or "RequestPayer" in model.input_shape.members:
        params["headers"].update([_PAYER])


def _put_raw_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["body"] = context["raw_body"]
    params["headers"]["Content-Type"] = "application/xml"
    _use_md5(params)


def _keep_raw_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    customized_response_dict[RAW_BODY] = response_dict["body"]


def _accept_gzip(request: Any, **_: Any) -> None:
    """Have the bytes sent as they are stored. After signing, as Google changes this header on its way."""
    request.headers["Accept-Encoding"] = "gzip"


def _use_md5(params: dict[str, Any], **_: Any) -> None:
    """Send the digest that DeleteObjects requires as Content-MD5, which every clone supports."""
    digest = new_digest("md5")
    digest.update(params["body"])
    params["headers"]["Content-MD5"] = base64.b64encode(digest.digest()).decode("ascii")
    params["context"].pop("checksum", None)


def _drop_encoding_type(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Undo the SDK's request for encoded names."""
    params.pop("EncodingType", None)
    context.pop("encoding_type_auto_set", None)
