"""Generates the JSON Schema of the format with sections, for editors and tools that write configurations.

``python -m s3_sync.config.json_schema > docs/configuration.schema.json`` updates the file; a test compares
it. The schema covers keys, types, ranges and defaults; ``--check-config`` also checks what depends on several
keys."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field, create_model

from s3_sync.config.credentials.kinds import every_key, with_credentials
from s3_sync.config.file.options import MigrationForm, MigratorForm
from s3_sync.config.file.section_models import (
    MappingEntry,
    ProfileForm,
    SectionedFileModel,
    credentials_form,
    flat_key,
)

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema of a whole file."""
    # the loader reads sections one by one, so that a mistake does not hide others; here they are nested
    credentials: Any = credentials_form(every_key())
    migration: Any = with_credentials(MigrationForm, every_key(), flat_key)
    whole: Any = create_model(
        "Configuration",
        __base__=SectionedFileModel,
        credentials=(dict[str, credentials], Field(default_factory=dict)),
        profiles=(dict[str, ProfileForm], Field(default_factory=dict)),
        mappings=(list[MappingEntry], Field(default_factory=list)),
        migrations=(list[migration], Field(default_factory=list)),
        migrator_settings=(MigratorForm | None, None),
    )
    schema: dict[str, Any] = _closed(whole.model_json_schema())
    return {"$schema": _DRAFT, "title": "swift-s3-sync", **schema}


def as_text() -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _closed(schema: Any) -> Any:
    """Refuse unknown keys, and drop titles, which only repeat the keys."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if not _is_title(key, value)}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


def _is_title(key: str, value: Any) -> bool:
    return key == "title" and isinstance(value, str)


if __name__ == "__main__":
    print(as_text(), end="")
