"""Logins at Keystone, versions 2 and 3. The only module that imports Keystone's SDK.

The SDK writes the requests and reads tokens and catalogues; the requests go over our own connections, so that
proxies, TLS, time-outs and limits are those of every other request, and no redirect gets the secret.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from keystoneauth1.exceptions import ClientException
from keystoneauth1.identity import v2, v3
from keystoneauth1.session import Session
from requests.structures import CaseInsensitiveDict

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.errors import CredentialsRefused, UnexpectedAnswer
from s3_sync.http.network import Network, Url
from s3_sync.providers.http_errors import translated
from s3_sync.providers.swift.auth import (
    USER_AGENT,
    Token,
    login_error,
    revealed,
    storage_url,
    token_value,
)
from s3_sync.providers.token_session import Clock

_SERVICE = "object-store"
#: maximum bytes of a token with its catalogue
_MAX_DOCUMENT = 4 * 1024 * 1024
#: what the SDK raises for a document that is not what it expects
_NOT_UNDERSTOOD = (ClientException, ValueError, KeyError, TypeError, AttributeError, RecursionError)
#: headers that the connection pool sets, or that differ from those of the SDK
_OWN = frozenset({"accept-encoding", "connection", "content-length", "transfer-encoding", "user-agent"})


class Keystone:
    """See ``Login``."""

    def __init__(
        self, credentials: SwiftCredentials, network: Network, clock: Clock = time.monotonic
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._what = f"login at {credentials.auth_url}"
        self._plugin = _plugin(credentials)
        self._adapter = _Adapter(self._what, credentials, network)
        http = requests.Session()
        http.trust_env = False
        for scheme in ("http://", "https://"):
            http.mount(scheme, cast(Any, self._adapter))
        self._session = Session(session=http, redirect=False)

    def log_in(self) -> Token:
        began = self._clock()
        try:
            with translated(self._what):
                access = self._plugin.get_auth_ref(self._session)
            value = token_value(self._what, access.auth_token)
            endpoints = _endpoints(access, self._credentials.endpoint_type)
            life = _life(access)
        except _NOT_UNDERSTOOD as error:
            raise UnexpectedAnswer(f"{self._what}: not a token of Keystone") from error
        url = storage_url(self._what, self._chosen(endpoints), self._credentials)
        return Token(value, url, began, life)

    def close(self) -> None:
        self._adapter.close()

    def _chosen(self, endpoints: Mapping[str, str]) -> str:
        """The endpoint of the configured region. Raises CredentialsRefused."""
        region, kind = self._credentials.region, self._credentials.endpoint_type
        if region is None and len(endpoints) == 1:
            return next(iter(endpoints.values()))
        if region is not None and region in endpoints:
            return endpoints[region]
        what = f"{self._what}: the catalogue has"
        if region is None and endpoints:
            found = ", ".join(sorted(endpoints))
            raise CredentialsRefused(f"{what} {kind} endpoints of {_SERVICE} in {found}: set region")
        where = "" if region is None else f" in region {region}"
        others = f", only in {', '.join(sorted(endpoints))}" if endpoints else ""
        raise CredentialsRefused(f"{what} no {kind} endpoint of {_SERVICE}{where}{others}")


class _Adapter:
    """Sends the SDK's requests over a connection pool. Raises RemoteError for an error response."""

    def __init__(self, what: str, credentials: SwiftCredentials, network: Network) -> None:
        self._what = what
        self._secret = revealed(credentials)
        self._pool = network.pool(Url.parse(credentials.auth_url).origin, 1)

    def send(self, request: Any, **_: object) -> requests.Response:
        url = urlsplit(request.url)
        headers = [("User-Agent", USER_AGENT), ("Accept-Encoding", "identity")]
        headers += [(name, value) for name, value in request.headers.items() if name.lower() not in _OWN]
        body = request.body.encode("utf-8") if isinstance(request.body, str) else request.body
        target = url.path + (f"?{url.query}" if url.query else "")
        with self._pool.request(request.method, target, headers, body) as response:
            if not 200 <= response.status < 300:
                raise login_error(self._what, response, self._secret)
            document = response.read_all(_MAX_DOCUMENT)
        found = requests.Response()
        found.status_code, found.reason = response.status, response.reason
        found.headers = CaseInsensitiveDict(response.headers.items())
        found.raw = io.BytesIO(document)
        found.url, found.request = request.url, request
        return found

    def close(self) -> None:
        self._pool.close()


def _plugin(credentials: SwiftCredentials) -> Any:
    url, secret = credentials.auth_url, revealed(credentials)
    if credentials.auth_type == "keystone_v2":
        return v2.Password(
            url, username=credentials.identity, password=secret, tenant_name=credentials.tenant_name
        )
    if credentials.auth_type == "keystone_v3":
        return v3.Password(
            url,
            username=credentials.identity,
            password=secret,
            user_domain_name=credentials.user_domain_name,
            project_name=credentials.project_name,
            project_domain_name=credentials.project_domain_name,
        )
    if credentials.user_name is None:
        return v3.ApplicationCredential(url, secret, application_credential_id=credentials.identity)
    return v3.ApplicationCredential(
        url,
        secret,
        application_credential_name=credentials.identity,
        username=credentials.user_name,
        user_domain_name=credentials.user_domain_name,
    )


def _endpoints(access: Any, kind: str) -> dict[str, str]:
    """The URLs of the object store by region; of several in one region, the first."""
    if not access.has_service_catalog():
        return {}
    found = access.service_catalog.get_endpoints_data(service_type=_SERVICE, interface=kind)
    by_region: dict[str, str] = {}
    for endpoint in (each for endpoints in found.values() for each in endpoints):
        by_region.setdefault(str(endpoint.region_name), str(endpoint.url))
    return by_region


def _life(access: Any) -> float:
    """The seconds from issue to expiry, which do not depend on this machine's clock; version 2 need not name
    the issue."""
    expires = access.expires
    if expires is None:
        return math.inf
    try:
        issued = access.issued.timestamp()
    except (KeyError, AttributeError):
        issued = time.time()
    return max(0.0, float(expires.timestamp() - issued))
