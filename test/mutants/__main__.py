"""`bin/mutants [TEXT ...]`: break one rule after the other in a copy of the tree, and run its test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mutants.mutant import Mutant
from mutants.rules import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600.0
FAILED = 1  # pytest's exit code when tests have failed, and nothing else was wrong


def main(words: list[str]) -> int:
    """Exit code: 0 if every mutant was noticed."""
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.rule for word in words)]
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        tree = Path(scratch)
        for name in ("s3_sync", "test"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "logs"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        shutil.copy(ROOT / "setup.py", tree)
        for mutant in chosen:
            started = time.monotonic()
            noticed = is_noticed(tree, mutant)
            if not noticed:
                survivors.append(mutant)
            word = "noticed" if noticed else "NOT NOTICED"
            print(f"{word:12}{time.monotonic() - started:6.1f} s  {mutant.rule}", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} were noticed")
    return 1 if survivors or not chosen else 0


def is_noticed(tree: Path, mutant: Mutant) -> bool:
    """Whether a test fails; anything else that goes wrong is an error of the list."""
    file = tree / "s3_sync" / mutant.file
    whole = file.read_text()
    if whole.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.file} has {mutant.old!r} {whole.count(mutant.old)} times")
    file.write_text(whole.replace(mutant.old, mutant.new))
    try:
        return any(run(tree, test) for test in mutant.test.split())
    finally:
        file.write_text(whole)


def run(tree: Path, test: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", test]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True  # it never ends: that is noticed, too
    if done.returncode not in (0, FAILED):
        raise SystemExit(f"{test} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.returncode == FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
