"""A body that knows whether any of it has been read."""

from __future__ import annotations

import io

from s3_sync.streams.reader import Body


class RestartableBody:
    """``restart`` costs nothing before the first read."""

    def __init__(self, body: Body) -> None:
        self.length = body.length
        self._body = body
        self._is_read = False

    def read(self, size: int = -1) -> bytes:
        self._is_read = True
        return self._body.read(size)

    def rewind(self) -> None:
        self._body.rewind()
        self._is_read = False

    def close(self) -> None:
        self._body.close()

    def restart(self) -> bool:
        """Seek to the first byte. Returns False if the body was read and cannot be rewound."""
        if self._is_read:
            try:
                self.rewind()
            except io.UnsupportedOperation:
                return False
        return True
