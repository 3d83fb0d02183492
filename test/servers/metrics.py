"""What a monitoring system sees of a daemon: its metrics, read from the real port."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from servers.process import ReservedPort

PREFIX = "swift_s3_sync_"


@dataclass(frozen=True)
class Scrape:
    """One reading: (name, labels) -> number. `up` is False, and nothing else there, when nobody answered."""

    up: bool
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]
    #: when, in seconds since the epoch
    at: float = field(default_factory=time.time)

    def all(self, name: str, **labels: str) -> dict[frozenset[tuple[str, str]], float]:
        """Samples of `name` (without the common prefix) that have these labels, among others."""
        wanted = set(labels.items())
        return {
            found: number
            for (each, found), number in self.samples.items()
            if each in (name, PREFIX + name) and wanted <= found
        }

    def sum(self, name: str, **labels: str) -> float:
        return sum(self.all(name, **labels).values())

    def one(self, name: str, **labels: str) -> float:
        [number] = self.all(name, **labels).values()
        return number


class MetricsOf:
    """The port that a daemon is given by `settings`; `read()` scrapes it."""

    def __init__(self) -> None:
        self._place = ReservedPort()

    @property
    def settings(self) -> dict[str, Any]:
        return {"metrics_port": self._place.port}

    def text(self, timeout: float = 10.0) -> str:
        with urlopen(f"http://{self._place.ip}:{self._place.port}/metrics", timeout=timeout) as answer:
            text: str = answer.read().decode()
            return text

    def read(self, timeout: float = 10.0) -> Scrape:
        try:
            text = self.text(timeout)
        except (URLError, OSError):
            return Scrape(False, {})
        samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in samples, f"twice: {key}"
                samples[key] = sample.value
        return Scrape(True, samples)

    def close(self) -> None:
        self._place.release()
