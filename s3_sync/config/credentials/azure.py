"""Credentials of an Azure storage account, for its blob service."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from s3_sync.config.credentials.base import Credentials, Place
from s3_sync.config.credentials.permissions import Operation, azure_role
from s3_sync.config.file.types import OptionalText, SecretText
from s3_sync.config.secret import Secret

Cloud = Literal["public", "china", "usgov"]
Login = Literal["managed_identity", "workload_identity"]


@dataclass(frozen=True, slots=True)
class CloudPlaces:
    """``suffix``: of host names of storage accounts. ``authority``: the host of Microsoft Entra ID.
    ``management``: the URL of the Resource Manager. (Azure SDK, ``AzureCloudInstance``; Azure documentation,
    "Azure Government endpoints", "Azure in China: endpoints".)"""

    suffix: str
    authority: str
    management: str


CLOUDS: Mapping[str, CloudPlaces] = {
    "public": CloudPlaces("core.windows.net", "login.microsoftonline.com", "https://management.azure.com"),
    "china": CloudPlaces(
        "core.chinacloudapi.cn", "login.chinacloudapi.cn", "https://management.chinacloudapi.cn"
    ),
    "usgov": CloudPlaces(
        "core.usgovcloudapi.net", "login.microsoftonline.us", "https://management.usgovcloudapi.net"
    ),
}
#: access tiers of blobs, except for those of premium page blobs
TIERS = ("Hot", "Cool", "Cold", "Archive")
#: "Naming and referencing containers, blobs, and metadata": a DNS label, without two hyphens in a row
_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]|\$root|\$web")
#: what can be sent in a query, with the signature that it is
_SAS = re.compile(r"(?=.*sig=)[!-~]+")
#: "Storage account overview"
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
#: the account of the emulators, whose key everybody knows ("Use the Azurite emulator")
_EMULATOR = {
    "AccountName": "devstoreaccount1",
    "AccountKey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "BlobEndpoint": "http://127.0.0.1:10000/devstoreaccount1",
}
_NO_RULES = (
    "rules that delete blobs are part of the account's management policy, which no key and no SAS can read or"
    " write: give azure_login, subscription_id and resource_group, or set the rule yourself"
)


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """What credentials say, wherever they say it. ``endpoint``: everything before the container; empty if it
    is not known, as is ``name``. ``key`` and ``sas``: None without."""

    name: str
    endpoint: str
    key: Secret | None
    sas: Secret | None


class AzureCredentials(Credentials):
    """``identity`` is the storage account, ``secret`` one of its keys, in Base64.

    Instead of a key there may be a ``sas_token``, a ``connection_string`` with either, or ``azure_login``:
    the identity that Azure gives the machine, or its workload. ``endpoint``: everything before the
    container, if that does not follow from account and ``azure_cloud``.
    """

    #: without ``hashed_prefix`` or a prefix, a blob has the name of its object
    hashes_keys: ClassVar[bool] = False

    provider: Literal["azure"]
    connection_string: SecretText | None = None
    sas_token: SecretText | None = None
    azure_login: Login | None = None
    azure_cloud: Cloud = "public"
    client_id: OptionalText = None
    tenant_id: OptionalText = None
    #: where the account's management policy is, for ``remote_delete_after``
    subscription_id: OptionalText = None
    resource_group: OptionalText = None
    azure_checksum: Literal["crc64", "md5"] = "crc64"

    @property
    def cloud(self) -> CloudPlaces:
        return CLOUDS[self.azure_cloud]

    @property
    def storage_account(self) -> StorageAccount:
        """What the credentials say; a connection string is read as the SDKs do."""
        given = parse_connection_string(self.connection_string.reveal() if self.connection_string else "")
        endpoint = (self.endpoint or given.get("BlobEndpoint", "")).rstrip("/")
        host = urlsplit(endpoint).hostname or ""
        name = self.identity or given.get("AccountName") or (host.partition(".")[0] if "." in host else "")
        if not endpoint and name:
            suffix = given.get("EndpointSuffix", self.cloud.suffix)
            endpoint = f"{given.get('DefaultEndpointsProtocol', 'https')}://{name}.blob.{suffix}"
        key, sas = given.get("AccountKey"), given.get("SharedAccessSignature")
        return StorageAccount(
            name, endpoint, self.secret or (Secret(key) if key else None),
            self.sas_token or (Secret(sas) if sas else None),
        )  # fmt: skip

    @property
    def store_id(self) -> str:
        url = urlsplit(self.storage_account.endpoint)
        port = f":{url.port}" if url.port not in (None, 443 if url.scheme == "https" else 80) else ""
        return f"{url.hostname}{port}{url.path}"

    @property
    def location(self) -> str:
        return "Azure"

    @property
    def stats_name(self) -> str:
        return "Azure"

    @property
    def short_name(self) -> str:
        return "azure"

    @property
    def throttle_key(self) -> tuple[str, str | None]:
        return self.store_id, None

    def secrets(self) -> Iterator[Secret]:
        account = self.storage_account
        for secret in (self.connection_string, account.key, account.sas):
            if secret is not None:
                yield secret
        if account.sas is not None and (found := re.search(r"sig=([^&]+)", account.sas.reveal())):
            yield Secret(found[1])

    @property
    def has_conditional_writes(self) -> bool:
        return True

    @property
    def no_expiry_rules(self) -> str:
        return "" if self.azure_login and self.subscription_id and self.resource_group else _NO_RULES

    @property
    def maybe_this_cluster(self) -> None:
        return None

    def grant(self, operation: Operation, bucket: str) -> str:
        return azure_role(operation, bucket)

    def check(self, place: Place) -> None:
        super().check(place)
        ways = [
            name
            for name in ("secret", "sas_token", "connection_string", "azure_login")
            if getattr(self, name) is not None
        ]
        if len(ways) != 1:
            keys = [place.key(name) for name in ("secret", "sas_token", "connection_string", "azure_login")]
            place.problem(ways[-1] if ways else "secret", f"give exactly one of {', '.join(keys)}")
            return
        self._check_account(place, ways[0])
        for name in ("client_id", "tenant_id", "subscription_id", "resource_group"):
            if getattr(self, name) is not None and self.azure_login is None:
                place.warning(name, "has no effect without azure_login")

    def _check_account(self, place: Place, way: str) -> None:
        try:
            account = self.storage_account
        except ValueError as error:
            place.problem("connection_string", str(error))
            return
        if way == "connection_string" and (account.key is None) == (account.sas is None):
            place.problem(way, "must have exactly one of AccountKey and SharedAccessSignature")
        if not account.endpoint:
            place.problem("identity", "is required: the name of the storage account")
            return
        if account.key is not None and not account.name:
            place.problem("identity", "is required with a key: the name of the storage account")
        if self.identity is not None and not _ACCOUNT.fullmatch(self.identity):
            place.problem("identity", "must be a storage account: 3 to 24 lower-case letters and digits")
        _check_secret(place, way, account)
        if urlsplit(account.endpoint).scheme == "http":
            if self.azure_login is not None:
                place.problem("endpoint", "must be https: Azure takes no token over http")
            elif account.sas is not None:
                place.warning("endpoint", "the SAS, good for anybody, is sent unencrypted; use https")

    def check_bucket(self, bucket: str) -> str:
        if _CONTAINER.fullmatch(bucket):
            return ""
        return (
            f'"{bucket}" is no name of a container in Azure: 3 to 63 lower-case letters, digits and single '
            "hyphens between them"
        )

    def check_storage_class(self, storage_class: str) -> str:
        if storage_class in TIERS:
            return ""
        return f"Azure has no access tier {storage_class}; its tiers are {', '.join(TIERS)}"

    def move_warnings(self) -> Iterator[tuple[str, str]]:
        if self.azure_checksum == "md5":
            yield (
                "azure_checksum",
                'is "md5": the store verifies only bytes whose MD5 is known beforehand',
            )

    def described(self) -> str:
        account = self.storage_account
        if self.azure_login is not None:
            who = f", client {self.client_id}" if self.client_id else ""
            return f"{account.name}, by {self.azure_login.replace('_', ' ')}{who}"
        kind, secret = ("key", account.key) if account.key is not None else ("SAS", account.sas)
        return f"{account.name}, {kind} {secret}"

    def described_endpoint(self) -> str:
        return self.storage_account.endpoint

    def options(self) -> Iterator[tuple[str, object]]:
        shown = {"connection_string", "sas_token", "azure_login", "client_id"}
        return ((name, value) for name, value in super().options() if name not in shown)


def parse_connection_string(text: str) -> dict[str, str]:
    """Parse ``name=value;...``; the names in their usual spelling. Raises ValueError, without the text.

    Source: "Configure Azure Storage connection strings"; names are case-insensitive, values may have ``=``.
    """
    usual = {
        name.lower(): name
        for name in (
            *_EMULATOR,
            "DefaultEndpointsProtocol",
            "EndpointSuffix",
            "SharedAccessSignature",
            "UseDevelopmentStorage",
        )
    }
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(";"))):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise ValueError("is no connection string: name=value, separated by semicolons")
        found[usual.get(name.strip().lower(), name.strip())] = value.strip()
    if found.pop("UseDevelopmentStorage", "").lower() == "true":
        return {**_EMULATOR, **found}
    if found.get("DefaultEndpointsProtocol", "https") not in ("http", "https"):
        raise ValueError("has a DefaultEndpointsProtocol that is neither http nor https")
    url = urlsplit(found.get("BlobEndpoint", "https://host"))
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("has a BlobEndpoint that is no URL")
    return found


def _check_secret(place: Place, way: str, account: StorageAccount) -> None:
    if account.key is not None and not _is_base64(account.key.reveal()):
        place.problem(way, "must be an account key in Base64")
    if account.sas is not None and not _SAS.fullmatch(account.sas.reveal()):
        place.problem(way, "is no shared access signature: it has no sig=, or characters that no URL has")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False
