"""The kinds of credentials, and with them the kinds of providers.

A provider is one folder in ``s3_sync/providers``, one model of its credentials in this package, and one line
in ``KINDS``. CONTRIBUTING.md tells how to add one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar, cast, get_args

from pydantic import ConfigDict, create_model

from s3_sync.config.credentials.azure import AzureCredentials
from s3_sync.config.credentials.base import Credentials, Place, Proxies
from s3_sync.config.credentials.file import FileCredentials
from s3_sync.config.credentials.file_connector import FileConnectorCredentials
from s3_sync.config.credentials.gcs import GcsCredentials
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.file.base import FileModel

Model = TypeVar("Model", bound=FileModel)


@dataclass(frozen=True, slots=True)
class Kind:
    """``provider``: ``module:class`` of the provider, imported when an account of this kind is first used, so
    that no process loads an SDK that it does not need; empty: it has none of its own, or not yet."""

    credentials: type[Credentials]
    provider: str = ""


KINDS: dict[str, Kind] = {
    "s3": Kind(S3Credentials, "s3_sync.providers.s3.provider:S3Provider"),
    "swift": Kind(SwiftCredentials, "s3_sync.providers.swift.provider:SwiftProvider"),
    "gcs": Kind(GcsCredentials, "s3_sync.providers.gcs.provider:GcsProvider"),
    "azure": Kind(AzureCredentials, "s3_sync.providers.azure.provider:AzureProvider"),
    # has no provider of its own: see the module of its credentials
    "file_connector": Kind(FileConnectorCredentials),
    "file": Kind(FileCredentials, "s3_sync.providers.file.provider:FileProvider"),
}
DEFAULT = "s3"


class UnknownKind(Credentials):
    """Credentials of a provider that this version does not have: only their keys are checked."""

    @classmethod
    def from_form(cls, form: FileModel, proxies: Proxies) -> Credentials:
        return cls.model_construct(**{name: getattr(form, name) for name in cls.names().values()})

    def check(self, place: Place) -> None:
        """Report nothing: what is required depends on the kind."""


def kind_of(provider: object) -> type[Credentials]:
    """Return the model of credentials for the value of ``provider`` in the file, which may be anything.

    For an unknown one it is a model with every key of every kind, which refuses that value.
    """
    if provider is None:
        provider = DEFAULT
    known = isinstance(provider, str) and provider in KINDS
    return KINDS[cast(str, provider)].credentials if known else every_key()


def every_key() -> type[Credentials]:
    """Return a model that has the keys of all kinds."""
    models = [kind.credentials for kind in KINDS.values()]
    return _every_key(tuple(sorted(models, key=lambda model: -len(model.__mro__))))  # before what they extend


@cache
def _every_key(kinds: tuple[type[Credentials], ...]) -> type[Credentials]:
    provider: Any = (Literal[tuple(KINDS)], DEFAULT)
    return create_model("EveryKey", __base__=(UnknownKind, *kinds), provider=provider)


def with_credentials(form: type[Model], kind: type[Credentials], key_of: Callable[[str], str]) -> type[Model]:
    """Return a model with the fields of ``form`` and of ``kind``; their keys are ``key_of(field)``.

    Keys of other kinds are known, but have no effect.
    """
    return _with_credentials(form, kind, key_of, every_key())


@cache
def _with_credentials(
    form: type[Model], kind: type[Credentials], key_of: Callable[[str], str], known: type[Credentials]
) -> type[Model]:
    foreign = {
        key_of(name): known.model_fields[name].default
        for name in known.names()
        if name not in kind.model_fields
    }

    [provider, *_] = get_args(kind.model_fields["provider"].annotation)

    def without_effect(model: type[FileModel], key: str, value: object) -> str | None:
        if key not in foreign:
            return None
        if value in (None, "", foreign[key]):
            return ""
        return f"has no effect with {model.key('provider')} {provider}"

    # of the kind the fields alone, as its methods might have the names of the form's fields
    fields: dict[str, Any] = {
        name: (field.rebuild_annotation(), ... if field.is_required() else field.default)
        for name, field in kind.model_fields.items()
        if not field.exclude
    }
    members = {
        "__module__": form.__module__,
        "__doc__": form.__doc__,
        "model_config": ConfigDict(alias_generator=key_of),
        "without_effect": classmethod(without_effect),
    }
    return create_model(form.__name__, __base__=type(form.__name__, (form,), members), **fields)
