"""One SDK session and client for one account, and where its buckets are reached."""

from __future__ import annotations

import base64
import os
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlsplit

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import get_cert_path
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from s3_sync import __version__
from s3_sync.config.settings import Credentials
from s3_sync.errors import ConfigError, CredentialsRefused, Problem
from s3_sync.http.pool import Origin, Proxy, Timeouts
from s3_sync.providers.s3.clock_skew import StoreClock
from s3_sync.providers.s3.dialect import Addressing, Dialect
from s3_sync.providers.s3.errors import unexpected
from s3_sync.providers.s3.lenient_xml import make_readable
from s3_sync.providers.s3.list_parser import read_date, take_deletes, take_listing, take_uploads
from s3_sync.providers.s3.response_checks import watch_answers
from s3_sync.providers.s3.response_limit import BoundedSession
from s3_sync.providers.s3.transport.sigv4 import Keys
from s3_sync.streams.hashing import new_digest

_Found = TypeVar("_Found")

USER_AGENT = f"swift-s3-sync/{__version__}"
CONNECT_TIMEOUT = 10.0
#: seconds between two trials of what ETags are
TRY_ETAGS_EVERY = 600.0
#: a bucket's name that can be part of a host's name; with a dot in it no wildcard certificate matches
_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
#: what a session without these settings takes from its surroundings
_NO_SURROUNDINGS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
#: what reads the answer to an operation before the SDK does
_ANSWERS: dict[str, Callable[..., None]] = {
    "ListObjectsV2": take_listing,
    "ListObjects": take_listing,
    "ListMultipartUploads": take_uploads,
    "DeleteObjects": take_deletes,
    "CreateMultipartUpload": make_readable,
    "CompleteMultipartUpload": make_readable,
}
#: parameter of any operation that stands for header fields to be sent as they are
RAW_HEADERS = "RawHeaders"
#: parameter that stands for the body of PutBucketLifecycleConfiguration as it is to be sent, and the key
#: under which the answer to GetBucketLifecycleConfiguration has it as it came
RAW_BODY = "RawBody"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a bucket is: an origin, what its keys' paths begin with, and the region to sign for."""

    origin: Origin
    prefix: str
    region: str


class Account:
    """The SDK's view of one set of credentials. Building it costs some 100 ms; it is safe to share."""

    def __init__(
        self,
        credentials: Credentials,
        dialect: Dialect,
        *,
        connections: int,
        unsigned: bool = False,
        timeouts: Timeouts | None = None,
    ) -> None:
        """``unsigned``: bodies that the SDK sends are not hashed for the signature.

        Raises ConfigError when the bundle of certificates cannot be read, CredentialsRefused when there
        are no credentials.
        """
        self.credentials = credentials
        self.dialect = dialect
        self.timeouts = timeouts or Timeouts(connect=CONNECT_TIMEOUT, read=credentials.read_timeout)
        self._session = _session(credentials, dialect)
        if self._session.get_credentials() is None:  # a client would do without them for ever
            raise CredentialsRefused("no credentials configured, and none found in the surroundings")
        #: trusts what the SDK trusts; None where nothing is sent over TLS
        self.tls_context: ssl.SSLContext | None = None
        if credentials.endpoint is None or credentials.endpoint.startswith("https:"):
            self.tls_context = _tls_context(credentials, self._session)
        self.addressing: Addressing = credentials.addressing_style or dialect.addressing
        self._region = credentials.region
        if self._region is None and dialect.ambient_credentials:
            self._region = self._session.get_config_variable("region")
        #: the SDK's client; types for it exist for development only
        self.client: Any = self._session.create_client(
            "s3",
            region_name=self._region or dialect.region,
            endpoint_url=credentials.endpoint,
            verify=credentials.ca_bundle or credentials.verify_tls,
            config=_config(credentials, self.addressing, connections, unsigned).merge(
                Config(connect_timeout=self.timeouts.connect, read_timeout=self.timeouts.read)
            ),
        )
        endpoint = cast(Any, self.client)._endpoint  # there is no public way to it
        self.clock = StoreClock(credentials.store)
        endpoint.http_session = BoundedSession(endpoint.http_session, self.clock)
        #: buckets whose ETags do not tell the MD5 of what was PUT
        self._opaque_etags: set[str] = set()
        self._try_etags_at: dict[str, float] = {}
        self._found_out: dict[str, Any] = {}
        self._finding_out = threading.Lock()
        self._register_handlers()

    def _register_handlers(self) -> None:
        """With the SDK's client."""
        events, dialect = self.client.meta.events, self.dialect
        events.register("before-parameter-build.s3", _take_raw)
        events.register("before-call.s3", _add_raw_headers)
        events.register("before-call.s3.PutBucketLifecycleConfiguration", _put_raw_body)
        events.register("before-parse.s3.GetBucketLifecycleConfiguration", _keep_raw_body)
        if dialect.delete_needs_md5:
            events.register("before-call.s3.DeleteObjects", _use_md5)
        for operation, read_answer in _ANSWERS.items():
            # spelled so, it is called before the SDK's own for s3.*, which parses the whole document to look
            # for an error in it
            events.register(f"before-parse.*.{operation}", read_answer)
        watch_answers(events, self.endpoint, follow_regions=dialect.buckets_have_regions)  # what they leave
        if not dialect.encodes_listings:
            for operation in ("ListObjectsV2", "ListObjects"):
                events.register_last(f"before-parameter-build.s3.{operation}", _ask_plain_names)

    @property
    def endpoint(self) -> str:
        """Where it is, for people."""
        return self.credentials.endpoint or str(self.client.meta.endpoint_url)

    def keys(self) -> Keys:
        """What to sign with now; refreshes temporary credentials of the default chain in time."""
        found = self._session.get_credentials()
        if found is None:
            raise CredentialsRefused("there are no credentials any more")
        frozen = found.get_frozen_credentials()
        return Keys(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    def has_opaque_etags(self, bucket: str) -> bool:
        """Whether an ETag was seen there that is no MD5, most likely because KMS encrypts the bucket."""
        return bucket in self._opaque_etags

    def note_opaque_etags(self, bucket: str) -> None:
        self._opaque_etags.add(bucket)

    def finds_opaque_etags(self, bucket: str, find_out: Callable[[], bool]) -> bool:
        """The same where no header says so, but an ETag was seen that should be an MD5: ``find_out`` is asked
        now and then."""
        with self._finding_out:
            if bucket not in self._opaque_etags and self._try_etags_at.get(bucket, 0.0) <= time.monotonic():
                self._try_etags_at[bucket] = time.monotonic() + TRY_ETAGS_EVERY
                if find_out():
                    self._opaque_etags.add(bucket)
            return bucket in self._opaque_etags

    def once_for(self, what: str, find_out: Callable[[], _Found]) -> _Found:
        """What ``find_out`` returned when it was first asked about that."""
        with self._finding_out:
            if what not in self._found_out:
                self._found_out[what] = find_out()
            found: _Found = self._found_out[what]
            return found

    def address(self, bucket: str) -> Address:
        """Where requests that we send ourselves go. Asks AWS for the bucket's region if it is not
        configured, once if the caller keeps the answer; raises what the SDK raises."""
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
        return Address(Origin(host, port, tls), f"{base}/{bucket}/", region)

    def proxy(self, origin: Origin) -> Proxy | None:
        """The configured proxy for this origin. Raises ValueError for one that is spoken to in TLS."""
        configured = self.credentials.https_proxy if origin.tls else self.credentials.http_proxy
        if not configured:
            return None
        url = urlsplit(configured if "//" in configured else f"//{configured}")
        if url.scheme == "https":
            raise ValueError("only the SDK talks to https proxies")
        authorization = ""
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            authorization = f"Basic {base64.b64encode(pair.encode('utf-8')).decode('ascii')}"
        return Proxy(url.hostname or "", url.port or 80, False, authorization)

    def location(self) -> dict[str, Any]:
        """Parameters of CreateBucket that say where: AWS wants no word for us-east-1, and one for others."""
        region = self._region or self.dialect.region
        if not self.dialect.buckets_have_regions or region == "us-east-1":
            return {}
        return {"CreateBucketConfiguration": {"LocationConstraint": region}}

    def close(self) -> None:
        self.client.close()

    def _region_of(self, bucket: str) -> str:
        try:
            answer = self.client.head_bucket(Bucket=bucket)
        except ClientError as error:  # a refusal tells it too
            answer = error.response
            if "x-amz-bucket-region" not in answer["ResponseMetadata"]["HTTPHeaders"]:
                raise
        metadata = answer["ResponseMetadata"]
        region = metadata["HTTPHeaders"].get("x-amz-bucket-region")
        if region is None:
            why, status = "it names no region", metadata["HTTPStatusCode"]
            raise unexpected(f"HEAD {bucket}", why, self.endpoint, status, metadata["HTTPHeaders"])
        return str(region)

    def _regional_endpoint(self, region: str) -> str:
        """Amazon's for this region, which is in the partition of the client's own."""
        meta = self.client.meta
        return str(meta.endpoint_url).replace(f".{meta.region_name}.", f".{region}.")


def _tls_context(credentials: Credentials, session: Session) -> ssl.SSLContext:
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


def _session(credentials: Credentials, dialect: Dialect) -> Session:
    if credentials.identity is None or credentials.secret is None:
        if not dialect.ambient_credentials:
            raise CredentialsRefused(f"{credentials.endpoint} needs credentials")
        session = Session()
        # for the clients that the chain itself makes, such as one of STS to assume a role
        session.set_default_client_config(Config(user_agent=USER_AGENT, proxies=_proxies(credentials)))
        if credentials.ca_bundle is not None:
            session.set_config_variable("ca_bundle", credentials.ca_bundle)
    else:
        session = Session(session_vars=_NO_SURROUNDINGS)
        token = credentials.session_token.reveal() if credentials.session_token else None
        session.set_credentials(credentials.identity, credentials.secret.reveal(), token)
    session.set_config_variable("ignore_configured_endpoint_urls", True)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    # of a date that is none the SDK's own makes a ValueError, as if we had asked for nonsense
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_date)
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    """The SDK's descriptions of services and endpoints, which every session would read for itself: most of
    the time that it takes to build one."""
    return create_loader(data_path)


def _config(credentials: Credentials, addressing: Addressing, connections: int, unsigned: bool) -> Config:
    s3: Any = {"addressing_style": addressing, "us_east_1_regional_endpoint": "regional"}
    if unsigned:
        s3["payload_signing_enabled"] = False
    return Config(
        signature_version=credentials.signature_version,
        s3=s3,
        user_agent=USER_AGENT,
        max_pool_connections=connections,
        # our own wrapper repeats requests; it knows how to rewind and what is worth it
        retries={"total_max_attempts": 1, "mode": "standard"},
        proxies=_proxies(credentials),
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _proxies(credentials: Credentials) -> dict[str, str]:
    """An empty mapping, unlike none, keeps the environment's proxies out."""
    proxies = {"http": credentials.http_proxy, "https": credentials.https_proxy}
    return {scheme: url for scheme, url in proxies.items() if url}


def _take_raw(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["raw_headers"] = params.pop(RAW_HEADERS, ())
    context["raw_body"] = params.pop(RAW_BODY, b"")


def _add_raw_headers(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["headers"].update(context.get("raw_headers", ()))


def _put_raw_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["body"] = context["raw_body"]
    params["headers"]["Content-Type"] = "application/xml"
    _use_md5(params)


def _keep_raw_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    customized_response_dict[RAW_BODY] = response_dict["body"]


def _use_md5(params: dict[str, Any], **_: Any) -> None:
    """DeleteObjects must carry a digest: the one that every clone knows."""
    digest = new_digest("md5")
    digest.update(params["body"])
    params["headers"]["Content-MD5"] = base64.b64encode(digest.digest()).decode("ascii")
    params["context"].pop("checksum", None)


def _ask_plain_names(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Undo what the SDK has just added."""
    params.pop("EncodingType", None)
    context.pop("encoding_type_auto_set", None)
