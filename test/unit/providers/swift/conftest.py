"""A transport in front of a fake Swift, with a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.secret import Secret
from s3_sync.http.network import Network
from s3_sync.http.pool import Timeouts
from s3_sync.providers.swift import transport as transport_module
from s3_sync.providers.swift.auth import TempAuth
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.providers.token_session import Session
from servers.fake_swift import KEY, USER, FakeSwift

TIMEOUTS = Timeouts(5.0, 5.0, 5.0)
Open = Callable[..., SwiftTransport]


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


def swift_credentials(**changes: Any) -> SwiftCredentials:
    fields: dict[str, Any] = {"provider": "swift", "identity": USER, "secret": Secret(KEY)}
    return SwiftCredentials(**(fields | changes))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer than a second to say 100 Continue."""
    monkeypatch.setattr(transport_module, "PATIENCE", 60.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeSwift]:
    with FakeSwift(clock) as server:
        yield server


@pytest.fixture
def open_transport(fake: FakeSwift, clock: Clock) -> Iterator[Open]:
    """``open_transport(remote_account=...)``: changes of the credentials."""
    opened: list[SwiftTransport] = []

    def build(*, connections: int = 4, **changes: Any) -> SwiftTransport:
        credentials = swift_credentials(**({"endpoint": fake.auth_url} | changes))
        network = Network(credentials, TIMEOUTS)
        session = Session(TempAuth(credentials, network, clock), clock)
        opened.append(SwiftTransport(session, network, "fake", connections))
        return opened[-1]

    yield build
    for transport in opened:
        transport.close()


@pytest.fixture
def transport(open_transport: Open) -> SwiftTransport:
    return open_transport()
