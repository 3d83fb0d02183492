"""A directory that stands for a mounted share."""

from __future__ import annotations

from pathlib import Path

from s3_sync.config.credentials.file import FileCredentials
from s3_sync.providers.file.provider import FileProvider
from servers.scratch import ScratchDir


class SharedDirectory:
    """``path``: where it is mounted. It has been set up; ``sidecars`` and ``portable``: so that the file
    system looks like one without extended attributes, or with names that not every system can have."""

    def __init__(self, sidecars: bool = False, portable: bool = False) -> None:
        self._scratch = ScratchDir("share")
        self.path = self._scratch.path / "mounted"
        self.path.mkdir()
        provider = self.provider()
        self.share_id = provider.share.set_up(sidecars, portable).share
        provider.close()

    def provider(self, share_id: str | None = None, connections: int = 8) -> FileProvider:
        """A new one, as of a process that has just begun. Without ``share_id`` it takes any share for the
        right one."""
        credentials = FileCredentials(provider="file", path=str(self.path), share_id=share_id)
        return FileProvider(credentials, connections=connections)

    def entry(self, bucket: str) -> dict[str, str]:
        """Keys of a mapping into a directory that is there now."""
        provider = self.provider()
        provider.create_bucket(bucket)
        provider.close()
        return {
            "protocol": "file",
            "path": str(self.path),
            "share_id": self.share_id,
            "aws_bucket": bucket,
        }

    @property
    def away(self) -> Path:
        return self._scratch.path / "elsewhere"

    def unmount(self) -> None:
        """What is left is the mount point, an empty directory."""
        self.path.rename(self.away)
        self.path.mkdir()

    def mount(self) -> None:
        self.path.rmdir()
        self.away.rename(self.path)

    def remove(self) -> None:
        self._scratch.remove()
