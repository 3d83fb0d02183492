"""What README tells a newcomer to type."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
DEMO_SAYS = [
    "1. Copy",
    "21 objects of AUTH_test/gallery",
    "2. Change and delete",
    "18 objects of AUTH_test/gallery",
    "5. Mirror to another Swift",
    "In another Swift: container album-mirror",
    "There, after the next run: container album-mirror",
]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    ended = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_bin_demo_succeeds_and_leaves_no_files(tmp_path: Path) -> None:
    """The script itself compares both sides, and fails if they differ."""
    shown = run("bin/demo", cwd=TOP, TMPDIR=str(tmp_path), HOME="", COLUMNS="200")
    assert [line for line in DEMO_SAYS if line not in shown] == []
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment's Python that finds the libraries of this one, but is to get the project anew."""
    home = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=tmp_path)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin" / "python"


@pytest.mark.parametrize("way", ["pip install .", "pip install -e .", "sdist"])
def test_install_provides_the_command_and_the_package(way: str, environment: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(TOP, source, ignore=shutil.ignore_patterns(".*", "build", "dist", "logs", "*.egg-info"))
    what: list[str | Path] = ["-e", source] if "-e" in way else [source]
    if way == "sdist":
        run(environment, "setup.py", "-q", "sdist", cwd=source)
        what = [*source.glob("dist/*.tar.gz")]
    install = ["install", "-q", "--no-deps", "--disable-pip-version-check"]
    run(environment, "-m", "pip", *install, *what, cwd=tmp_path)
    shown = run(environment.parent / "swift-s3-sync", "--version", cwd=tmp_path)
    assert shown.startswith("swift-s3-sync ")
    where = run(environment, "-c", "import s3_sync; print(s3_sync.__file__)", cwd=tmp_path, PYTHONPATH="")
    assert Path(where.strip()).is_relative_to(source if "-e" in way else tmp_path / "venv")
