"""What the forms of all parts of the file have in common."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


def wrong(message: str) -> PydanticCustomError:
    """What a validator raises; the message follows the key's place."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


class Form(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    @classmethod
    def key(cls, name: str) -> str:
        """What the field ``name`` is called in the file."""
        return cls.model_fields[name].alias or name

    @classmethod
    def names(cls) -> dict[str, str]:
        """Every key of the file that this form knows, with the name of its field."""
        return {cls.key(name): name for name in cls.model_fields}

    @classmethod
    def inner(cls, name: str) -> type[Form] | None:
        """The form that the value of the field ``name`` has itself, if any."""
        choices = get_args(cls.model_fields[name].annotation)
        return next((each for each in choices if isinstance(each, type) and issubclass(each, Form)), None)

    @classmethod
    def hint(cls, key: str) -> str | None:
        """What to say of a key that is not one of these, and has its place elsewhere."""
        return None
