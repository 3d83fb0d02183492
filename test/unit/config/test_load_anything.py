"""Whatever a file holds, reading it gives an answer and no traceback."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.config.credentials.kinds import every_key, with_credentials
from s3_sync.config.file.base import FileModel
from s3_sync.config.file.flat import mapping_form
from s3_sync.config.file.options import FlatFileModel, MigrationForm, MigratorForm
from s3_sync.config.file.section_models import (
    MappingEntry,
    ProfileForm,
    SectionedFileModel,
    credentials_form,
    flat_key,
)
from s3_sync.config.load import load, load_shunt_settings
from s3_sync.errors import ConfigError
from unit.config.written import MAPPING

ENTRY = {"account": "AUTH_a", "container": "c", "bucket": "b", "credentials": "a", "profile": "a"}
KEYS = sorted(
    {
        *FlatFileModel.model_fields,
        *mapping_form(every_key()).names(),
        *with_credentials(MigrationForm, every_key(), flat_key).names(),
        *MigratorForm.model_fields,
    }
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)  # surrogates included
    | st.sampled_from(["", "/*", "s3", "swift", "literal", "(", "https://[", "http://h:99999", "..", "\0"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*KEYS, "AND", "OR", "NOT", "x"]), inner, max_size=6)
    ),
    max_leaves=25,
)
ENTRIES = st.lists(
    st.dictionaries(st.sampled_from(sorted(mapping_form(every_key()).names())), VALUES) | VALUES, max_size=3
)


def check_random(directory: Path, content: bytes) -> None:
    path = directory / "random.json"
    path.write_bytes(content)
    loaded = load(path)
    assert loaded.settings or loaded.problems
    for finding in (*loaded.problems, *loaded.warnings):
        assert finding.message
        str(finding).encode("utf-8")
    for mapping in loaded.settings.mappings if loaded.settings else ():
        assert len(mapping.fingerprint) == 16
        assert mapping.stats_prefix.isascii()
        hash(mapping)
    with contextlib.suppress(ConfigError):
        load_shunt_settings(path)


@given(
    top=st.dictionaries(st.sampled_from(sorted(FlatFileModel.model_fields)), VALUES),
    mappings=ENTRIES,
    migrations=ENTRIES,
    required=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_load_any_flat_json_raises_nothing(
    tmp_path_factory: pytest.TempPathFactory, top: Any, mappings: Any, migrations: Any, required: bool
) -> None:
    content = {"containers": mappings, "migrations": migrations, **top}
    if required:
        content |= {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s"}
        content |= {
            "containers": [{**MAPPING, **entry} if isinstance(entry, dict) else entry for entry in mappings]
        }
    check_random(tmp_path_factory.getbasetemp(), json.dumps(content).encode("ascii"))


NEW_ENTRIES = st.lists(
    st.dictionaries(st.sampled_from(sorted(MappingEntry.names())), VALUES)
    | VALUES
    | st.dictionaries(st.sampled_from(["bucket", "prefix", "storage_class"]), VALUES).map(
        lambda more: ENTRY | more
    ),
    max_size=3,
)


def named(form: type[FileModel]) -> st.SearchStrategy[Any]:
    return st.dictionaries(
        st.sampled_from(["a", "b", "", "a.b", "\n"]),
        st.dictionaries(st.sampled_from(sorted(form.names())), VALUES) | VALUES,
        max_size=3,
    )


@given(
    top=st.dictionaries(st.sampled_from(sorted(SectionedFileModel.names())), VALUES),
    mappings=NEW_ENTRIES,
    credentials=named(credentials_form(every_key())),
    profiles=named(ProfileForm),
    required=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_load_any_json_with_sections_raises_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    top: Any,
    mappings: Any,
    credentials: Any,
    profiles: Any,
    required: bool,
) -> None:
    content = {"mappings": mappings, "credentials": credentials, "profiles": profiles, **top}
    if required:
        content |= {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s", "mappings": mappings}
        content |= {"credentials": {**credentials, "a": {}}, "profiles": {**profiles, "a": {"type": "sync"}}}
    check_random(tmp_path_factory.getbasetemp(), json.dumps(content).encode("ascii"))


@given(content=st.binary(max_size=200) | st.text('{}[]",:0123e-+.\\u \nabtrufalsen').map(str.encode))
@settings(deadline=None, max_examples=300)
def test_load_any_bytes_raises_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    check_random(tmp_path_factory.getbasetemp(), content)
