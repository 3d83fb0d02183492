"""Rules of the bucket that make objects expire, where the store has such rules."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.conftest import BUCKET
from conformance.known_quirks import quirks_of
from conformance.targets import STORES, Target
from s3_sync.errors import NotSupported
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Bucket, Provider

EXPIRING = [store for store in STORES if quirks_of(store).expires]


def test_set_expiry_rule_returns_whether_it_changed_the_bucket(bucket: Bucket, target: Target) -> None:
    if not target.quirks.expires:
        with pytest.raises(NotSupported):
            bucket.set_expiry_rule(30)
        return
    assert not bucket.set_expiry_rule(0), "there is nothing to switch off"
    assert bucket.set_expiry_rule(30)
    assert not bucket.set_expiry_rule(30)
    assert bucket.set_expiry_rule(31)
    assert bucket.set_expiry_rule(0)
    assert not bucket.set_expiry_rule(0)


@pytest.mark.parametrize("target", EXPIRING, indirect=True)
def test_rule_of_a_mapping_without_a_prefix_is_found_again(keys: Bucket) -> None:
    """It is for all objects; some stores refuse an empty prefix, and others give one back."""
    assert keys.set_expiry_rule(30)
    assert not keys.set_expiry_rule(30)
    assert keys.set_expiry_rule(0)
    assert not keys.set_expiry_rule(0)


@pytest.mark.parametrize("target", ["moto", "moto-sdk"], indirect=True)
def test_set_expiry_rule_keeps_foreign_rules(moto: Any, provider: Provider) -> None:
    s3 = moto.client()
    s3.create_bucket(Bucket="with-rules")
    theirs = {
        "ID": "theirs",
        "Filter": {"And": {"Prefix": "x/", "Tags": [{"Key": "k", "Value": "v"}]}},
        "Status": "Enabled",
        "Expiration": {"Days": 9},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    s3.put_bucket_lifecycle_configuration(Bucket="with-rules", LifecycleConfiguration={"Rules": [theirs]})
    namers = [KeyNamer.hashed("AUTH_ü", "a & b"), KeyNamer.literal("p/")]
    for namer in namers:
        assert provider.bucket("with-rules", namer).set_expiry_rule(30)
    rules = s3.get_bucket_lifecycle_configuration(Bucket="with-rules")["Rules"]
    assert rules[0] == theirs
    expected = [(prefix, 30) for namer in namers for prefix in namer.key_spaces]
    assert [(rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) for rule in rules[1:]] == expected
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    provider.bucket("with-rules", namers[1]).set_expiry_rule(0)
    rules = s3.get_bucket_lifecycle_configuration(Bucket="with-rules")["Rules"]
    assert [rule["Status"] for rule in rules] == ["Enabled", "Enabled", "Enabled", "Disabled"]
    s3.delete_bucket_lifecycle(Bucket="with-rules")


@pytest.mark.parametrize("target", EXPIRING, indirect=True)
def test_set_expiry_rule_of_one_mapping_leaves_another_alone(provider: Provider, namer: KeyNamer) -> None:
    first, second = (provider.bucket(BUCKET, KeyNamer.literal(f"{namer.prefix}{n}/")) for n in "ab")
    assert first.set_expiry_rule(5)
    assert second.set_expiry_rule(6)
    assert not first.set_expiry_rule(5)
    assert second.set_expiry_rule(0)
    assert not first.set_expiry_rule(5)
    assert first.set_expiry_rule(0)
