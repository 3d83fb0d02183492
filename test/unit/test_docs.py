"""Sample and reference hold every key that the schema knows, with the right defaults."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.forms import (
    FileForm,
    Form,
    MappingForm,
    MigrationForm,
    MigratorForm,
    RemoteForm,
    SyslogForm,
)
from s3_sync.config.load import load
from s3_sync.config.not_yet import MAPPING_OPTIONS, TOP_LEVEL_OPTIONS
from s3_sync.runtime.arguments import parse
from s3_sync.shunt.options import Options

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample-config.json"
REFERENCE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| `(\w+)` \|")

SECTIONS: dict[str, type[Form]] = {
    "Top level": FileForm,
    "Mappings: `containers`": MappingForm,
    "Remote account": RemoteForm,
    "Migrations: `migrations`": MigrationForm,
    "Migrator: `migrator_settings`": MigratorForm,
    "Syslog: `syslog`": SyslogForm,
}


def own_fields(form: type[Form]) -> list[str]:
    """Those of its own section; what mappings and migrations share has one of its own."""
    shared = RemoteForm.model_fields if form is not RemoteForm else {}
    return [name for name in form.model_fields if name not in shared]


def section(title: str) -> str:
    [_, rest] = REFERENCE.split(f"\n## {title}\n")
    return rest.split("\n## ")[0]


def rows(title: str) -> dict[str, list[str]]:
    """The table of a section: key -> its cells."""
    found = [line for line in section(title).splitlines() if ROW.match(line)]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found]
    return {row[0].strip("` "): row for row in cells}


def sample() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("title", SECTIONS)
def test_the_reference_has_every_key_and_no_other(title: str) -> None:
    assert sorted(rows(title)) == sorted(own_fields(SECTIONS[title]))


@pytest.mark.parametrize("title", SECTIONS)
def test_the_reference_tells_the_right_defaults(title: str) -> None:
    form = SECTIONS[title]
    for name, cells in rows(title).items():
        field = form.model_fields[name]
        assert len(cells) == 5, name
        told = cells[2]
        if field.is_required():
            assert told == "required", name
            continue
        default = field.get_default(call_default_factory=True)
        assert told == "–" if default is None else json.loads(told.strip("`")) == default, name
        assert cells[1], name


@pytest.mark.parametrize("title", SECTIONS)
def test_examples_in_the_reference_are_valid(title: str) -> None:
    form = SECTIONS[title]
    for name, cells in rows(title).items():
        example = cells[4].strip("| ").strip("`")
        if not example or json.loads(example) is None:
            continue
        field = form.model_fields[name]
        alone = type("Alone", (Form,), {"__annotations__": {name: field.rebuild_annotation()}})
        alone.model_validate({name: json.loads(example)})  # type: ignore[attr-defined]


def test_what_is_not_in_this_version_is_marked() -> None:
    for title, form in SECTIONS.items():
        marked = {name for name, cells in rows(title).items() if "**not in this version**" in cells[3]}
        options = TOP_LEVEL_OPTIONS if form is FileForm else MAPPING_OPTIONS
        expected = {option.key for option in options} & set(own_fields(form))
        assert marked == (expected if form in (FileForm, MappingForm, RemoteForm) else set()), title


def test_the_sample_has_every_key() -> None:
    content = sample()
    written: dict[type[Form], set[str]] = {
        FileForm: set(content),
        MappingForm: {key for entry in content["containers"] for key in entry},
        MigrationForm: {key for entry in content["migrations"] for key in entry},
        MigratorForm: set(content["migrator_settings"]),
        SyslogForm: set(content["syslog"]),
    }
    for form, keys in written.items():
        wanted = set(own_fields(form)) if form is MigrationForm else set(form.model_fields)
        assert wanted <= keys, f"{form.__name__} lacks {sorted(wanted - keys)}"
        assert keys <= set(form.model_fields), (
            f"{form.__name__} does not know {keys - set(form.model_fields)}"
        )


def test_the_sample_loads_whole(tmp_path: Path) -> None:
    copy = tmp_path / "sync.json"
    copy.write_bytes(SAMPLE.read_bytes())
    copy.chmod(0o600)
    loaded = load(copy)
    assert loaded.problems == ()
    places = {warning.place for warning in loaded.warnings}
    # not on this machine; a mapping that moves, and whose copies expire
    assert places <= {"devices", "status_dir", "containers[2]", "containers[2].remote_delete_after"}
    assert loaded.settings
    assert len(loaded.settings.mappings) == len(sample()["containers"])
    assert len(loaded.settings.migrations) == len(sample()["migrations"])
    assert loaded.settings.migrator


def test_json_in_the_reference_loads(tmp_path: Path) -> None:
    smallest, condition = re.findall(r"```json\n(.*?)```", REFERENCE, re.DOTALL)
    path = tmp_path / "sync.json"
    content = json.loads(smallest)
    for text in (
        smallest,
        json.dumps(
            content
            | {"containers": [content["containers"][0] | {"selection_criteria": json.loads(condition)}]}
        ),
    ):
        path.write_text(text)
        loaded = load(path)
        assert loaded.problems == ()
        assert loaded.settings
        assert len(loaded.settings.mappings) == 1


def test_the_reference_has_every_command_line_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("swift-s3-sync", ["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options == set(
        re.findall(r"^\| `(--[a-z-]+)", section("Command line and exit codes"), re.MULTILINE)
    )


def test_links_inside_the_reference_lead_somewhere() -> None:
    titles = re.findall(r"^#+ (.*)$", REFERENCE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", REFERENCE)) <= anchors
    for target in re.findall(r"\]\(([^#)][^)]*)\)", REFERENCE):
        assert (ROOT / "docs" / target.partition("#")[0]).exists(), target


def test_every_option_of_the_middleware_is_explained() -> None:
    page = (ROOT / "docs" / "shunt.md").read_text(encoding="utf-8")
    table = page.split("\n## Options\n")[1].split("\n## ")[0]
    told = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)` \| `([^`]*)` \|", table, re.MULTILINE)}
    assert told == {field.name: _as_written(field.default) for field in fields(Options)}


def _as_written(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)
