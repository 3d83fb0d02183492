"""Azurite: the blob service in memory. It checks signatures and MD5s, and knows no CRC64."""

from __future__ import annotations

from servers.azurite_package import command
from servers.process import Child
from servers.server import Server


class Azurite(Server):
    """One account, with the name and the key that all emulators have. `halt()` forgets the containers."""

    name = "azurite"
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    @property
    def endpoint(self) -> str:
        port = self._ports[0]
        return f"http://{port.ip}:{port.port}/{self.account}"

    def _prepare(self) -> None:
        port = self._reserve()
        arguments = command(
            *("--blobHost", port.ip, "--blobPort", str(port.port)),
            *("--inMemoryPersistence", "--disableTelemetry", "--silent", "--skipApiVersionCheck"),
        )
        log = self.log_dir / "azurite.log"
        self.children["azurite"] = Child("azurite", arguments, log, outlive=self.keep)
