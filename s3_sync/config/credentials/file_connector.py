"""Credentials of a file connector: a gateway with the API of S3 or of Swift over a file system.

They become those of the store that the gateway looks like, so that everything else knows only these two.
"""

from __future__ import annotations

from typing import Literal, cast

from s3_sync.config.credentials.base import Credentials, Place, Proxies
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.file.base import FileModel


class S3Gateway(S3Credentials):
    """As of any S3 store, but never of Amazon: without an endpoint there is nothing to connect to."""

    def check(self, place: Place) -> None:
        self.require(place, ("endpoint",), "is required with provider file_connector")
        super().check(place)


_GATEWAYS: dict[str, type[Credentials]] = {"s3": S3Gateway, "swift": SwiftCredentials}


class FileConnectorCredentials(S3Credentials, SwiftCredentials):
    """``endpoint``: where the gateway authenticates: its S3 endpoint, or with ``api`` swift the URL of its
    login. Only read from a file: ``from_form`` returns the credentials that are used."""

    provider: Literal["file_connector"]  # type: ignore[assignment]
    api: Literal["s3", "swift"] = "s3"

    @classmethod
    def from_form(cls, form: FileModel, proxies: Proxies) -> Credentials:
        api = str(cast("FileConnectorCredentials", form).api)
        return _GATEWAYS[api].from_form(form.model_copy(update={"provider": api}), proxies)
