"""Reloads a changed configuration file while the daemon runs, without losing or repeating work.

An invalid file changes nothing at all. Mappings, profiles, credentials with their secrets, budgets, proxies
and the log level apply at once. Everything else applies from the next start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from s3_sync.config.file_watch import FileWatch, StatSignature
from s3_sync.config.load import Loaded, load
from s3_sync.config.settings import Mapping, Settings
from s3_sync.daemon.activity import ConfigurationState
from s3_sync.providers.registry import Registry
from s3_sync.runtime.logs import DAEMON_LOGGERS, mask_also

log = logging.getLogger("s3-sync")

#: how often files are polled, in seconds
POLL_EVERY = 1.0
#: settings that apply at once, or that a daemon does not use
_LIVE = {"mappings", "migrations", "migrator", "log_level", "http_proxy", "https_proxy"}


@dataclass(frozen=True, slots=True)
class ReloadTarget:
    """The objects that a reload updates. ``update_mappings``: see ``Daemon``. ``announce`` is called with the
    new and changed mappings before they apply, ``on_reload`` when a reload begins (True) and when it has
    ended (False). ``log_level``: from the command line; overrides the file's. ``load``: reads the file."""

    path: str
    settings: Settings
    registry: Registry
    update_mappings: Callable[[Iterable[Mapping]], None]
    configuration: ConfigurationState
    announce: Callable[[Iterable[Mapping]], None] = lambda mappings: None
    log_level: str | None = None
    on_reload: Callable[[bool], None] = lambda begins: None
    load: Callable[[str], Loaded] = load


class ConfigReloader:
    """Reloads the configuration on change or request. Call ``poll`` often, from one thread; a signal handler
    may call ``request``. ``before``: the file's signature from before ``loaded`` was read."""

    def __init__(
        self,
        target: ReloadTarget,
        loaded: Loaded,
        before: StatSignature,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._settings = target.settings
        self._now = now
        self._watch = FileWatch(target.path)
        self._watch.watch_also(loaded.secret_files)
        looks = self._watch.stat_signature()
        self._known = looks if looks[:1] == before else before
        self._next_poll = now() + POLL_EVERY
        self._requested = False
        self._last = self._known

    def request(self) -> None:
        """Reload at the next poll, whether or not the file has changed."""
        self._requested = True

    def poll(self) -> None:
        """Reload the file if it has changed since it was last read and was the same in two polls, since it
        may still be being written."""
        if self._requested:
            self._requested = False
            log.info("%s: reload requested", self._target.path)
            self._read()
            return
        now = self._now()
        if now < self._next_poll:
            return
        self._next_poll = now + POLL_EVERY
        looks, last = self._watch.stat_signature(), self._last
        self._last = looks
        if looks != self._known and looks == last:
            self._read()

    def _read(self) -> None:
        self._target.on_reload(True)
        try:
            self._known = self._watch.stat_signature()
            loaded = self._target.load(self._target.path)
            if loaded.problems or loaded.settings is None:
                self._refuse(loaded)
            else:
                self._take_over(loaded, loaded.settings)
        finally:
            self._target.on_reload(False)

    def _refuse(self, loaded: Loaded) -> None:
        """Log the problems, and watch the file's secrets, too: a missing one may appear."""
        for problem in loaded.problems:
            log.error("%s: %s", self._target.path, problem)
        log.error("%s is invalid: the running configuration is unchanged", self._target.path)
        self._target.configuration.refused = True
        self._also(loaded)

    def _take_over(self, loaded: Loaded, settings: Settings) -> None:
        target, before = self._target, self._settings
        mask_also("s3-sync", settings.secrets())
        for warning in loaded.warnings:
            log.warning("%s", warning)
        for key in fields(Settings):
            if key.name not in _LIVE and getattr(settings, key.name) != getattr(before, key.name):
                log.warning("%s has changed: restart the daemon to apply it", key.name)
        if target.log_level is None:
            for name in DAEMON_LOGGERS:
                logging.getLogger(name).setLevel(settings.log_level.upper())
        known = {mapping.journal_key: mapping for mapping in before.mappings}
        target.announce(
            mapping
            for mapping in settings.mappings
            if mapping.journal_key not in known or not mapping.same_config(known[mapping.journal_key])
        )
        target.registry.update_mappings(settings.mappings)
        target.update_mappings(settings.mappings)
        target.configuration.loaded()
        self._settings = settings
        self._also(loaded)
        log.info("%s: %s", target.path, _changes(before.mappings, settings.mappings))

    def _also(self, loaded: Loaded) -> None:
        files = loaded.secret_files
        before = self._watch.stat_signature()
        self._watch.watch_also(files)
        if before == self._known:
            self._known = self._watch.stat_signature()
        self._last = self._known


def _changes(before: Iterable[Mapping], after: Iterable[Mapping]) -> str:
    """``3 mappings (1 new, 0 removed, 1 changed)``"""
    old = {mapping.journal_key: mapping for mapping in before}
    new = {mapping.journal_key: mapping for mapping in after}
    changed = sum(not mapping.same_config(old[key]) for key, mapping in new.items() if key in old)
    added, removed = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    return f"{len(new)} mappings ({added} new, {removed} removed, {changed} changed)"
