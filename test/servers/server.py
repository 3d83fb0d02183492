"""What every test server has in common: a directory, ports, children, and an orderly end."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TypeVar

from servers.process import LOOPBACK, Child, ReservedPort
from servers.scratch import ScratchDir

AnyServer = TypeVar("AnyServer", bound="Server")


class Server:
    """Base of the servers. `start()`, `stop()`, or a `with` block.

    `root`  directory of everything that it writes; logs are in `root/log`. A given root is created if
            need be and left in place; otherwise a scratch directory is used and removed by `stop()`.
    `keep`  set it before `start()`: children and directory then outlive this process unless `stop()`
            is called.
    """

    name = "server"

    def __init__(self, root: Path | None = None) -> None:
        self.keep = False
        self._given_root = root
        self._scratch: ScratchDir | None = None
        self._ports: list[ReservedPort] = []
        self._ready = False
        self.children: dict[str, Child] = {}

    @property
    def root(self) -> Path:
        if self._given_root is not None:
            return self._given_root
        if self._scratch is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._scratch.path

    @property
    def log_dir(self) -> Path:
        return self.root / "log"

    def start(self: AnyServer) -> AnyServer:
        """Start whatever is not running, after `halt()` too; returns itself when all of it answers."""
        if not self._ready:
            if self._given_root is None:
                self._scratch = ScratchDir(self.name)
                if self.keep:
                    self._scratch.keep()
            self.log_dir.mkdir(parents=True, exist_ok=True)
            self._prepare()
            self._ready = True
        try:
            self._start_children(list(self.children))
        except BaseException:
            self.halt()
            raise
        return self

    def halt(self) -> None:
        """End the processes; ports and whatever is on disk stay for the next `start()`."""
        for child in reversed(self.children.values()):
            child.stop()

    def stop(self) -> None:
        """End the processes, give the ports back, and remove the scratch directory."""
        self.halt()
        for port in self._ports:
            port.release()
        self._ports.clear()
        self.children.clear()
        self._ready = False
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None

    def __enter__(self: AnyServer) -> AnyServer:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        """Write configuration, reserve ports and fill `children`. Called once, before the first start."""
        raise NotImplementedError

    def _start_children(self, names: list[str]) -> None:
        """Start the named children that do not run, all at once, then wait until each one listens."""
        starting = [self.children[name] for name in names if not self.children[name].running]
        for child in starting:
            child.start()
        for child in starting:
            child.wait_ready(partial(_all_accept, self._listens(child)))

    def _listens(self, child: Child) -> list[ReservedPort]:
        """The ports on which this child listens when it is ready."""
        return self._ports

    def _reserve(self, ip: str = LOOPBACK) -> ReservedPort:
        port = ReservedPort(ip)
        self._ports.append(port)
        return port


def _all_accept(ports: list[ReservedPort]) -> bool:
    return all(port.accepts() for port in ports)
