"""The sections of the file in which credentials, profiles and mappings stand apart, key by key.

What a key means, and what it is called in the program, is the same as in ``forms``; where the file calls it
by another name here, that is its alias.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from s3_sync.config.file.base import Form
from s3_sync.config.file.budgets import BudgetForm, DeleteBudgetForm
from s3_sync.config.file.fields import (
    LONGEST,
    MappingForm,
    OptionalText,
    PlaceForm,
    PolicyForm,
    RemoteForm,
    SegmentContainers,
    Text,
    TopForm,
)

A_DAY = 86400
_NEW_NAMES = {
    "protocol": "provider",
    "aws_endpoint": "endpoint",
    "aws_identity": "identity",
    "aws_secret": "secret",
    "aws_session_token": "session_token",
    "aws_bucket": "bucket",
    "custom_prefix": "prefix",
}

#: a fraction of a day is rounded to whole seconds
Days = Annotated[float, Field(ge=0, le=LONGEST / A_DAY, allow_inf_nan=False)]
#: what an option of a profile is called as well, in days
IN_DAYS = {"delay_days": "copy_after", "remote_retention_days": "remote_delete_after"}

#: what the type of a profile says about options that the profile does not name
PRESETS: dict[str, dict[str, Any]] = {
    "sync": {"retain_local": True, "copy_after": 0, "propagate_delete": True},
    "lifecycle": {"retain_local": False, "merge_namespaces": True, "propagate_delete": False},
}


def new_name(name: str) -> str:
    """What the new form calls a key of the old one."""
    return _NEW_NAMES.get(name, name)


class CredentialsForm(RemoteForm):
    """One entry of ``credentials``: a remote account, and how to reach it."""

    model_config = ConfigDict(alias_generator=new_name)

    budget: BudgetForm | None = None

    @classmethod
    def hint(cls, key: str) -> str | None:
        return _renamed(cls, key)


class ProfileForm(PolicyForm):
    """One entry of ``profiles``: what is done with the objects of the mappings that name it."""

    type: Literal["sync", "lifecycle"]
    conditions: dict[str, Any] | None = None
    delay_days: Days | None = None
    remote_retention_days: Days | None = None

    def policy(self) -> dict[str, Any]:
        """Every field of PolicyForm with its value: as written, else by the type, else the default."""
        values = {name: getattr(self, name) for name in PolicyForm.model_fields}
        for name, value in PRESETS[self.type].items():
            if name not in self.model_fields_set:
                values[name] = value
        for name, seconds in IN_DAYS.items():
            if (days := getattr(self, name)) is not None:
                values[seconds] = round(days * A_DAY)
        return values


class MappingEntry(PlaceForm):
    """One entry of ``mappings``."""

    model_config = ConfigDict(alias_generator=new_name)

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
            return "it belongs into a profile"
        if new_name(key) in CredentialsForm.names():
            return "it belongs into credentials"
        return _renamed(cls, key)


class ResolvedMapping(MappingForm):
    """A mapping together with the credentials and the profile that it names."""

    model_config = ConfigDict(alias_generator=new_name)


class NewFileForm(TopForm):
    """The top level."""

    credentials: dict[str, Any] = Field(default_factory=dict)
    profiles: dict[str, Any] = Field(default_factory=dict)
    mappings: list[Any] = Field(default_factory=list)


def _renamed(form: type[Form], key: str) -> str | None:
    name = new_name(key)
    return f'it is called "{name}" in this form' if name != key and name in form.names() else None
