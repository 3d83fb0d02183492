"""The command line of daemons."""

from __future__ import annotations

import pytest

from s3_sync import __version__
from s3_sync.daemon.arguments import Arguments, parse


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--config", "/a"], Arguments("/a")),
        (["--conf", "/a"], Arguments("/a")),
        (["--config=/a", "--once", "--console"], Arguments("/a", once=True, console=True)),
        (["--conf", "/a", "--o", "--cons", "--log", "debug"], Arguments("/a", True, "debug", True)),
        (["--config", "/a", "--log-level", "warning"], Arguments("/a", log_level="warning")),
        (["--config", "/a", "--check"], Arguments("/a", check_config=True)),
        (["--config", "/a", "--convert"], Arguments("/a", convert_config="-")),
        (["--config", "/a", "--conv", "/b", "--force"], Arguments("/a", convert_config="/b", force=True)),
    ],
)
def test_parse_accepts_options_and_their_abbreviations(argv: list[str], expected: Arguments) -> None:
    assert parse("swift-s3-sync", argv) == expected


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: --config"),
        (["--config"], "expected one argument"),
        (["--config", "/a", "--log-level", "loud"], "invalid choice: 'loud'"),
        (["--con", "/a"], "ambiguous option: --con"),
        (["--config", "/a", "rest"], "unrecognized arguments: rest"),
    ],
)
def test_parse_of_a_wrong_command_line_exits_with_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse("swift-s3-sync", argv)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_version_and_help_are_printed_with_exit_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse("swift-s3-sync", ["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"swift-s3-sync {__version__}\n"
    with pytest.raises(SystemExit) as ended:
        parse("swift-s3-sync", ["--help"])
    assert ended.value.code == 0
    assert "--check-config" in capsys.readouterr().out
