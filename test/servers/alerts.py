"""Which alerts fire on what was really read from a daemon's port: Prometheus's own engine says so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from servers.metrics import PREFIX, Scrape

ROOT = Path(__file__).parents[2]
#: how far apart samples are that stand for what goes on, in seconds
STEP = 15
ONWARD = 140
JOB = {"job": "swift-s3-sync", "instance": "node1:9645"}
Fired = Mapping[str, Iterable[Mapping[str, str]]]


def check_alerts(directory: Path, before: Scrape, after: Scrape, minutes: int, expected: Fired) -> None:
    """Assert that exactly these alerts fire, `minutes` after the second of two readings, if things go on as
    they did between them: what grew keeps growing, what stood still stands still.

    `expected`: name -> account, container and store (those of them that it has) of each that fires.
    """
    samples = [
        {"labels": json.dumps({"alertname": name, **labels}), "value": 1}
        for name, each in expected.items()
        for labels in each
    ]
    for sample in samples:  # promtool wants its own notation
        labels = json.loads(str(sample["labels"]))
        sample["labels"] = "{" + ",".join(f"{name}={json.dumps(labels[name])}" for name in labels) + "}"
    test = {
        "interval": f"{STEP}s",
        "input_series": _series(before, after),
        "promql_expr_test": [
            {
                "expr": 'count by (alertname, container, store) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minutes}m",
                "exp_samples": samples,
            }
        ],
    }
    path = directory / "alerts.test.yml"
    rules = str(ROOT / "containers" / "monitoring" / "alerts.yml")
    path.write_text(json.dumps({"rule_files": [rules], "evaluation_interval": f"{STEP}s", "tests": [test]}))
    command = [str(ROOT / "bin" / "promtool"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _series(before: Scrape, after: Scrape) -> list[dict[str, str]]:
    """Time begins with the first reading."""
    up = {"series": _named("up", JOB), "values": f"{int(before.up)} {int(after.up)}x{ONWARD}"}
    series = [up]
    for name, labels in {**before.samples, **after.samples}:
        number, then = before.samples.get((name, labels)), after.samples.get((name, labels))
        counts = name.endswith(("_total", "_count"))
        if then is None:
            values = f"{number:f}"  # and then no more
        else:
            slope: float = 0.0
            growth = then - (number if number is not None else 0.0 if counts else then)
            if counts:
                slope = growth / (after.at - before.at) * STEP
            elif name.startswith(PREFIX) and name.endswith("_seconds"):
                slope = (
                    STEP if growth > (after.at - before.at) / 2 else 0.0
                )  # a clock that runs, or has stopped
            if name.startswith(PREFIX) and name.endswith("_timestamp_seconds"):
                then -= before.at
            values = f"{then:f}+{slope:f}x{ONWARD}"
        series.append({"series": _named(name, {**dict(labels), **JOB}), "values": values})
    return series


def _named(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join(f"{each}={json.dumps(labels[each])}" for each in labels) + "}"
