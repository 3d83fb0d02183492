"""Several bodies as one: every byte once, one of them open at a time."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.streams.chained import ChainedBody
from s3_sync.streams.reader import Body, BytesBody


class Chain:
    """Keeps how many bodies are open, and how many were at most."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.open = self.most = self.opened = 0
        openers = [partial(self._open, piece) for piece in pieces]
        self.body = ChainedBody(openers, sum(map(len, pieces)))

    def _open(self, piece: bytes) -> Body:
        chain = self

        class Counted(BytesBody):
            def close(self) -> None:
                chain.open -= 1
                super().close()

        self.open += 1
        self.opened += 1
        self.most = max(self.most, self.open)
        return Counted(piece)


@given(st.lists(st.binary(max_size=9), max_size=8), st.integers(1, 12), st.integers(0, 30))
@settings(deadline=None)
def test_chained_body_after_rewind_gives_every_byte_with_one_body_open(
    pieces: list[bytes], step: int, before: int
) -> None:
    chain = Chain(pieces)
    whole = b"".join(pieces)
    assert chain.body.length == len(whole)
    assert chain.opened == 0
    chain.body.read(before)
    chain.body.rewind()
    assert b"".join(iter(lambda: chain.body.read(step), b"")) == whole
    assert chain.body.read(step) == b""
    chain.body.rewind()
    assert chain.body.read() == whole
    assert chain.body.read(0) == b""
    chain.body.close()
    assert (chain.open, chain.most) == (0, min(1, len(pieces)))
