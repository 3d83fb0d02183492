"""Alert rules and dashboard: they agree, and name only metrics that are exported."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3_sync.migrate import monitoring as migrate_monitoring
from s3_sync.sync.monitoring import metrics as sync_metrics

DAEMONS = (sync_metrics, migrate_monitoring)
ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "containers" / "monitoring"
ALERTS = MONITORING / "alerts.yml"
TESTS = MONITORING / "alerts.test.yml"
DASHBOARDS = [MONITORING / name for name in ("dashboard.json", "dashboard-migrator.json")]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
#: of the client library, and of Prometheus itself
OTHERS = {
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
    "up",
}


def exported() -> set[str]:
    names = set(OTHERS)
    for daemon in DAEMONS:
        for metric in daemon.METRICS:
            parts = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
            names |= {metric.full_name(daemon.NAMES.prefix) + part for part in parts}
    return names


def named(expression: str) -> set[str]:
    """The metrics that an expression names; label values and names left out."""
    bare = re.sub(r"\{[^}]*\}|\((?:le|[a-z, ]+)\) \(|\[[^\]]*\]", " ", expression)
    words = set(re.findall(r"[a-z][a-z0-9_]*", bare))
    prefixes = ("process_", *(daemon.NAMES.prefix for daemon in DAEMONS))
    return {word for word in words if word.startswith(prefixes)} | (words & {"up"})


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "bin" / "promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


class TestAlerts:
    def test_rules_are_valid_and_fire_as_their_tests_expect(self) -> None:
        checked = promtool("check", "rules", str(ALERTS))
        assert checked.returncode == 0, checked.stdout + checked.stderr
        tested = promtool("test", "rules", str(TESTS))
        assert tested.returncode == 0, tested.stdout + tested.stderr

    def test_a_rule_that_never_fires_fails_its_test(self, tmp_path: Path) -> None:
        text = ALERTS.read_text()
        assert "store_silent_seconds > 60" in text
        (tmp_path / "alerts.yml").write_text(text.replace("silent_seconds > 60", "silent_seconds > 600"))
        tests = yaml.safe_load(TESTS.read_text())
        tests["tests"] = [each for each in tests["tests"] if "SwiftS3SyncStoreSilent" in each["name"]]
        (tmp_path / TESTS.name).write_text(json.dumps(tests))
        assert promtool("test", "rules", str(tmp_path / TESTS.name)).returncode == 1

    def test_every_alert_has_a_test(self) -> None:
        tests = [test["name"].partition(",")[0] for test in yaml.safe_load(TESTS.read_text())["tests"]]
        assert set(alerts()) == set(tests) - {"nothing"}

    @pytest.mark.parametrize("name", alerts())
    def test_every_alert_has_a_section_of_the_runbook(self, name: str) -> None:
        rule = alerts()[name]
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        found = PAGE.split(f"\n### {name}\n")
        assert len(found) == 2, "no section, or two"
        text = found[1].split("\n#")[0]
        assert len(text) > 150, "what it means, and what to do"

    def test_runbook_has_no_section_of_a_removed_alert(self) -> None:
        assert set(re.findall(r"^### (SwiftS3(?:Sync|Migrator)\w+)$", PAGE, re.MULTILINE)) == set(alerts())

    def test_every_metric_in_the_rules_is_exported(self) -> None:
        for name, rule in alerts().items():
            assert named(rule["expr"]), name
            assert named(rule["expr"]) <= exported(), name


@pytest.mark.parametrize(
    "board", [json.loads(path.read_text()) for path in DASHBOARDS], ids=[path.stem for path in DASHBOARDS]
)
class TestDashboard:
    def expressions(self, board: dict[str, Any]) -> list[str]:
        panels = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
        variables = [each["definition"] for each in board["templating"]["list"] if "definition" in each]
        return panels + variables

    def test_every_metric_of_the_expressions_is_exported(self, board: dict[str, Any]) -> None:
        for expression in self.expressions(board):
            assert named(expression), expression
            assert named(expression) <= exported(), expression

    def test_every_expression_is_valid_promql(self, board: dict[str, Any], tmp_path: Path) -> None:
        """Checked by Prometheus's own parser."""
        rules = [
            {"record": f"x{number}", "expr": re.sub(r"\$__rate_interval", "5m", each)}
            for number, each in enumerate(self.expressions(board))
            if not each.startswith("label_values(")
        ]
        path = tmp_path / "rules.yml"
        path.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
        checked = promtool("check", "rules", str(path))
        assert checked.returncode == 0, checked.stdout + checked.stderr

    def test_every_variable_of_the_panels_is_defined(self, board: dict[str, Any]) -> None:
        known = {each["name"] for each in board["templating"]["list"]} | {"__rate_interval"}
        assert set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"]))) <= known

    def test_panels_do_not_overlap(self, board: dict[str, Any]) -> None:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert not cells & taken, panel["title"]
            assert max(x for x, _ in cells) < 24
            taken |= cells
