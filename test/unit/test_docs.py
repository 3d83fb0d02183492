"""Samples and reference hold every key that the forms know, with the right defaults."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from s3_sync.admin import main
from s3_sync.config.credentials.kinds import every_key, with_credentials
from s3_sync.config.file.base import FileModel
from s3_sync.config.file.budgets import BudgetForm, DeleteBudgetForm, HoursForm
from s3_sync.config.file.flat import mapping_form
from s3_sync.config.file.options import (
    FlatFileModel,
    MigrationForm,
    MigratorForm,
    SyslogForm,
)
from s3_sync.config.file.section_models import (
    PRESETS,
    MappingEntry,
    ProfileForm,
    SectionedFileModel,
    credentials_form,
    flat_key,
    section_key,
)
from s3_sync.config.load import load
from s3_sync.config.unsupported import TOP_LEVEL_OPTIONS
from s3_sync.daemon.arguments import parse
from s3_sync.daemon.metrics import MetricNames, MetricSpec
from s3_sync.migrate import monitoring as migrate_monitoring
from s3_sync.sync.monitoring import metrics as sync_metrics
from s3_sync.verify import arguments as verify

#: the names of a daemon's metrics, the metrics, and what its table calls the labels of a mapping
DAEMONS = (
    (sync_metrics.NAMES, sync_metrics.METRICS, "mapping"),
    (migrate_monitoring.NAMES, migrate_monitoring.METRICS, "migration"),
)
ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample-config.json"
OLD_SAMPLE = ROOT / "sample-config-0.1.json"
REFERENCE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| `(\w+)` \|")
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "containers/monitoring/README.md")
    ),
]

#: with the keys of every kind of credentials
CredentialsForm = credentials_form(every_key())
MappingForm = mapping_form(every_key())
Migration = with_credentials(MigrationForm, every_key(), flat_key)
SECTIONS: dict[str, type[FileModel]] = {
    "Top level": SectionedFileModel,
    "Credentials: `credentials`": CredentialsForm,
    "Profiles: `profiles`": ProfileForm,
    "Mappings: `mappings`": MappingEntry,
    "Budgets: `budget`": BudgetForm,
    "Timetable: `timetable`": HoursForm,
    "Delete budgets: `delete_budget`": DeleteBudgetForm,
    "Migrations: `migrations`": Migration,
    "Migrator: `migrator_settings`": MigratorForm,
    "Syslog: `syslog`": SyslogForm,
}


OPERATIONS_PAGE = ROOT / "docs" / "operations.md"
OLD_FORM = "The form of earlier versions: `containers`"


def own_keys(form: type[FileModel]) -> dict[str, str]:
    remote = every_key().names() if form is Migration else {}
    return {key: name for key, name in form.names().items() if name not in remote}


def section(title: str) -> str:
    [_, rest] = REFERENCE.split(f"\n## {title}\n")
    return rest.split("\n## ")[0]


def rows(title: str) -> dict[str, list[str]]:
    """The table of a section: key -> its cells."""
    found = [line for line in section(title).splitlines() if ROW.match(line)]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found]
    return {row[0].strip("` "): row for row in cells if len(row) == 5}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("title", SECTIONS)
def test_the_reference_has_every_key_and_no_other(title: str) -> None:
    assert sorted(rows(title)) == sorted(own_keys(SECTIONS[title]))


@pytest.mark.parametrize("title", SECTIONS)
def test_the_reference_has_the_default_of_every_key(title: str) -> None:
    form = SECTIONS[title]
    for key, cells in rows(title).items():
        name = form.names()[key]
        field = form.model_fields[name]
        told = cells[2]
        if field.is_required():
            assert told == "required", name
            continue
        default = field.get_default(call_default_factory=True)
        default = list(default) if isinstance(default, tuple) else default
        assert told == "–" if default is None else json.loads(told.strip("`")) == default, name
        assert cells[1], name


@pytest.mark.parametrize("title", SECTIONS)
def test_examples_in_the_reference_are_valid(title: str) -> None:
    form = SECTIONS[title]
    for key, cells in rows(title).items():
        name = form.names()[key]
        example = cells[4].strip("| ").strip("`")
        if not example or json.loads(example) is None:
            continue
        field = form.model_fields[name]
        alone = type("Alone", (FileModel,), {"__annotations__": {name: field.rebuild_annotation()}})
        alone.model_validate({name: json.loads(example)})  # type: ignore[attr-defined]


def test_the_reference_marks_the_keys_that_are_not_in_this_version() -> None:
    for title, form in SECTIONS.items():
        marked = {key for key, cells in rows(title).items() if "**not in this version**" in cells[3].lower()}
        refused = {option.key for option in TOP_LEVEL_OPTIONS}
        expected = {key for key, name in own_keys(form).items() if name in refused}
        assert marked == (expected if form is SectionedFileModel else set()), title


def test_the_reference_has_the_presets_of_each_profile_type() -> None:
    table = [line.strip("| ").split(" | ") for line in section("Profiles: `profiles`").splitlines()]
    cells = [[cell.strip("`") for cell in row] for row in table if len(row) == 4]
    [keys] = [row for row in cells if row[0] == "type"]
    told = {
        row[0]: dict(zip(keys[1:], map(json.loads, row[1:]), strict=True))
        for row in cells
        if row[0] in PRESETS
    }
    for kind, presets in PRESETS.items():
        profile = ProfileForm.model_validate({"type": kind}).policy()
        assert told[kind] == {key: profile[key] for key in keys[1:]}
        assert set(presets) - {"copy_after"} <= set(keys)


def test_every_key_of_the_old_form_has_a_place_in_the_new_one() -> None:
    found = re.findall(r"^\| `(\w+)` \| (.*) \|$", section(OLD_FORM), re.MULTILINE)
    assert sorted(key for key, _ in found) == sorted(MappingForm.names())
    for key, where in found:
        for kind, form in (
            ("credentials", CredentialsForm),
            ("profile", ProfileForm),
            ("mapping", MappingEntry),
        ):
            if kind in where:
                assert section_key(key) in form.names(), key
        renamed = section_key(key) != key
        assert renamed == (f": `{section_key(key)}`" in where), key


def check_keys(written: dict[type[FileModel], set[str]]) -> None:
    for form, keys in written.items():
        known = set(own_keys(form))
        assert known <= keys, f"{form.__name__} lacks {sorted(known - keys)}"
        assert keys <= set(form.names()), f"{form.__name__} does not know {keys - set(form.names())}"


def keys_of(entries: Iterable[dict[str, Any]]) -> set[str]:
    return {key for entry in entries for key in entry}


def test_the_sample_has_every_key() -> None:
    content = read(SAMPLE)
    check_keys(
        {
            SectionedFileModel: set(content),
            CredentialsForm: keys_of(content["credentials"].values()),
            ProfileForm: keys_of(content["profiles"].values()),
            MappingEntry: keys_of(content["mappings"]),
            Migration: keys_of(content["migrations"]),
            MigratorForm: set(content["migrator_settings"]),
            SyslogForm: set(content["syslog"]),
        }
    )


def test_the_old_sample_has_every_key() -> None:
    content = read(OLD_SAMPLE)
    check_keys(
        {
            FlatFileModel: set(content),
            MappingForm: keys_of(content["containers"]),
            Migration: keys_of(content["migrations"]),
            MigratorForm: set(content["migrator_settings"]),
            SyslogForm: set(content["syslog"]),
        }
    )


@pytest.mark.parametrize(
    ("path", "entries", "expected"),
    [
        (
            SAMPLE,
            "mappings",
            {
                # not on this machine
                "credentials.google.secret",
                "credentials.nas.path",
                "mappings[0].remote_delete_after",
            },
        ),
        # a mapping that moves without merging, and whose copies expire
        (OLD_SAMPLE, "containers", {"containers[2]", "containers[2].remote_delete_after"}),
    ],
)
def test_samples_load_with_only_the_expected_warnings(
    path: Path, entries: str, expected: set[str], tmp_path: Path
) -> None:
    copy = tmp_path / "sync.json"
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)
    loaded = load(copy)
    assert loaded.problems == ()
    places = {warning.place for warning in loaded.warnings}
    elsewhere = {"devices", "status_dir", "log_file", "internal_client_path"}  # not on this machine
    assert places - elsewhere == expected
    assert loaded.settings
    content = read(path)
    assert len(loaded.settings.mappings) == len(content[entries])
    assert len(loaded.settings.migrations) == len(content["migrations"])
    assert loaded.settings.migrator


def test_json_in_reference_and_readme_loads_without_problems(tmp_path: Path) -> None:
    """The first configurations of reference and README; secrets in files are not on this machine."""
    smallest, old, condition = re.findall(r"```json\n(.*?)```", REFERENCE, re.DOTALL)
    [first] = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    path, secret = tmp_path / "sync.json", tmp_path / "secret"
    secret.write_text("the secret key\n")
    smallest = smallest.replace("/etc/swift-s3-sync/aws.secret", str(secret))
    content = json.loads(smallest)
    content["profiles"]["mirror"]["conditions"] = json.loads(condition)
    for text in (smallest, old, first, json.dumps(content)):
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


def prose(page: Path) -> str:
    """Without blocks of code, whose comments look like titles."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(titles: list[str]) -> list[str]:
    """As GitHub makes them."""
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_each_page_have_an_existing_target(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", prose(page)):
        there = page.parent / target if target else page
        assert there.exists(), target
        known = anchors(re.findall(r"^#+ (.*)$", prose(there), re.MULTILINE)) if anchor else []
        assert not anchor or anchor in known, f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_table_of_contents_lists_every_section(page: Path) -> None:
    told = re.findall(r"^- \[[^\]]*\]\(#([^)]*)\)$", prose(page), re.MULTILINE)
    assert told in ([], anchors(re.findall(r"^## (.*)$", prose(page), re.MULTILINE)))


@cache
def methods() -> set[tuple[str, str]]:
    """Class and method, of the package and its tests."""
    modules = (*(ROOT / "s3_sync").rglob("*.py"), *(ROOT / "test").rglob("*.py"))
    nodes = (node for path in modules for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    return {
        (kind.name, each.name) for kind in classes for each in kind.body if isinstance(each, ast.FunctionDef)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_named_on_the_pages_exist(page: Path) -> None:
    """``sync/app.py`` is below the package; anything else, such as ``servers/pair.py``, below the tests."""
    for path in re.findall(r"`([\w/]+/\w+\.py)`", page.read_text(encoding="utf-8")):
        assert any((above / path).is_file() for above in (ROOT / "s3_sync", ROOT / "test", ROOT)), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_methods_named_on_the_pages_exist(page: Path) -> None:
    for kind, method in re.findall(r"`([A-Z]\w+)\.(\w+)`", page.read_text(encoding="utf-8")):
        assert (kind, method) in methods(), f"{kind}.{method}"


def test_log_lines_quoted_in_the_runbook_are_in_the_code() -> None:
    """All that is in quotes there, labels aside; ``...`` stands for what a line names.

    A piece is within a text of the code, or is the beginning of a template and another text: "Failed to %s".
    """
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "s3_sync").rglob("*.py")]
    nodes = (node for source in sources for node in ast.walk(ast.parse(source)))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    quoted = set(re.findall(r'"([^"`{}|/]+)"', prose(OPERATIONS_PAGE))) - {"Mapping"}
    pieces = [piece.strip() for line in quoted for piece in line.split("...") if piece.strip()]
    assert len(pieces) > 8
    heads = {text.split("%")[0] for text in texts if "%" in text.lstrip("%")}
    for piece in pieces:
        made = any(len(head) > 8 and piece.startswith(head) and piece[len(head) :] in texts for head in heads)
        assert made or any(piece in text for text in texts), piece


def test_glossary_explains_each_term_once() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| (?!term|-)(.+?) \| .+ \| `[\w/]+\.py` \|$", page, re.MULTILINE)
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| term")]
    assert len(found) == len(rows)  # each has its module
    terms = [term for cell in found for term in cell.split(", ")]
    assert len(terms) == len(set(terms)) > 60


def commands(program: str) -> list[list[str]]:
    """How the documents call a program, where no placeholder or choice is in between."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    found = re.findall(rf"(?:^ *|`){program} ([^`#\[\n]+)", text, re.MULTILINE)
    return [shlex.split(arguments) for arguments in found if "..." not in arguments]


def test_commands_in_the_documents_are_accepted_by_the_parsers() -> None:
    calls = [arguments for arguments in commands("swift-s3-ctl") if len(arguments) > 1]
    assert len(calls) > 8
    for arguments in calls:
        main._parser().parse_args(arguments)
    calls = [arguments for arguments in commands("swift-s3-sync") if "--config" in arguments]
    assert len(calls) > 4
    for arguments in calls:
        parse("swift-s3-sync", arguments)
    calls = [arguments for arguments in commands("swift-s3-verify") if len(arguments) > 1]
    assert len(calls) > 3
    for arguments in calls:
        verify.parse([*arguments, *(["--password", "x"] if "--protocol" in arguments else [])])


OPERATIONS = OPERATIONS_PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("names", "metrics", "of"), DAEMONS, ids=("sync", "migrator"))
def test_every_metric_is_explained(names: MetricNames, metrics: Sequence[MetricSpec], of: str) -> None:
    table = re.findall(rf"^\| `({names.prefix}\w+)` \|([^|]*)\| (.+) \|$", OPERATIONS, re.MULTILINE)
    assert [name for name, _, _ in table] == [metric.full_name(names.prefix) for metric in metrics]
    for metric, (_, labels, _) in zip(metrics, table, strict=True):
        assert labels.replace(of, ", ".join(names.mapping)).strip() == ", ".join(metric.labels)
