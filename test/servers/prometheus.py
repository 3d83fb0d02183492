"""A real Prometheus that reads a daemon's port, with the alert rules; and what the dashboard asks of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from servers.process import UNMEASURED, Child, ReservedPort

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "containers" / "monitoring"
ALERTS = MONITORING / "alerts.yml"
JOB = "swift-s3-sync"
EVERY = "500ms"


class Prometheus:
    """Reads `port` of this machine under the job's name, from `start` on. Its files are below `directory`."""

    def __init__(self, directory: Path, port: int) -> None:
        directory.mkdir()
        self.directory = directory
        self._place = ReservedPort()
        self._url = f"http://{self._place.ip}:{self._place.port}/api/v1/"
        targets = [{"targets": [f"{self._place.ip}:{port}"]}]
        config = directory / "prometheus.json"  # JSON is YAML
        config.write_text(
            json.dumps(
                {
                    "global": {
                        "scrape_interval": EVERY,
                        "scrape_timeout": EVERY,
                        "evaluation_interval": EVERY,
                    },
                    "rule_files": [str(ALERTS)],
                    "scrape_configs": [{"job_name": JOB, "static_configs": targets}],
                }
            )
        )
        command = [
            str(ROOT / "bin" / "prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={self._place.ip}:{self._place.port}",
        ]
        self._child = Child("prometheus", command, directory / "prometheus.log", environment=UNMEASURED)

    def start(self) -> None:
        """Returns at once."""
        self._child.start()

    def wait_ready(self) -> None:
        self._child.wait_ready(self._answers, 60)

    def stop(self) -> None:
        self._child.stop()
        self._place.release()

    def ask(self, what: str, **arguments: str) -> Any:
        """`data` of an answer of its API."""
        with urlopen(f"{self._url}{what}?{urlencode(arguments)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def series(self, expression: str) -> int:
        """How many series an expression has given at some time since the start."""
        found = self.ask("query", query=f"count(last_over_time(({expression})[10m:1s]))")["result"]
        return int(found[0]["value"][1]) if found else 0

    def _answers(self) -> bool:
        try:
            self.ask("query", query="1")
        except (URLError, OSError):
            return False
        return True


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    """The title of each panel, or the name of each variable, and what it asks of Prometheus when everything
    is chosen. A variable asks for the values of a label."""
    board = json.loads((MONITORING / "dashboard.json").read_text())
    variables = {each["name"]: each for each in board["templating"]["list"]}
    chosen = {name: each.get("allValue") or each.get("query") for name, each in variables.items()}

    def with_values(expression: str) -> str:
        expression = expression.replace("$__rate_interval", "1m")
        return re.sub(r"\$(\w+)", lambda found: str(chosen[found[1]]), expression)

    for name, variable in variables.items():
        if match := re.fullmatch(r"label_values\((.*), \w+\)", variable.get("definition", "")):
            yield f"variable {name}", with_values(match[1])
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], _told(with_values(target["expr"]))


def _told(expression: str) -> str:
    """With comparisons that say 0 or 1 instead of leaving out what is not so: it gives a series exactly if
    both sides have some, with the same labels."""
    return re.sub(r" (<|>|==) ", r" \1 bool ", expression)


def alert_expressions() -> Iterator[tuple[str, str]]:
    """Each alert of the job: its name, and what it is about, whether or not it is so."""
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"] if group["name"].startswith(JOB) else ():
            yield rule["alert"], _told(rule["expr"]).replace(" unless ", " and ")
