"""Which tests run with another store, `--store ceph`, and why others do not."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import pytest

#: fixtures that give the other store
FIXTURES = ("s3api", "moto_store", "rclone_store")
CLUSTER = "test/cluster/"
#: what a test needs that Ceph does not have -> how the ids of such tests begin, in test/cluster
LEFT_OUT = {
    "conditions of writes": (
        "test_failures_objects.py::test_objects_changed_during_copies_end_up_equal_on_both_sides[options1]",
        "test_sync_requests.py::TestConditionalStore",
    ),
    "archive classes: its GLACIER is a pool like any other": (
        "test_shunt_elsewhere.py::test_get_of_object_in_archive_storage_class_is_403",
        "test_ctl.py::TestRestore::test_dry_run_then_restore_then_readable",
        "test_shunt_elsewhere.py::test_get_has_an_archived_object_retrieved_and_restored",
        "test_shunt_elsewhere.py::test_requests_are_counted_in_statsd_and_logged_without_secret",
        "test_sync_options.py::test_post_to_copy_in_archive_class_uploads_it_again",
    ),
    "trailing checksums": ("test_sync_remote.py::test_each_checksum_mode_sends_only_its_own_digest",),
    "a limit of 256 characters for values of metadata": (
        "test_sync_remote.py::TestStoreLimits::test_metadata_refused_by_the_store_is_journaled_for_retry",
        "test_sync_observed.py::TestRunSummary::test_scanned_equals_the_sum_of_all_outcomes",
    ),
    "underscores in names of metadata, which become hyphens": (
        "test_shunt_s3_clients.py::test_metadata_names_of_other_writers_are_shown_restored_and_replaced",
        "test_shunt_s3_clients.py::test_metadata_names_with_underscores_look_the_same_when_moved_and_restored",
        "test_sync_metadata.py::test_metadata_of_each_kind_is_copied_and_replaced_by_post",
        "test_sync_metadata.py::test_names_that_differ_in_underscore_and_hyphen_are_both_copied",
        "test_sync_metadata.py::test_names_with_other_equals_signs_are_refused_until_changed",
        "test_sync_metadata.py::test_underscores_of_s3_clients_are_copied_and_sent_once",
    ),
    "names that it refuses": ("test_sync_names.py::test_names_refused_by_the_store_stay_in_the_journal",),
    "any keys and session tokens taken": (
        "test_sync_network.py::test_role_credentials_are_renewed_before_they_expire",
        "test_web_identity.py::",
    ),
    "encryption by a key service": ("test_sync_demanding_bucket.py::",),
    "signatures unchecked: requests are altered on their way": ("test_sync_kms.py::",),
    "lifecycle rules shown as they were given; it has Prefix for Filter, and sorts them": (
        "test_sync_expiry.py::test_lifecycle_rule_follows_the_option_and_keeps_foreign_rules",
    ),
    "no lifecycle rules": (
        "test_sync_expiry.py::test_store_without_lifecycle_rules_gets_copies_and_an_error",
    ),
    "no listing of uploads": ("test_verify_data.py::test_verify_data_with_content_finds_changed_bytes",),
    "the database of a Swift, to write rows into": (
        "test_shunt_listings.py::test_listing_over_many_pages_of_both_sides_is_complete",
    ),
}


def choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what does not depend on the store, what runs with it already, and LEFT_OUT."""
    begins = tuple(CLUSTER + begin for each in LEFT_OUT.values() for begin in each)
    chosen: list[pytest.Item] = []
    seen: set[Hashable] = set()
    for item in items:
        what = _what(item)
        if what is not None and what not in seen and not item.nodeid.startswith(begins):
            seen.add(what)
            chosen.append(item)
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = chosen


def summary() -> Iterator[str]:
    """What the end of such a run says."""
    yield "left out: tests that depend on no store or on another one, and those that need"
    for need, begins in LEFT_OUT.items():
        yield f"  {need}: {', '.join(begins)}"


def _what(item: pytest.Item) -> Hashable | None:
    """What a test shows with the other store, which is the same for all stores in whose place that comes.

    None if it takes no other store."""
    assert isinstance(item, pytest.Function)
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if not item.nodeid.startswith(CLUSTER):
        return item.nodeid if any(str(value).startswith("ceph") for value in params.values()) else None
    names = [name for name, value in params.items() if value in FIXTURES]
    if not names and not {*FIXTURES, "store"} & set(item.fixturenames):
        return None
    others = {name: repr(value) for name, value in params.items() if name not in names}
    return item.nodeid.partition("[")[0], tuple(sorted(others.items()))
