from __future__ import annotations

from typing import Literal

from s3_sync.config.credentials.base import Credentials, Place
from s3_sync.config.file.types import OptionalText


class ToyCredentials(Credentials):
    provider: Literal["toy"]
    owner: OptionalText = None

    @property
    def location(self) -> str:
        return "Toy box"

    def check(self, place: Place) -> None:
        self.require(place, ("owner",), "is required: somebody has to tidy up")
        super().check(place)
