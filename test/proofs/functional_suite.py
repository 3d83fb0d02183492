"""Runs Swift's functional tests as they stand in a checkout, and reads what became of each."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from servers.process import child_environment

#: below the checkout; the second one asks through the S3 API alone
SUITES = ("test/functional", "test/s3api")
NEEDS = Path(__file__).with_name("functional-requirements.txt")
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
#: what is different each time: transactions, names of containers, addresses
_VARIES = re.compile(r"\b(tx)?[0-9a-f]{21,}[-0-9a-z]*|\b\d{6,}(\.\d+)?\b|127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Outcome:
    state: str
    #: why it failed or was skipped, in a line
    reason: str = ""


Results = Mapping[str, Outcome]


def install(directory: Path) -> None:
    """What the tests need beside our own environment, for them alone."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*pip, "--no-deps", "--target", str(directory), "-r", str(NEEDS)], check=True)


class Suite:
    """``checkout``: of openstack/swift. ``packages``: where ``install`` has put what the tests need."""

    def __init__(self, checkout: Path, packages: Path) -> None:
        self.checkout = checkout
        self._packages = packages

    @property
    def version(self) -> str:
        asked = ["git", "-C", str(self.checkout), "describe", "--tags", "--always"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"

    def run(self, conf: Path, output: Path, tests: Iterable[str] = ()) -> Results:
        """All tests, or some by their ids for pytest. ``output``: a name to which .xml and .log are added."""
        report = output.with_suffix(".new")
        report.unlink(missing_ok=True)
        environment = child_environment(
            {
                "PYTHONPATH": str(self._packages),
                "PYTHONDONTWRITEBYTECODE": "1",  # the checkout stays as it is
                "SWIFT_TEST_CONFIG_FILE": str(conf),
                "SWIFT_TEST_IN_PROCESS": "false",
                "SWIFT_TEST_QUIET_BOTO_LOGS": "1",
            }
        )
        with output.with_suffix(".log").open("wb") as log:
            done = subprocess.run(
                [*self._command(report), *(tests or SUITES)],
                cwd=self.checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode not in (0, 1) or not report.exists():  # 1: some have failed
            raise RuntimeError(f"pytest ended with {done.returncode}, see {log.name}")
        return read(report.replace(output.with_suffix(".xml")))

    @staticmethod
    def _command(report: Path) -> list[str]:
        settings = ["python_files=test_*.py tests.py", "addopts="]
        options = [part for setting in settings for part in ("-o", setting)]
        without = [part for plugin in ("cacheprovider", "xdist") for part in ("-p", f"no:{plugin}")]
        # no test takes a minute; one that waits for ever is to be seen in the report
        return [
            sys.executable,
            "-m",
            "pytest",
            *options,
            *without,
            "-q",
            "--timeout=600",
            f"--junitxml={report}",
        ]


def read(report: Path) -> Results:
    """Outcomes in a report of pytest, by its ids. A failed setup or teardown fails its test."""
    results: dict[str, Outcome] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        module, _, group = (case.get("classname") or "").rpartition(".")
        name = f"{module.replace('.', '/')}.py::{group}::{case.get('name')}"
        if name not in results or results[name].state != FAILED:
            results[name] = _outcome(case)
    return results


def _outcome(case: ElementTree.Element) -> Outcome:
    for kind, state in (("failure", FAILED), ("error", FAILED), ("skipped", SKIPPED)):
        found = case.find(kind)
        if found is not None:
            return Outcome(state, _line(found.get("message") or ""))
    return Outcome(PASSED)


def _line(message: str) -> str:
    text = " ".join(message.split())
    return _VARIES.sub("*", text)[:300]
