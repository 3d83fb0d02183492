"""Tables and numbers of shunt.md, design.md and CONTRIBUTING are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from mutants.rules import MUTANTS
from proofs.functional import EXPLAINED, explained
from s3_sync.providers.base import Bucket
from s3_sync.shunt.options import Options

ROOT = Path(__file__).parents[2]


def test_every_option_of_the_middleware_is_explained() -> None:
    page = (ROOT / "docs" / "shunt.md").read_text(encoding="utf-8")
    table = page.split("\n## Options\n")[1].split("\n## ")[0]
    told = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)` \| `([^`]*)` \|", table, re.MULTILINE)}
    assert told == {field.name: _as_written(field.default) for field in fields(Options)}


def test_shunt_page_lists_every_explained_difference_of_swift_tests() -> None:
    page = (ROOT / "docs" / "shunt.md").read_text(encoding="utf-8")
    section = page.split("\n## What Swift's own tests notice\n")[1].split("\n## ")[0]
    table = section.split("\n| with | test | why |\n|---|---|---|\n")[1].strip().splitlines()
    lines = explained(EXPLAINED.read_text(encoding="utf-8"))
    assert lines
    assert table == [f"| {line.modes} | `{line.test}` | {line.reason} |" for line in lines]


def _as_written(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_rule_of_every_mutant_is_in_contributing_and_in_the_code() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for mutant in MUTANTS:
        tests = ", ".join(f"`{test.removeprefix('test/')}`" for test in mutant.test.split())
        assert f"| {mutant.rule} | {tests} |" in text, mutant.rule
        assert (ROOT / "s3_sync" / mutant.file).read_text().count(mutant.old) == 1, mutant.rule


def test_size_of_bucket_is_the_one_that_design_explains() -> None:
    members = [member for name, member in vars(Bucket).items() if not name.startswith("_")]
    methods = sum(callable(member) for member in members)
    properties = sum(isinstance(member, property) for member in members)
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert f"`Bucket` has {methods} methods and {properties} properties" in page
