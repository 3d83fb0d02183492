"""``kms_key``, ``acl`` and ``tags``: what is refused, and where."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from s3_sync.config.credentials.kinds import KINDS, Kind
from s3_sync.config.load import load
from toy_provider.credentials import ToyCredentials
from unit.config.written import MAPPING, problems_of


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"kms_key": "my key"}, "kms_key: must consist of ASCII characters without spaces"),
        ({"kms_key": "schlüssel"}, "kms_key: must consist of ASCII characters without spaces"),
        ({"acl": "owner"}, "acl: must be one of"),
        ({"tags": ["a"]}, "tags: must be an object"),
        ({"tags": {"a": 1}}, "tags.a: must be text"),
        ({"tags": {str(n): "" for n in range(11)}}, "tags: must be at most 10 tags"),
        ({"tags": {"": "x"}}, 'tags: "": the key 1 to 128 characters'),
        ({"tags": {"k" * 129: "x"}}, "the key 1 to 128 characters, the value at most 256"),
        ({"tags": {"k": "x" * 257}}, "the key 1 to 128 characters, the value at most 256"),
        ({"tags": {"k": "\U00010300" * 129}}, "the key 1 to 128 characters, the value at most 256"),
        ({"tags": {"aws:x": "x"}}, 'keys that begin with "aws:" are reserved'),
        ({"tags": {"k": "a&b"}}, "only letters, digits, spaces and"),
        ({"tags": {"k": "a\nb"}}, "only letters, digits, spaces and"),
    ],
)
def test_what_no_store_accepts_is_a_problem_at_its_place(
    write: Any, written: dict[str, Any], message: str
) -> None:
    [problem] = problems_of(load(write(MAPPING | written)))
    assert problem.startswith(f"containers[0].{next(iter(written))}")
    assert message in problem


def test_limits_of_tags_themselves_are_accepted(write: Any) -> None:
    tags = {f"{n}" + "ß" * 127: "x y_.:/=+-@" + "é" * 245 for n in range(10)}
    loaded = load(write(MAPPING | {"tags": tags}))
    assert problems_of(loaded) == []
    assert loaded.settings
    assert dict(loaded.settings.mappings[0].profile.tags) == tags


@pytest.mark.parametrize("option", [{"kms_key": "k"}, {"acl": "private"}, {"tags": {"a": "b"}}])
def test_stores_of_a_kind_without_them_refuse_the_mapping(write: Any, option: dict[str, Any]) -> None:
    toy = {"protocol": "toy", "owner": "me", "account": "a", "container": "c", "aws_bucket": "b"}
    with patch.dict(KINDS, toy=Kind(ToyCredentials, "toy_provider.provider:ToyProvider")):
        [problem] = problems_of(load(write(toy | option)))
    assert problem == f"containers[0].{next(iter(option))}: is not supported by toy stores"
