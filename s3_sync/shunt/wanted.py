"""An object that the local cluster does not have."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.request import Environ, Local, Request


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which object is asked for: ``request.name``, or what a symlink of that name leads to."""

    request: Request
    local: Local
    target: MappedContainer
    container: str
    name: str
    #: moment before the local cluster was asked
    asked: Timestamp
    params: dict[str, str]

    @property
    def bucket(self) -> Bucket:
        return self.target.bucket

    @property
    def environ(self) -> Environ:
        return self.request.environ
