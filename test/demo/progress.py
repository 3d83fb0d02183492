"""Progress of a running daemon, from the counters that it sends to statsd."""

from __future__ import annotations

import socket
import threading


class Counters:
    """A statsd server for one demonstration: sums up what arrives on a free UDP port of loopback."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._sums: dict[str, int] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def value(self, metric: str) -> int:
        return sum(count for name, count in list(self._sums.items()) if name.endswith("." + metric))

    def close(self) -> None:
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                packet = self._socket.recv(65536).decode()
            except OSError:
                return
            for line in packet.splitlines():
                name, _, rest = line.partition(":")
                self._sums[name] = self._sums.get(name, 0) + int(float(rest.partition("|")[0]))
