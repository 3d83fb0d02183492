"""How far a verification has come, over a stop in between."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from s3_sync.errors import StateError
from s3_sync.state.verification_state import Seen, VerificationState


def test_resumed_state_keeps_position_manifests_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = VerificationState(str(path), "of c", resume=False)
    state.add_manifests("c", ["1", "2", "3"])
    state.reach("c", "m", Seen(10, ["1"], Counter({("missing", False): 2})))
    state.close()
    state = VerificationState(str(path), "of c", resume=True)
    assert state.reached("c") == ("m", False)
    state.reach("c", "z", Seen(5, ["3"], Counter({("missing", False): 1, ("missing", True): 4})), done=True)
    assert state.reached("c") == ("z", True)
    assert list(state.manifests("c")) == ["2"]
    assert state.looked_at() == 15
    assert state.counts() == (Counter(missing=3), Counter(missing=4))
    state.close(remove=True)
    assert not path.exists()


def test_state_of_another_verification_is_refused_or_starts_over(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    state = VerificationState(path, "of c", resume=False)
    state.reach("c", "m", Seen(10), done=True)
    state.close()
    with pytest.raises(StateError, match="belongs to another verification: of c"):
        VerificationState(path, "of d", resume=True)
    state = VerificationState(path, "of d", resume=False)
    assert state.reached("c") == ("", False)
    assert not state.has_manifests("c")


def test_file_that_is_no_state_file_raises_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("something else" * 100)
    for resume in (True, False):
        with pytest.raises(StateError, match="is not a state file"):
            VerificationState(str(path), "of c", resume)
    assert path.read_text() == "something else" * 100
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE about (what)")
    other.close()
    with pytest.raises(StateError, match="is not a state file"):
        VerificationState(str(path), "of c", resume=False)
    with pytest.raises(StateError, match="Is a directory"):
        VerificationState(str(tmp_path), "of c", resume=False)


def test_state_in_use_by_another_verification_raises(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    first = VerificationState(path, "of c", resume=False)
    first.reach("c", "m", Seen(10))
    with pytest.raises(StateError, match="in use by another verification"):
        VerificationState(path, "of c", resume=False)
    first.close()
    assert VerificationState(path, "of c", resume=True).looked_at() == 10
