"""The steps of docs/tour.md are in the code: files, names, and how one step leads to the next."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "s3_sync"
PAGE = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
STEP = re.compile(r"^(\d+)\. (.*(?:\n {3,}.*)*)", re.MULTILINE)
HEAD = re.compile(
    r"`(?P<path>[\w/]+\.py)` `(?P<name>[\w.]+)`"
    r"(?: \((?:from (?P<caller>\d+))?(?:, through `(?P<via>[\w/]+\.py)` `(?P<known>\w+)`,"
    r" made in `(?P<maker>[\w/]+\.py)`)?\))?: [A-Z]"
)


@dataclass(frozen=True)
class Step:
    """``caller``: number of the step that leads here. ``via``, ``known``: module and name of the protocol or
    callable that is all that the caller knows; ``maker``: the module that puts both together."""

    way: str
    number: int
    path: str
    name: str
    caller: int
    via: str | None
    known: str | None
    maker: str | None

    def __str__(self) -> str:
        return f"{self.way}, step {self.number}"


def read_steps(page: str) -> list[Step]:
    steps = []
    for section in page.split("\n## ")[1:]:
        way = section.splitlines()[0]
        for number, text in STEP.findall(section):
            found = HEAD.match(re.sub(r"\s+", " ", text))
            assert found, f"{way}, step {number}: {text}"
            path, name, caller, *callback = found.group("path", "name", "caller", "via", "known", "maker")
            steps.append(Step(way, int(number), path, name, int(caller or int(number) - 1), *callback))
    return steps


STEPS = read_steps(PAGE)
BY_NUMBER = {(step.way, step.number): step for step in STEPS}


@cache
def tree(path: str) -> ast.Module:
    return ast.parse((PACKAGE / path).read_text(encoding="utf-8"))


@cache
def imports(path: str) -> dict[str, set[str]]:
    """Path of a module of ours -> what is imported from it by name; empty: the module itself."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("s3_sync"):
            below = (node.module or "").split(".")[1:]
            for alias in node.names:
                for parts, name in ((below, alias.name), ([*below, alias.name], "")):
                    if (PACKAGE / ("/".join(parts) + ".py")).is_file():
                        found.setdefault("/".join(parts) + ".py", set()).add(name)
    return found


@cache
def defined(path: str) -> set[str]:
    """Classes, functions and constants of a module; methods as ``Class.method``."""
    names = set()
    for node in tree(path).body:
        match node:
            case ast.ClassDef():
                names.add(node.name)
                names |= {
                    f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)
                }
            case ast.FunctionDef():
                names.add(node.name)
            case ast.Assign():
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


@cache
def used(path: str) -> set[str]:
    """Names and attributes that the code of a module mentions, imports and definitions aside."""
    nodes = list(ast.walk(tree(path)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def why_not_connected(caller: Step, step: Step) -> str:
    """Empty where the caller's module leads to the step."""
    first, last = step.name.split(".")[0], step.name.split(".")[-1]
    if step.via is None or step.known is None or step.maker is None:
        if step.path not in imports(caller.path) and step.path != caller.path:
            return f"{caller.path} does not import {step.path}"
        return "" if last in used(caller.path) else f"{caller.path} does not use {last}"
    if step.via == caller.path:
        knows = step.known in defined(caller.path)
    else:
        knows = step.known in imports(caller.path).get(step.via, set())
    if not knows or step.known not in defined(step.via) or step.known not in used(caller.path):
        return f"{caller.path} does not know {step.known} of {step.via}"
    if step.maker != step.via and not {step.via, caller.path} & imports(step.maker).keys():
        return f"{step.maker} knows nothing of {step.via}, nor of {caller.path}"
    if first not in imports(step.maker).get(step.path, set()) or first not in used(step.maker):
        return f"{step.maker} does not make {first}"
    if last != first and last not in used(caller.path) | used(step.via) | used(step.maker):
        return f"nothing there uses {last}"
    return ""


def test_steps_of_each_way_are_numbered_in_order() -> None:
    ways = {step.way for step in STEPS}
    assert len(ways) == 3
    for way in ways:
        numbers = [step.number for step in STEPS if step.way == way]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 15


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_file_of_each_step_defines_the_name_of_the_step(step: Step) -> None:
    assert (PACKAGE / step.path).is_file()
    assert step.name in defined(step.path)


@pytest.mark.parametrize("step", [step for step in STEPS if step.number > 1], ids=str)
def test_each_step_is_reached_from_the_module_of_its_caller(step: Step) -> None:
    assert step.caller < step.number
    assert why_not_connected(BY_NUMBER[step.way, step.caller], step) == ""


def test_callbacks_are_declared_only_where_there_is_no_import() -> None:
    """``through`` is for what the caller cannot see; a plain import needs no excuse."""
    for step in STEPS:
        caller = BY_NUMBER.get((step.way, step.caller))
        if step.via is not None and caller is not None:
            assert step.path not in imports(caller.path), step


@pytest.mark.parametrize(
    ("caller", "name", "expected"),
    [
        ("model/rows.py", "DatabaseCrawl", "model/rows.py does not import sync/passes/database.py"),
        (
            "sync/container_crawl.py",
            "DatabaseCrawl.nonsense",
            "sync/container_crawl.py does not use nonsense",
        ),
    ],
)
def test_wrong_step_is_reported_with_its_reason(caller: str, name: str, expected: str) -> None:
    before = Step("", 1, caller, "", 0, None, None, None)
    step = Step("", 2, "sync/passes/database.py", name, 1, None, None, None)
    assert why_not_connected(before, step) == expected


@pytest.mark.parametrize(
    ("known", "maker", "expected"),
    [
        ("Nonsense", "sync/app.py", "daemon/lane.py does not know Nonsense of daemon/job.py"),
        ("Job", "sync/main.py", "sync/main.py knows nothing of daemon/job.py, nor of daemon/lane.py"),
        ("Job", "daemon/daemon.py", "daemon/daemon.py does not make ContainerCrawl"),
    ],
)
def test_wrong_callback_is_reported_with_its_reason(known: str, maker: str, expected: str) -> None:
    before = Step("", 1, "daemon/lane.py", "", 0, None, None, None)
    step = Step("", 2, "sync/container_crawl.py", "ContainerCrawl.step", 1, "daemon/job.py", known, maker)
    assert why_not_connected(before, step) == expected
