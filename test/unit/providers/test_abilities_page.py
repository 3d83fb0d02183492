"""The table of what each provider can."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from s3_sync.config.credentials.kinds import KINDS
from s3_sync.providers.abilities_page import FEATURES, LIMITS, table
from s3_sync.providers.base import Features
from s3_sync.providers.store_limits import Limits

PAGE = Path(__file__).parents[3] / "docs" / "stores.md"


def test_page_of_stores_holds_the_generated_table_of_abilities() -> None:
    """If not: ``python -m s3_sync.providers.abilities_page``. A new kind may need a line in its EXAMPLES."""
    made = table()
    assert made in PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in made for name, kind in KINDS.items() if kind.provider and name != "s3")


def test_every_feature_and_limit_has_a_row() -> None:
    assert list(FEATURES) == [field.name for field in fields(Features)]
    assert list(LIMITS) == [field.name for field in fields(Limits)]
