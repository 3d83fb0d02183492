"""The section in proxy-server.conf."""

from __future__ import annotations

import pytest

from s3_sync.errors import ConfigError
from s3_sync.shunt.middleware import filter_factory
from s3_sync.shunt.options import Options


def test_read_ignores_keys_of_swift_and_keeps_defaults() -> None:
    assert Options.read({"log_level": "INFO", "use": "egg:x", "__file__": "/x"}) == Options()


def test_read_converts_the_values_of_all_options() -> None:
    options = Options.read(
        {
            "conf_file": "/x",
            "handle_proxyfs": "Yes",
            "remote_timeout": "2.5",
            "restores": "3",
            "verify_reads": "no",
        }
    )
    assert options == Options("/x", True, remote_timeout=2.5, restores=3, verify_reads=False)


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "nan", "inf", "1e9"])
def test_read_of_an_invalid_number_raises_config_error(value: str) -> None:
    with pytest.raises(ConfigError, match="remote_timeout: must be a number above 0"):
        Options.read({"remote_timeout": value})


def test_filter_factory_with_an_invalid_option_raises_one_line() -> None:
    build = filter_factory({}, restores="many", conf_file="/nowhere")
    with pytest.raises(ValueError, match="^filter cloud-shunt: restores: must be .*'many'$"):
        build(lambda environ, start_response: [])
