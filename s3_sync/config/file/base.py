"""The base class of the models of all parts of the file."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


def wrong(message: str) -> PydanticCustomError:
    """Make the exception that a validator raises; the message is shown after the key's place."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


class FileModel(BaseModel):
    # validators are built when a file first needs them: all of them take a seventh of a program's imports
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", defer_build=True)

    @classmethod
    def key(cls, name: str) -> str:
        """Return the key in the file of the field ``name``."""
        return cls.model_fields[name].alias or name

    @classmethod
    def names(cls) -> dict[str, str]:
        """Return every key of this model, with the name of its field; an excluded field has no key."""
        return {cls.key(name): name for name, field in cls.model_fields.items() if not field.exclude}

    @classmethod
    def inner(cls, name: str) -> type[FileModel] | None:
        """Return the model of the value of the field ``name``, if it has one."""
        choices = get_args(cls.model_fields[name].annotation)
        models = (each for each in choices if isinstance(each, type) and issubclass(each, FileModel))
        return next(models, None)

    @classmethod
    def hint(cls, key: str) -> str | None:
        """Return a hint for an unknown key that belongs elsewhere."""
        return None

    @classmethod
    def without_effect(cls, key: str, value: object) -> str | None:
        """Return why a valid key that is not in this model has no effect, or "" if it would not have one
        anywhere with that value; None if it is no valid key."""
        return None
