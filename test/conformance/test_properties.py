"""Each property of a dialect matters to some store: with it the provider works there, otherwise not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from conformance.properties import CASES, Case, Scene
from faults.proxy import FaultProxy
from s3_sync.config.credentials.s3_dialects import Dialect
from s3_sync.config.load import load_written
from s3_sync.errors import SyncError
from servers.moto import MotoServer
from servers.operations import operation
from servers.pair import Store
from servers.server import AnyServer

#: how a case says that something is not as it must be
WRONG = (AssertionError, SyncError, pytest.fail.Exception)


@pytest.fixture(scope="module")
def moto_with_small_parts(start_server: Callable[[AnyServer], AnyServer]) -> AnyServer:
    return start_server(MotoServer(min_part=1))


@pytest.fixture
def keys_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which no mapping that has keys of its own may use."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ambient")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@contextmanager
def scene(server: Any, case: Case, value: Any) -> Iterator[Scene]:
    """The store of the case, and a mapping that takes ``value`` for its property."""
    name = f"properties-{uuid4().hex[:12]}"
    client = Store.server(server).client()
    client.create_bucket(Bucket=name)
    entry = {
        "account": "AUTH_a",
        "container": "c",
        "aws_bucket": name,
        "aws_identity": server.access_key,
        "aws_secret": server.secret_key,
        "custom_prefix": "",
        "dialect": {case.property: value, **case.dialect},
    }
    with FaultProxy.before(server.endpoint) as proxy:
        entry |= {"aws_endpoint": proxy.endpoint, **case.entry}
        entry["aws_bucket"] = entry["aws_bucket"].format(name)
        top = {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s", "containers": [entry]}
        if "aws_endpoint" in case.entry:
            top["http_proxy"] = proxy.endpoint
        proxy.when(case.store(name), where=lambda call: not case.on or operation(call) in case.on)
        built = Scene(load_written(top), proxy, client, name)
        try:
            yield built
        finally:
            built.registry.close_all()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.property}={case.value}")
@pytest.mark.usefixtures("keys_around")
def test_store_works_with_its_property_and_not_with_another_value(
    moto_with_small_parts: Any, case: Case
) -> None:
    with scene(moto_with_small_parts, case, case.value) as right:
        case.act(right)
    with scene(moto_with_small_parts, case, case.other) as wrong, pytest.raises(WRONG):
        case.act(wrong)


def test_every_property_has_a_store_that_needs_it() -> None:
    """One without would be a claim that nothing proves."""
    assert {case.property for case in CASES} == Dialect.model_fields.keys() - {"name"}
