"""The order of states that defines the newest one; collecting the answers is tested on a real cluster."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3_sync.cluster.newest import Deleted, LocalState, Present, Unknown, _age
from s3_sync.cluster.rings import Node
from s3_sync.model.timestamps import Timestamp

NODE = Node("127.0.0.1", 6200, "d")
TIMES = st.builds(Timestamp, st.integers(1, 4), st.integers(0, 2))


def present(data: Timestamp, last: Timestamp) -> Present:
    return Present(max(data, last), data, 0, {}, False, NODE)


STATES = st.one_of(st.builds(present, TIMES, TIMES), st.builds(Deleted, TIMES), st.just(Unknown()))


@given(st.lists(STATES, min_size=1))
def test_newest_of_any_states_is_the_latest_write_or_delete(states: list[LocalState]) -> None:
    newest = max(states, key=_age)
    written = [state.data_timestamp for state in states if isinstance(state, Present)]
    deleted = [state.timestamp for state in states if isinstance(state, Deleted)]
    if isinstance(newest, Present):
        assert newest.data_timestamp == max(written)
        assert all(newest.data_timestamp >= each for each in deleted)
        same = [s for s in states if isinstance(s, Present) and s.data_timestamp == newest.data_timestamp]
        assert newest.timestamp == max(state.timestamp for state in same)
    elif isinstance(newest, Deleted):
        assert newest.timestamp == max(deleted)
        assert all(newest.timestamp > each for each in written)  # a tie keeps the object
    else:
        assert not written
        assert not deleted


def test_by_client_is_true_only_for_tombstones_without_an_offset() -> None:
    assert Deleted(Timestamp(5)).by_client
    assert not Deleted(Timestamp(5, 1)).by_client
    assert not Deleted(Timestamp(5, 2)).by_client
