"""What credentials of every kind have in common: the remote account and its connection options."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from s3_sync.config.credentials.permissions import Operation
from s3_sync.config.file.base import FileModel
from s3_sync.config.file.types import Endpoint, OptionalText, ReadTimeout, SecretText, Text
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.secret import Secret


@dataclass(frozen=True, slots=True)
class Proxies:
    """The HTTP proxies of the top level, which apply to every remote store."""

    http: str | None = None
    https: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where credentials are in the file. ``key``: returns the key of a field there."""

    path: str
    key: Callable[[str], str]
    findings: Diagnostics

    def problem(self, field: str, message: str) -> None:
        self.findings.problem(join(self.path, self.key(field)), message)

    def warning(self, field: str, message: str) -> None:
        self.findings.warning(join(self.path, self.key(field)), message)


class Credentials(FileModel):
    """One remote account and its connection options. Equal values may share connections.

    A subclass has a field ``provider`` of its own, and overrides what differs for its stores. ``http_proxy``
    and ``https_proxy`` are no keys of the file: they are those of the top level.
    """

    #: every container of an account-wide mapping is stored in the one bucket, not in one of its own
    shares_bucket: ClassVar[bool] = True
    #: keys without a prefix in the file begin with a hash of account and container
    hashes_keys: ClassVar[bool] = True
    #: the store keeps X-Delete-At and expires copies itself
    expires_objects: ClassVar[bool] = False
    #: buckets are created with a storage policy
    has_storage_policies: ClassVar[bool] = False
    #: the store may itself show objects of other stores, this one's among them
    may_lead_back: ClassVar[bool] = False
    #: symlinks are copied as symlinks
    keeps_links: ClassVar[bool] = False
    #: ``swift-s3-ctl share`` prepares the store
    needs_set_up: ClassVar[bool] = False
    #: options of a policy that only some kinds of store have: those that these have
    write_options: ClassVar[frozenset[str]] = frozenset()
    #: maximum length of a key in bytes of UTF-8
    max_key_bytes: ClassVar[int] = 1024
    #: options that are not shown by ``options``, because the report has lines of their own for them
    _own_lines: ClassVar[frozenset[str]] = frozenset(
        {"provider", "endpoint", "identity", "secret", "session_token", "region", "store", "dialect"}
    )

    provider: str
    endpoint: Endpoint = None
    identity: Text | None = None
    secret: SecretText | None = None
    region: OptionalText = None
    verify_tls: bool = True
    ca_bundle: OptionalText = None
    #: timeout in seconds for a response, or for the next piece of one
    read_timeout: ReadTimeout = 60.0
    # a proxy's URL may hold a password
    http_proxy: SkipJsonSchema[str | None] = Field(default=None, exclude=True, repr=False)
    https_proxy: SkipJsonSchema[str | None] = Field(default=None, exclude=True, repr=False)

    @classmethod
    def from_form(cls, form: FileModel, proxies: Proxies) -> Credentials:
        """Return the credentials in a valid ``form`` that has their fields among others."""
        values = {name: getattr(form, name) for name in cls.names().values()}
        values |= {"http_proxy": proxies.http, "https_proxy": proxies.https}
        return cls.model_construct(**values)

    # What the credentials identify

    @property
    def store_id(self) -> str:
        """Identifies the store: equal for two endpoints that are known to have the same accounts and buckets.

        Host, port unless it is the default one, and path. Status files depend on it.
        """
        url = urlsplit(self.endpoint or "")
        default_port = 443 if url.scheme == "https" else 80
        port = f":{url.port}" if url.port not in (None, default_port) else ""
        return f"{url.hostname}{port}{url.path.rstrip('/')}"

    @property
    def account(self) -> str:
        """The account at the store, if its buckets are not those of other accounts: part of the destination's
        identity. Empty where bucket names are the store's."""
        return ""

    @property
    def bucket_space(self) -> tuple[str, str]:
        """Buckets of one name are one bucket where this is the same."""
        return self.store_id, self.account

    @property
    def location(self) -> str:
        """The store's name in ``content_location`` of listings, which clients rely on."""
        return self.endpoint or ""

    @property
    def stats_name(self) -> str:
        """The store's part of statsd names, which dashboards rely on."""
        return self.endpoint or ""

    @property
    def short_name(self) -> str:
        """A name for these credentials in a converted file: the endpoint's host, or empty."""
        return urlsplit(self.endpoint or "").hostname or ""

    @property
    def throttle_key(self) -> tuple[str, str | None]:
        """Requests with the same key are throttled together."""
        return self.store_id, self.identity

    def secrets(self) -> Iterator[Secret]:
        """Iterate over the secrets, which log lines must never show."""
        if self.secret is not None:
            yield self.secret

    # What the store promises

    @property
    def has_conditional_writes(self) -> bool:
        """Whether a write can fail if the object has changed in the meantime, as far as the configuration
        tells."""
        return False

    @property
    def wants_conditional_writes(self) -> bool:
        """Whether the operator wants them, so that the store is probed for them."""
        return False

    @property
    def no_expiry_rules(self) -> str:
        """Why the store cannot have a rule that expires objects; empty if it can."""
        return ""

    @property
    def maybe_this_cluster(self) -> str | None:
        """An endpoint that may be this Swift cluster's own; None if it cannot be."""
        return self.endpoint

    def may_share_account(self, other: Credentials) -> bool:
        """Whether a bucket may be the bucket of that name that the others' account has."""
        return self.throttle_key == other.throttle_key

    def may_hold_account(self, account: str) -> bool:
        """Whether the buckets may be the containers of this account, if the store is this cluster."""
        return True

    def names_account(self, account: str) -> bool:
        """Whether the buckets certainly are the containers of this account, if the store is this cluster."""
        return False

    # Properties of the store that the file can change, for swift-s3-verify

    @property
    def properties(self) -> Mapping[str, object]:
        """The properties in force by name; empty for stores that have none to choose."""
        return {}

    def with_properties(self, changes: Mapping[str, object]) -> Credentials:
        """These credentials with other values of some ``properties``."""
        return self

    def lines(self, changes: Mapping[str, object]) -> Mapping[str, Any]:
        """What the credentials in the file must have for these changes of ``properties``, by key."""
        return dict(changes)

    def grant(self, operation: Operation, bucket: str) -> str:
        """What permits the operation at the store, as its operator writes it; empty if that is not known."""
        return ""

    # Checks and the report of --check-config

    def check(self, place: Place) -> None:
        """Report what is missing or contradictory. A subclass calls this, and adds its own checks."""
        for name in ("identity", "secret", "session_token"):
            value = getattr(self, name, None)
            text = value.reveal() if isinstance(value, Secret) else value or ""
            if text != text.strip():
                place.warning(name, "begins or ends with white space; is that intended?")
        if self.ca_bundle is not None:
            if not self.verify_tls:
                place.warning("ca_bundle", "has no effect while verify_tls is false")
            elif not os.path.isfile(self.ca_bundle):
                place.warning("ca_bundle", f"{self.ca_bundle} does not exist on this machine")
        elif not self.verify_tls:
            place.warning("verify_tls", "is off: anyone on the network path can read and modify all traffic")

    def require(self, place: Place, names: tuple[str, ...], why: str) -> None:
        """Report each of the fields ``names`` that is absent."""
        for name in names:
            if getattr(self, name) is None:
                place.problem(name, why)

    def check_bucket(self, bucket: str) -> str:
        """Return what is wrong with the name of a bucket; empty if nothing is."""
        return ""

    def check_storage_class(self, storage_class: str) -> str:
        """Return what is wrong with a storage class; empty if nothing is known to be."""
        return ""

    def move_warnings(self) -> Iterator[tuple[str, str]]:
        """Iterate over warnings for mappings that delete local objects: option and message."""
        yield from ()

    def described_store(self) -> str:
        """Return what is known about the store, if there is more than its endpoint."""
        return ""

    def described(self) -> str:
        """Return one line with identity and masked secrets."""
        return f"{self.identity}, secret {self.secret}"

    def described_endpoint(self) -> str:
        region = f", region {self.region}" if self.region else ""
        return f"{self.endpoint}{region}"

    def options(self) -> Iterator[tuple[str, object]]:
        """Iterate over the options that differ from their defaults and that ``described`` does not tell."""
        for name in self.names().values():
            value = getattr(self, name)
            if name not in self._own_lines and value != type(self).model_fields[name].default:
                yield name, value
