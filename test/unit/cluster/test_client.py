from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.cluster.client import has_encryption, internal_client
from s3_sync.errors import LocalError

CONF = """
[DEFAULT]
log_level = 1%
[pipeline:main]
pipeline = catch_errors {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:encryption]
use = egg:swift#encryption
[filter:by-another-name]
use = egg:swift#encryption
[filter:by-factory]
paste.filter_factory = swift.common.middleware.crypto:filter_factory
[filter:symlink]
use = egg:swift#symlink
[filter:gate]
use = egg:swift#gatekeeper
"""


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("", False),
        ("symlink", False),
        ("undefined", False),
        ("keymaster encryption", True),
        ("by-another-name", True),
        ("symlink by-factory", True),
    ],
)
def test_has_encryption(tmp_path: Path, filters: str, expected: bool) -> None:
    path = tmp_path / "internal-client.conf"
    path.write_text(CONF.format(filters=filters))
    assert has_encryption(str(path)) is expected


def test_a_directory_of_files_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "20.conf").write_text(CONF.format(filters="encryption"))
    assert has_encryption(str(tmp_path))


def test_no_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "internal-client.conf"
    path.write_text("[app:main]\nuse = egg:swift#proxy\n")
    assert not has_encryption(str(path))


def test_a_pipeline_that_cannot_be_loaded_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "internal-client.conf"
    path.write_text(CONF.format(filters="undefined"))
    with pytest.raises(LocalError, match="cannot load the internal client from"):
        internal_client(str(path), "test")


def test_a_gatekeeper_is_refused(tmp_path: Path) -> None:
    """It takes the timestamps out of requests: our deletes would hit what came later."""
    path = tmp_path / "internal-client.conf"
    path.write_text(CONF.format(filters="gate"))
    with pytest.raises(LocalError, match="must not have a gatekeeper"):
        internal_client(str(path), "test")
