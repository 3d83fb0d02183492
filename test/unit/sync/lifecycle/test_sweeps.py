"""Which containers of another Swift are left alone by the sweeps for segments there."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer
from s3_sync.sync.lifecycle.sweeps import Sweeps


def mapping(bucket: str, **credentials: str) -> Mapping:
    login: dict[str, Any] = {"endpoint": "https://there/auth", "identity": "lab:sync", **credentials}
    return Mapping(
        "AUTH_a", "c", bucket, SwiftCredentials(provider="swift", **login), Profile(), KeyNamer.plain()
    )


def test_containers_that_mappings_copy_to_are_spared_whatever_leads_to_their_account() -> None:
    own = mapping("own")
    everything = replace(mapping("every-"), container="/*")
    mappings = [
        own,
        mapping("another user", identity="lab:other"),
        mapping("named", identity="admin:admin", remote_account="AUTH_lab"),
        mapping("another account", identity="other:sync"),
        mapping("another cluster", endpoint="https://elsewhere/auth"),
        everything.of_container("x"),
    ]
    context = SimpleNamespace(settings=SimpleNamespace(mappings=mappings))
    sweeps: Any = SimpleNamespace(_mapping=own, _context=context)
    assert Sweeps._mirrored(sweeps) == {"own", "another user", "named"}
