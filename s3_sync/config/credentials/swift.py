"""Credentials of an account in another Swift cluster."""

from __future__ import annotations

from typing import ClassVar, Literal
from urllib.parse import urlsplit

from s3_sync.config.credentials.base import Credentials, Place
from s3_sync.config.credentials.permissions import Operation, swift_acl
from s3_sync.config.file.types import OptionalText

AuthType = Literal["swift", "keystone_v2", "keystone_v3", "keystone_v3_application_credential"]
#: what each kind of login requires, beside endpoint, identity and secret
_REQUIRED: dict[AuthType, tuple[str, ...]] = {
    "swift": (),
    "keystone_v2": ("tenant_name",),
    "keystone_v3": ("project_name", "project_domain_name", "user_domain_name"),
    "keystone_v3_application_credential": (),
}
#: what it uses if given
_OPTIONAL: dict[AuthType, tuple[str, ...]] = {
    "swift": (),
    "keystone_v2": ("region", "endpoint_type"),
    "keystone_v3": ("region", "endpoint_type"),
    "keystone_v3_application_credential": ("user_name", "user_domain_name", "region", "endpoint_type"),
}
#: two logins of this kind are for one account if they name the same project
_NAMES_PROJECT = ("keystone_v2", "keystone_v3")
_OF_SOME = {name for names in (*_REQUIRED.values(), *_OPTIONAL.values()) for name in names}
#: maximum length of a container's name in bytes of UTF-8
_MAX_CONTAINER = 256


class SwiftCredentials(Credentials):
    """``endpoint``: the URL of the authentication service. ``remote_account``: the account to use, unless it
    is the one that the service names.

    ``identity`` and ``secret`` are those of the user, or of the application credential: its ID, or its name
    together with its user's ``user_name`` and ``user_domain_name``. ``storage_scheme``: overrides the one of
    the storage URL."""

    shares_bucket: ClassVar[bool] = False
    expires_objects: ClassVar[bool] = True
    has_storage_policies: ClassVar[bool] = True
    may_lead_back: ClassVar[bool] = True
    keeps_links: ClassVar[bool] = True
    write_options: ClassVar[frozenset[str]] = frozenset({"sync_container_metadata", "sync_container_acl"})

    provider: Literal["swift"]
    auth_type: AuthType = "swift"
    tenant_name: OptionalText = None
    project_name: OptionalText = None
    project_domain_name: OptionalText = None
    user_name: OptionalText = None
    user_domain_name: OptionalText = None
    endpoint_type: Literal["public", "internal"] = "public"
    remote_account: OptionalText = None
    storage_scheme: Literal["http", "https"] | None = None

    @property
    def uses_keystone(self) -> bool:
        return self.auth_type != "swift"

    @property
    def auth_url(self) -> str:
        """The endpoint; of Keystone with the version in its path, which the file may omit."""
        url = (self.endpoint or "").rstrip("/")
        if not self.uses_keystone:
            return url
        version = "v2.0" if self.auth_type == "keystone_v2" else "v3"
        return url if url.endswith(f"/{version}") else f"{url}/{version}"

    @property
    def store_id(self) -> str:
        """As of every store, without the version of Keystone's API; regions are stores of their own."""
        return f"{self._service}/{self.region}" if self.region else self._service

    @property
    def _service(self) -> str:
        found = super().store_id
        return found.removesuffix("/v3").removesuffix("/v2.0") if self.uses_keystone else found

    @property
    def account(self) -> str:
        """The account, as far as the credentials tell: ``remote_account``, or what the login is for.

        It does not depend on the user, except for an application credential, whose project only Keystone
        knows.
        """
        if self.remote_account is not None:
            return self.remote_account
        if self.auth_type == "keystone_v2":
            return self.tenant_name or ""
        if self.auth_type == "keystone_v3":
            return f"{self.project_domain_name}/{self.project_name}"
        if self.auth_type == "swift":
            return (self.identity or "").partition(":")[0]
        return "/".join(filter(None, (self.user_domain_name, self.user_name, self.identity)))

    @property
    def location(self) -> str:
        return f"{self.endpoint};{self.identity}"

    @property
    def throttle_key(self) -> tuple[str, str | None]:
        return self.store_id, self.account

    def may_share_account(self, other: Credentials) -> bool:
        """Which account Keystone names is not known before; TempAuth puts a prefix before the user's."""
        if not isinstance(other, SwiftCredentials) or self._service != other._service:
            return False
        if self.region is not None and other.region is not None and self.region != other.region:
            return False
        one, two = self.remote_account, other.remote_account
        if one is not None and two is not None:
            return one == two
        if self.uses_keystone or other.uses_keystone:
            same_kind = one is two is None and self.auth_type == other.auth_type
            return not (same_kind and self.auth_type in _NAMES_PROJECT) or self.account == other.account
        return self.account.endswith(other.account) or other.account.endswith(self.account)

    def may_hold_account(self, account: str) -> bool:
        return self.remote_account in (None, account)

    def names_account(self, account: str) -> bool:
        return self.remote_account == account

    def grant(self, operation: Operation, bucket: str) -> str:
        project = self.project_name or self.tenant_name
        who = f"{project}:{self.identity}" if project else str(self.identity)
        return swift_acl(operation, bucket, who)

    def check(self, place: Place) -> None:
        names = ("endpoint", "identity", "secret", *_REQUIRED[self.auth_type])
        self.require(place, names, f"is required with auth_type {self.auth_type}")
        used = {*_REQUIRED[self.auth_type], *_OPTIONAL[self.auth_type]}
        for name in sorted(_OF_SOME - used):
            if getattr(self, name) != type(self).model_fields[name].default:
                place.warning(name, f"has no effect with auth_type {self.auth_type}")
        if self.auth_type == "keystone_v3_application_credential":
            if self.user_name is not None:
                self.require(place, ("user_domain_name",), "is required with user_name")
            elif self.user_domain_name is not None:
                place.problem("user_name", "is required with user_domain_name")
        super().check(place)
        self._check_transport(place)

    def _check_transport(self, place: Place) -> None:
        if self.endpoint and urlsplit(self.endpoint).scheme == "http":
            place.warning("endpoint", f"{place.key('secret')} is sent unencrypted; use https")
        elif self.storage_scheme == "http":
            place.warning("storage_scheme", "tokens and objects are sent unencrypted")
        secret = self.secret.reveal() if self.secret else ""
        if not self.uses_keystone and any(character in "\r\n\0" for character in secret):
            place.problem("secret", "must not contain line breaks: it is sent in a header")

    def check_bucket(self, bucket: str) -> str:
        if len(bucket.encode("utf-8")) > _MAX_CONTAINER:
            return f"is longer than {_MAX_CONTAINER} bytes, as no container of Swift is"
        return ""

    def check_storage_class(self, storage_class: str) -> str:
        return "has no effect with swift stores, which have storage policies"

    def described(self) -> str:
        what = "application credential " if self.auth_type == "keystone_v3_application_credential" else ""
        return what + super().described()
