"""The smallest job there is, and what a daemon needs around it: nothing here knows of rows or databases."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from s3_sync.config.coverage import Coverage
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile, Settings
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.job import Job, JobRequest, StepResult
from s3_sync.daemon.lane import Lane, LaneRegistry
from s3_sync.daemon.services import Services
from s3_sync.model.keys import KeyNamer
from s3_sync.runtime.concurrency import Clock
from s3_sync.runtime.stats import Stats
from s3_sync.state.controls import Controls

ACCOUNT = "AUTH_a"


def mapping(container: str = "c", **profile: Any) -> Mapping:
    namer = KeyNamer.hashed(ACCOUNT, container)
    return Mapping(ACCOUNT, container, "bucket", S3Credentials(), Profile(**profile), namer)


def services(directory: Path, mappings: Iterable[Mapping], **others: Any) -> Services:
    settings = Settings(
        devices="/srv/node",
        status_dir=str(directory),
        mappings=tuple(mappings),
        items_chunk=10,
        poll_interval=0.05,
    )
    return Services(
        settings=settings,
        clock=Clock(),
        registry=cast(Any, None),
        controls=Controls(settings.status_dir),
        stats=Stats(None),
        activity=Activity(settings.mappings),
        **others,
    )


class TinyJob:
    """Counts down from ``work``; the mapping of an account first finds the ``containers``."""

    work = 3
    containers: tuple[str, ...] = ()

    def __init__(self, request: JobRequest, services: Services) -> None:
        self.mapping = request.mapping
        self.parent = request.parent
        self.previous = request.previous
        self.retired = threading.Event()
        self.children: dict[str, Mapping] | None = None
        self.done = 0
        self.is_failing = self.has_leftovers = False
        self._coverage = request.coverage
        self._heartbeat = services.activity.heartbeat_for(self.mapping)

    def step(self) -> StepResult:
        self._heartbeat.begin()
        if self.mapping.is_account_wide:
            self._find()
        elif not self.retired.is_set() and self.done < self.work:
            self.done += 1
        more = not self.mapping.is_account_wide and self.done < self.work
        self._heartbeat.end(idle=not more, failing=self.is_failing)
        return StepResult(more)

    def _find(self) -> None:
        found = {each: self._coverage.for_container(self.mapping, each) for each in self.containers}
        children = {container: share for container, share in found.items() if share is not None}
        if children != self.children:
            self.children = children

    def retire(self) -> None:
        self.retired.set()

    def update_coverage(self, coverage: Coverage) -> None:
        self._coverage = coverage

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        found = (self._coverage.for_container(mapping, container) for container in self.children or ())
        return [each for each in found if each is not None]

    def summary(self, everything: bool) -> str | None:
        return None if self.mapping.is_account_wide else f"{self.done} done"


class Workshop:
    """Makes the jobs of a daemon, and remembers them."""

    def __init__(self, services: Services, *containers: str) -> None:
        self.services = services
        self.jobs: list[TinyJob] = []
        self._containers = containers
        self.broken: Exception | None = None

    def make(self, request: JobRequest) -> Job:
        if self.broken is not None:
            raise self.broken
        job = TinyJob(request, self.services)
        job.containers = self._containers
        self.jobs.append(job)
        return job

    def lane(self, name: str = "aws") -> Lane:
        return Lane(LaneRegistry(self.services, self.make, owners={}, claims={}), name)
