"""Credentials of an account in another Swift cluster."""

from __future__ import annotations

from typing import ClassVar, Literal

from s3_sync.config.credentials.base import Credentials, Place
from s3_sync.config.file.types import OptionalText

_KEYSTONE_KEYS: dict[str, tuple[str, ...]] = {
    "swift": (),
    "keystone_v2": ("tenant_name",),
    "keystone_v3": ("project_name", "project_domain_name", "user_domain_name"),
}


class SwiftCredentials(Credentials):
    """``endpoint``: the URL of the authentication service. ``remote_account``: the account to use, unless it
    is the one that the service names."""

    shares_bucket: ClassVar[bool] = False
    expires_objects: ClassVar[bool] = True

    provider: Literal["swift"]
    auth_type: Literal["swift", "keystone_v2", "keystone_v3"] = "swift"
    tenant_name: OptionalText = None
    project_name: OptionalText = None
    project_domain_name: OptionalText = None
    user_domain_name: OptionalText = None
    remote_account: OptionalText = None

    @property
    def account(self) -> str:
        return self.remote_account or ""

    def check(self, place: Place) -> None:
        names = ("endpoint", "identity", "secret", *_KEYSTONE_KEYS[self.auth_type])
        self.require(place, names, f"is required with auth_type {self.auth_type}")
        super().check(place)
