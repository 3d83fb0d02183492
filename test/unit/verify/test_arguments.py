"""The command line of earlier versions: its options, its lines and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.config.credentials.kinds import KINDS
from s3_sync.verify.arguments import PASSWORD, parse
from s3_sync.verify.main import main

STORE = ["--protocol", "s3", "--endpoint", "http://127.0.0.1:9", "--username", "id", "--password", "sesame"]
SWIFT = ["--protocol", "swift", *STORE[2:]]


def lines(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is told about invalid arguments, with exit code 1."""
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


@pytest.mark.parametrize("missing", ["--protocol", "--endpoint", "--username", "--password"])
def test_missing_argument_ends_with_code_2(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    at = STORE.index(missing)
    with pytest.raises(SystemExit) as end:
        main(STORE[:at] + STORE[at + 2 :])
    assert end.value.code == 2
    assert f"the following arguments are required: {missing}" in capsys.readouterr().err


def test_azure_takes_any_way_to_log_in(capsys: pytest.CaptureFixture[str]) -> None:
    sas = ["--protocol", "azure", "--username", "labarchive", "--option"]
    assert parse([*sas, "sas_token=sv=1&sig=x"]).password is None
    [line] = lines([*sas, "sas_token=sv=1"], capsys)
    assert line.startswith("Invalid argument: --option sas_token ")
    [line] = lines(["--protocol", "azure"], capsys)
    assert line.startswith("Invalid argument: --password give exactly one of")
    [line] = lines([*sas, "azure_login=nothing"], capsys)
    assert line.startswith("Invalid argument: --option azure_login must be one of")


def test_share_needs_no_login(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--protocol", "file", "--option", f"path={tmp_path}"]).option == [f"path={tmp_path}"]
    [line] = lines(["--protocol", "file"], capsys)
    assert line == "Invalid argument: --option path is required: the directory where the share is mounted"
    [line] = lines(["--protocol", "file", "--option", f"path={tmp_path}", "--bucket", "b"], capsys)
    assert "is not mounted, or was not set up" in line
    assert list(tmp_path.iterdir()) == []


def test_password_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "sesame")
    assert parse(STORE[:-2]).password is None


def test_protocols_are_the_kinds_of_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in KINDS:
        assert parse(["--protocol", kind, *STORE[2:]]).protocol == kind
    with pytest.raises(SystemExit) as end:
        parse(["--protocol", "gopher", *STORE[2:]])
    assert end.value.code == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "x", "--protocol", "s3"],
        ["--config", "x", "--option", "a=b"],
        ["--config", "x", "--all", "--mapping", "1"],
        ["--all"],
        [*STORE, "--mapping", "1"],
        ["--config", "x", "--mapping", "one"],
        [],
    ],
)
def test_arguments_that_exclude_each_other_end_with_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            [*STORE, "--account", "AUTH_a"],
            "Invalid argument: account is only valid with swift protocol",
        ),
        ([*STORE, "--bucket", "a/b"], "Invalid argument: slash is not allowed in container name"),
        ([*STORE, "--bucket", "/*"], "Invalid argument: slash is not allowed in container name"),
        ([*SWIFT, "--bucket", "a/b"], "Invalid argument: slash is not allowed in container name"),
        ([*STORE, "--auth-type", "keystone_v3"], "Keystone auth requires swift protocol."),
    ],
)
def test_invalid_arguments_have_the_lines_of_earlier_versions(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lines(arguments, capsys) == [expected]


def test_missing_options_of_keystone_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    found = lines([*SWIFT, "--auth-type", "keystone_v3", "--bucket", "b"], capsys)
    required = [line for line in found if line.startswith("argument ")]
    assert required == [
        f"argument --{name} is required when --auth-type=keystone_v3"
        for name in ("project-name", "project-domain-name", "user-domain-name")
    ]
    found = lines([*SWIFT, "--auth-type", "keystone_v2", "--bucket", "b"], capsys)
    assert "argument --tenant-name is required when --auth-type=keystone_v2" in found


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--endpoint", "s3.example.org", "--endpoint must be a URL such as https://host:port"),
        ("--endpoint", "http://", "--endpoint must be a URL such as https://host:port"),
        ("--endpoint", "http://[", "--endpoint must be a URL such as https://host:port"),
        ("--endpoint", "http://h:port", "--endpoint must be a URL such as https://host:port"),
        ("--endpoint", "ftp://h", "--endpoint must be a URL such as https://host:port"),
        ("--username", "", "--username must not be empty"),
        ("--bucket", "gr\u00fcn", "--bucket"),
        ("--bucket", "a\nb", "--bucket must not contain control characters"),
        ("--prefix", "a\nb", "--prefix must not contain control characters"),
        ("--prefix", "p" * 2000, "--prefix leaves no room for object names"),
        ("--bucket", "\udcff", "--bucket is not UTF-8"),
        ("--option", "store", "--option store has no value: write KEY=VALUE"),
        ("--option", "store=nobody", "--option store must be one of"),
        ("--option", "colour=red", "--option colour is not a known key"),
        ("--option", "verify_tls=maybe", "--option verify_tls must be true or false"),
    ],
)
def test_odd_values_have_one_clear_line(
    option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*STORE, "--bucket", "b"]
    if option in arguments:
        arguments[arguments.index(option) + 1] = value
    else:
        arguments += [option, value]
    [line] = lines(arguments, capsys)
    assert line.startswith(f"Invalid argument: {told}")
    assert "sesame" not in line


def test_kind_without_a_provider_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(KINDS, "s3", type(KINDS["s3"])(KINDS["s3"].credentials))
    assert lines([*STORE, "--bucket", "b"], capsys) == ["provider: 's3' is not supported"]
