from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from swift.common import constraints, utils
from swift.common.storage_policy import POLICIES

from s3_sync.cluster.swiftdir import check_version, swift_dir, use_swift_dir
from s3_sync.errors import LocalError

SWIFT_CONF = """
[swift-hash]
swift_hash_path_suffix = {suffix}
[storage-policy:0]
name = {policy}
default = yes
[storage-policy:3]
name = other
[swift-constraints]
max_file_size = {size}
"""


@pytest.fixture
def other_dirs(tmp_path: Path) -> Iterator[list[Path]]:
    """Two directories with a swift.conf each; the one in use before is in use again afterwards."""
    before = utils.SWIFT_CONF_FILE, utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX
    dirs = [tmp_path / "one", tmp_path / "two"]
    for number, path in enumerate(dirs, 1):
        path.mkdir()
        text = SWIFT_CONF.format(suffix=f"suffix{number}", policy=f"policy{number}", size=1000 * number)
        (path / "swift.conf").write_text(text)
    yield dirs
    utils.SWIFT_CONF_FILE, utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = before


@pytest.mark.parametrize("version", ["2.30.0", "2.30.1-0+deb12u1", "2.38.3", "3.0", "2.31.0.dev7"])
def test_check_version_accepts_swift_2_30_and_later(version: str) -> None:
    check_version(version)


@pytest.mark.parametrize("version", ["2.29.2", "1.99", "unknown", ""])
def test_check_version_refuses_older_and_unknown_versions(version: str) -> None:
    with pytest.raises(LocalError, match=r"Swift 2\.30 or later is needed; this is") as caught:
        check_version(version)
    assert "\n" not in str(caught.value)


def test_use_swift_dir_applies_its_hash_policies_and_constraints(other_dirs: list[Path]) -> None:
    for number, path in enumerate(other_dirs, 1):
        use_swift_dir(str(path))
        use_swift_dir(str(path))  # once more changes nothing
        assert swift_dir() == str(path)
        assert f"suffix{number}".encode() == utils.HASH_PATH_SUFFIX
        assert [(int(policy), policy.name) for policy in POLICIES] == [(0, f"policy{number}"), (3, "other")]
        assert 1000 * number == constraints.MAX_FILE_SIZE


@pytest.mark.parametrize("content", [None, "", "[swift-hash]\n", "no section"])
def test_use_swift_dir_without_valid_swift_conf_raises_one_line(
    other_dirs: list[Path], tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "swift.conf").write_text(content)
    with pytest.raises(LocalError, match="no usable swift.conf") as caught:
        use_swift_dir(str(tmp_path))
    assert "\n" not in str(caught.value)
