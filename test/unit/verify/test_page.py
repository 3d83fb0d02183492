"""docs/verify.md holds every option and every check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.providers.checks.suite import PROPERTIES
from s3_sync.verify.arguments import parse

PAGE = Path(__file__).parents[3] / "docs" / "verify.md"


def test_page_has_every_option_and_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    page = PAGE.read_text(encoding="utf-8")
    assert options == set(re.findall(r"^\| `(--[a-z-]+)", page, re.MULTILINE))
    table = page.split("| check | what it finds | properties |\n|---|---|---|\n")[1].split("\n\n")[0]
    checks, properties = [], set[str]()
    for line in table.splitlines():
        names, _, found = line.strip("|").split(" | ")
        checks += [name.strip() for name in names.split(", ")]
        properties |= set(re.findall(r"`(\w+)`", found))
    assert checks == [check.name for check in PROPERTIES]
    assert properties <= S3Credentials().properties.keys()
