"""A provider is one folder, one model of its credentials, and one line in ``KINDS``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import tomllib

from s3_sync.config.credentials.kinds import KINDS, Kind
from s3_sync.config.load import Loaded, load_written
from s3_sync.providers.registry import Registry, provider_class
from toy_provider.credentials import ToyCredentials
from toy_provider.provider import ToyProvider

ROOT = Path(__file__).parents[3]
PROVIDERS = ROOT / "s3_sync" / "providers"
TOP = {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s"}
PLACE = {"account": "AUTH_a", "container": "c"}


def load_flat(**credentials: Any) -> Loaded:
    entry = {**PLACE, "aws_bucket": "b", "custom_prefix": "p", **credentials}
    return load_written({**TOP, "containers": [entry]})


def load_sections(**credentials: Any) -> Loaded:
    mapping = {**PLACE, "bucket": "b", "credentials": "box", "profile": "mirror"}
    sections = {"credentials": {"box": credentials}, "profiles": {"mirror": {"type": "sync"}}}
    return load_written({**TOP, **sections, "mappings": [mapping]})


@pytest.fixture
def toy() -> Iterator[None]:
    with patch.dict(KINDS, toy=Kind(ToyCredentials, "toy_provider.provider:ToyProvider")):
        yield


@pytest.mark.usefixtures("toy")
class TestToyProvider:
    def test_flat_entry_of_a_new_kind_builds_its_provider(self) -> None:
        loaded = load_flat(protocol="toy", owner="me", aws_endpoint="http://toys")
        assert loaded.problems == ()
        assert loaded.settings
        [mapping] = loaded.settings.mappings
        assert mapping.location == "Toy box;b;p/"
        assert mapping.credentials == ToyCredentials(provider="toy", owner="me", endpoint="http://toys")
        registry = Registry(retries=None)
        registry.provider(mapping.credentials).create_bucket("b")
        assert registry.open_bucket(mapping).name == "b"

    def test_section_of_a_new_kind_builds_its_provider(self) -> None:
        loaded = load_sections(provider="toy", owner="me")
        assert loaded.problems == ()
        assert loaded.settings
        [mapping] = loaded.settings.mappings
        assert mapping.credentials == ToyCredentials(provider="toy", owner="me")
        assert provider_class(mapping.credentials) is ToyProvider

    def test_missing_key_of_a_new_kind_is_reported_at_its_place(self) -> None:
        problem = "owner: is required: somebody has to tidy up"
        assert str(load_flat(protocol="toy").problems[0]) == f"containers[0].{problem}"
        assert str(load_sections(provider="toy").problems[0]) == f"credentials.box.{problem}"

    def test_key_of_another_kind_has_no_effect(self) -> None:
        flat = load_flat(protocol="toy", owner="me", aws_session_token="t")
        assert str(flat.warnings[0]) == "containers[0].aws_session_token: has no effect with protocol toy"
        sections = load_sections(provider="s3", owner="me")
        assert str(sections.warnings[0]) == "credentials.box.owner: has no effect with provider s3"


def test_toy_provider_has_fewer_than_30_lines() -> None:
    sources = (ROOT / "test" / "toy_provider").glob("*.py")
    code = [line for path in sources for line in path.read_text().splitlines() if line.strip()]
    assert len(code) < 30


def test_every_provider_folder_is_in_the_contracts_and_has_one_kind() -> None:
    folders = {path.name for path in PROVIDERS.iterdir() if (path / "provider.py").is_file()}
    listed = [kind.provider for kind in KINDS.values() if kind.provider]
    assert sorted(listed) == sorted(set(listed))
    assert {module.split(":")[0] for module in listed} == {
        f"s3_sync.providers.{folder}.provider" for folder in folders
    }
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    by_name = {contract["name"]: contract for contract in contracts}
    expected = {f"s3_sync.providers.{name}" for name in {*folders, "memory"}}
    assert set(by_name["Providers do not know each other"]["modules"]) == expected
    assert set(by_name["Wrappers know no provider"]["forbidden_modules"]) == expected


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_named_as_its_provider_key(name: str) -> None:
    credentials = KINDS[name].credentials
    assert credentials.__module__ == f"s3_sync.config.credentials.{name}"
    assert credentials(provider=name).provider == name
