"""The start options of a daemon, and its initial configuration."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.config.file_watch import StatSignature
from s3_sync.config.load import Loaded
from s3_sync.config.settings import Settings
from s3_sync.runtime.logs import configure


@dataclass(frozen=True, slots=True)
class StartOptions:
    """``program``: the name of the command. ``log_level``: overrides the configuration's."""

    program: str
    config: str
    once: bool = False
    log_level: str | None = None
    console: bool = False

    def configure_logs(self, settings: Settings) -> None:
        """Set up logging. Raises ConfigError."""
        configure(
            "s3-sync",
            settings.log_file,
            self.log_level or settings.log_level,
            self.console,
            settings.syslog,
            settings.secrets(),
        )


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration. ``before``: the signature of its files from before they were read."""

    loaded: Loaded
    before: StatSignature

    @property
    def settings(self) -> Settings:
        assert self.loaded.settings is not None
        return self.loaded.settings
