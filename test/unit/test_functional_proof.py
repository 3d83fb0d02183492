"""How `bin/prove functional` compares the outcomes of Swift's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofs.functional import MODES, Difference, Explained, differences, explained, stale
from proofs.functional_suite import Outcome, read

PASSED, FAILED = Outcome("passed"), Outcome("failed", "409 != 200")
LIST = """# a comment
sync, lifecycle-filling?\ttest/a.py::T*::test_x\tby design
"""


def test_read_of_a_test_reported_twice_gives_the_worst_outcome(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        """<testsuites><testsuite>
        <testcase classname="test.functional.tests.TestFile" name="testCopy"/>
        <testcase classname="test.functional.tests.TestFile" name="testCopy">
          <error message="tx0123456789abcdef01234-0065 failed\n on teardown"/></testcase>
        <testcase classname="test.functional.tests.TestFile" name="testCopy"/>
        <testcase classname="test.s3api.test_mpu.TestMpu" name="test_one"><skipped message="no"/></testcase>
        </testsuite></testsuites>"""
    )
    assert read(report) == {
        "test/functional/tests.py::TestFile::testCopy": Outcome("failed", "* failed on teardown"),
        "test/s3api/test_mpu.py::TestMpu::test_one": Outcome("skipped", "no"),
    }


def test_differences_are_those_of_state_and_presence() -> None:
    without = {"a": PASSED, "b": FAILED, "c": PASSED, "d": PASSED}
    outcomes = {"a": FAILED, "b": Outcome("failed", "in another way"), "d": PASSED, "e": PASSED}
    assert differences(without, outcomes) == [
        Difference("a", PASSED, FAILED),
        Difference("c", PASSED, Outcome("absent")),
        Difference("e", Outcome("absent"), PASSED),
    ]


@pytest.mark.parametrize(
    ("mode", "test", "explains"),
    [
        ("sync", "test/a.py::TestA::test_x", True),
        ("lifecycle-filling", "test/a.py::TestB::test_x", True),
        ("lifecycle", "test/a.py::TestA::test_x", False),
        ("sync", "test/a.py::TestA::test_xy", False),
    ],
)
def test_explained_line_applies_only_to_its_modes_and_test(mode: str, test: str, explains: bool) -> None:
    (line,) = explained(LIST)
    assert line.reason == "by design"
    assert line.explains(mode, test) is explains


def test_stale_gives_lines_that_always_differ_and_did_not() -> None:
    known: list[Explained] = explained(LIST)
    found = [Difference("test/a.py::TestA::test_x", PASSED, FAILED)]
    assert stale("sync", known, found) == []
    assert stale("sync", known, []) == known
    assert stale("lifecycle-filling", known, []) == []


def test_modes_have_names_of_their_own() -> None:
    assert len({mode.name for mode in MODES}) == len(MODES) == 6
