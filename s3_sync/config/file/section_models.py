"""Models of the format with sections: credentials, profiles and mappings.

The fields have the same names and meanings as in ``fields``; a key with another name in this format is the
alias of its field.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from s3_sync.config.credentials.base import Credentials
from s3_sync.config.credentials.kinds import every_key, with_credentials
from s3_sync.config.file.base import FileModel
from s3_sync.config.file.budgets import BudgetForm, DeleteBudgetForm
from s3_sync.config.file.options import (
    MappingForm,
    PlaceForm,
    PolicyForm,
    TopForm,
)
from s3_sync.config.file.types import MAX_SECONDS, OptionalText, SegmentContainers, Text

DAY = 86400
_KEYS = {
    "protocol": "provider",
    "aws_endpoint": "endpoint",
    "aws_identity": "identity",
    "aws_secret": "secret",
    "aws_session_token": "session_token",
    "aws_bucket": "bucket",
    "custom_prefix": "prefix",
}

#: a fraction of a day is rounded to whole seconds
Days = Annotated[float, Field(ge=0, le=MAX_SECONDS / DAY, allow_inf_nan=False)]
#: options of a profile in days -> the same options in seconds
IN_DAYS = {"delay_days": "copy_after", "remote_retention_days": "remote_delete_after"}

#: defaults of a profile's options by its type
PRESETS: dict[str, dict[str, Any]] = {
    "sync": {"retain_local": True, "copy_after": 0, "propagate_delete": True},
    "lifecycle": {"retain_local": False, "merge_namespaces": True, "propagate_delete": False},
}


#: fields of credentials, which have the names of this format -> keys in the flat one
_FLAT_KEYS = {key: flat for flat, key in _KEYS.items() if key not in ("bucket", "prefix")}


def section_key(name: str) -> str:
    """Return the name of a flat key in the format with sections."""
    return _KEYS.get(name, name)


def flat_key(name: str) -> str:
    """Return the flat key of a field of credentials."""
    return _FLAT_KEYS.get(name, name)


class CredentialsForm(FileModel):
    """One entry of ``credentials``: what there is beside the credentials of any kind."""

    budget: BudgetForm | None = None

    @classmethod
    def hint(cls, key: str) -> str | None:
        return _renamed(cls, key)


class ProfileForm(PolicyForm):
    """One entry of ``profiles``: the policy for the objects of the mappings that name it."""

    type: Literal["sync", "lifecycle"]
    conditions: dict[str, Any] | None = None
    delay_days: Days | None = None
    remote_retention_days: Days | None = None

    def policy(self) -> dict[str, Any]:
        """Return every field of PolicyForm: as written, else by the type, else the default."""
        values = {name: getattr(self, name) for name in PolicyForm.model_fields}
        for name, value in PRESETS[self.type].items():
            if name not in self.model_fields_set:
                values[name] = value
        for name, seconds in IN_DAYS.items():
            if (days := getattr(self, name)) is not None:
                values[seconds] = round(days * DAY)
        return values


class MappingEntry(PlaceForm):
    """One entry of ``mappings``."""

    model_config = ConfigDict(alias_generator=section_key)

    prefix_join: Literal["directory", "literal"] = "literal"
    credentials: Text
    profile: Text
    storage_class: OptionalText = None
    storage_policy: OptionalText = None
    cloud_connector: bool | None = None
    segment_containers: SegmentContainers | None = None
    budget: BudgetForm | None = None
    delete_budget: DeleteBudgetForm | None = None

    @classmethod
    def hint(cls, key: str) -> str | None:
        if key in ProfileForm.names():
            return "it belongs in a profile"
        if section_key(key) in (CredentialsForm.names() | every_key().names()):
            return "it belongs in credentials"
        return _renamed(cls, key)


class ResolvedMapping(MappingForm):
    """A mapping combined with the profile that it names."""

    model_config = ConfigDict(alias_generator=section_key)


def credentials_form(kind: type[Credentials]) -> type[CredentialsForm]:
    """Return the model of an entry of ``credentials`` of this kind."""
    return with_credentials(CredentialsForm, kind, _same_key)


def _same_key(name: str) -> str:
    return name


class SectionedFileModel(TopForm):
    """The top level."""

    credentials: dict[str, Any] = Field(default_factory=dict)
    profiles: dict[str, Any] = Field(default_factory=dict)
    mappings: list[Any] = Field(default_factory=list)


def _renamed(form: type[FileModel], key: str) -> str | None:
    name = section_key(key)
    return f'it is called "{name}" in this format' if name != key and name in form.names() else None
