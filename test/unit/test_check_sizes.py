"""bin/check-sizes refuses what CONTRIBUTING.md says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "bin" / "check-sizes"


@pytest.mark.parametrize("place", ["module", "class", "function"])
@pytest.mark.parametrize("start", ["Of a store.", "The same for two.", "Such as this."])
def test_docstring_that_is_the_rest_of_a_sentence_is_refused(tmp_path: Path, place: str, start: str) -> None:
    texts = {
        "module": f'"""{start}"""\n',
        "class": f'class One:\n    """{start}"""\n',
        "function": f'def one():\n    """{start}"""\n',
    }
    assert len(complaints(tmp_path, texts[place])) == 1


def test_docstring_that_stands_alone_is_none_of_them(tmp_path: Path) -> None:
    """A comment or a string that is no docstring may begin as it likes."""
    assert complaints(tmp_path, '"""Often used."""\nX = """Of no function."""\n') == []


@pytest.mark.parametrize(
    "text", ["x = 1\n" * 401, "def one():\n" + "    x = 1\n" * 60], ids=["module", "function"]
)
def test_what_is_too_long_is_refused(tmp_path: Path, text: str) -> None:
    assert len(complaints(tmp_path, text)) == 1


def complaints(folder: Path, text: str) -> list[str]:
    script = runpy.run_path(str(SCRIPT))
    function = script["complaints"]
    function.__globals__["TOP"] = folder
    path = folder / "module.py"
    path.write_text(text)
    found: list[str] = function(path)
    return found
