"""Another configuration while the daemon runs: what is under way ends, nothing is lost or starts over.

A file with any problem in it changes nothing at all. What counts at once: mappings, profiles, credentials
with their secrets, budgets, proxies, and the log level. Everything else counts from the next start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from s3_sync.config.file_watch import FileWatch, Looks
from s3_sync.config.load import Loaded, load
from s3_sync.config.settings import Mapping, Settings
from s3_sync.daemon.counters import Configuration
from s3_sync.providers.registry import Registry
from s3_sync.runtime.logs import mask_also
from s3_sync.sync.lifecycle.notice import announce

log = logging.getLogger("s3-sync")

#: how often files are looked at, in seconds
LOOK_EVERY = 1.0
#: of what is not a mapping's: what counts at once, or is no business of a daemon
_LIVE = {"mappings", "migrations", "migrator", "log_level", "http_proxy", "https_proxy"}


@dataclass(frozen=True, slots=True)
class Reloading:
    """What a reload needs. ``use``: makes mappings those of the process. ``told``: hears of the begin (True)
    and of the end (False). ``log_level``: that of the command line, which overrides the file's."""

    path: str
    settings: Settings
    registry: Registry
    use: Callable[[Iterable[Mapping]], None]
    configuration: Configuration
    log_level: str | None = None
    told: Callable[[bool], None] = lambda begins: None


class Reload:
    """``look`` it often, from one thread; ``request`` may be called by a signal handler. ``before``: what the
    file looked like before ``loaded`` was read from it."""

    def __init__(
        self,
        reloading: Reloading,
        loaded: Loaded,
        before: Looks,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reloading = reloading
        self._settings = reloading.settings
        self._now = now
        self._watch = FileWatch(reloading.path)
        self._watch.also(loaded.secret_files)
        looks = self._watch.looks()
        self._known = looks if looks[:1] == before else before
        self._next_look = now() + LOOK_EVERY
        self._requested = False
        self._last = self._known

    def request(self) -> None:
        """Read the file, whether or not it has changed."""
        self._requested = True

    def look(self) -> None:
        """Read the file if it has changed since it was read, and has been the same for two looks: whoever
        writes it may take a moment."""
        if self._requested:
            self._requested = False
            log.info("%s: to be read again", self._reloading.path)
            self._read()
            return
        now = self._now()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY
        looks, last = self._watch.looks(), self._last
        self._last = looks
        if looks != self._known and looks == last:
            self._read()

    def _read(self) -> None:
        self._reloading.told(True)
        try:
            self._known = self._watch.looks()
            loaded = load(self._reloading.path)
            if loaded.problems or loaded.settings is None:
                self._refuse(loaded)
            else:
                self._take_over(loaded, loaded.settings)
        finally:
            self._reloading.told(False)

    def _refuse(self, loaded: Loaded) -> None:
        """A secret that is not there may come: its file is watched, too."""
        for problem in loaded.problems:
            log.error("%s: %s", self._reloading.path, problem)
        log.error("%s cannot be used: everything stays as it was", self._reloading.path)
        self._reloading.configuration.refused = True
        self._also(loaded)

    def _take_over(self, loaded: Loaded, settings: Settings) -> None:
        reloading, before = self._reloading, self._settings
        mask_also("s3-sync", settings.secrets())
        for warning in loaded.warnings:
            log.warning("%s", warning)
        for key in fields(Settings):
            if key.name not in _LIVE and getattr(settings, key.name) != getattr(before, key.name):
                log.warning("%s has changed: that counts from the next start", key.name)
        if reloading.log_level is None:
            logging.getLogger("s3-sync").setLevel(settings.log_level.upper())
        known = {mapping.journal_key: mapping for mapping in before.mappings}
        announce(
            mapping
            for mapping in settings.mappings
            if mapping.journal_key not in known or not mapping.is_as(known[mapping.journal_key])
        )
        reloading.registry.use(settings.mappings)
        reloading.use(settings.mappings)
        reloading.configuration.loaded()
        self._settings = settings
        self._also(loaded)
        log.info("%s: %s", reloading.path, _changes(before.mappings, settings.mappings))

    def _also(self, loaded: Loaded) -> None:
        files = loaded.secret_files
        before = self._watch.looks()
        self._watch.also(files)
        if before == self._known:
            self._known = self._watch.looks()
        self._last = self._known


def _changes(before: Iterable[Mapping], after: Iterable[Mapping]) -> str:
    """``3 mappings (1 new, 0 gone, 1 changed)``"""
    old = {mapping.journal_key: mapping for mapping in before}
    new = {mapping.journal_key: mapping for mapping in after}
    changed = sum(not mapping.is_as(old[key]) for key, mapping in new.items() if key in old)
    came, went = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    return f"{len(new)} mappings ({came} new, {went} gone, {changed} changed)"
