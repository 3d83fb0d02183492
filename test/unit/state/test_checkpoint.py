"""Status files: forms that earlier versions wrote, which entry is whose, and what makes progress void."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile, Secret
from s3_sync.errors import StateError
from s3_sync.model.keys import KeyNamer
from s3_sync.state import checkpoint as module
from s3_sync.state.checkpoint import Checkpoint, StatusFiles

DB = "c0ffee-db-id"


def make(
    bucket: str = "bucket", container: str = "c", account: str = "AUTH_a", **credentials: Any
) -> Mapping:
    return Mapping(
        account,
        container,
        bucket,
        S3Credentials(**credentials),
        Profile(),
        KeyNamer.hashed(account, container),
    )


MAPPING = make()


def files(directory: Path, *mappings: Mapping, journal: str = "j1") -> StatusFiles:
    return StatusFiles(str(directory), journal, mappings or (MAPPING,))


def write(directory: Path, content: Any, mapping: Mapping = MAPPING) -> Path:
    path = directory / mapping.account / mapping.container
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


OLD_ENTRY = {
    "last_row": 421,
    "last_verified_row": 400,
    "aws_bucket": "bucket",
    "policy": {"copy_after": 2592000, "retain_local": False, "propagate_delete": False},
    "metadata_hash": "d751713988987e9331980363e24189ce",
}


class TestSaveAndLoad:
    def test_load_without_status_file_gives_none_and_makes_no_file(self, tmp_path: Path) -> None:
        assert files(tmp_path).load(MAPPING, DB) is None
        assert os.listdir(tmp_path) == []

    def test_load_gives_every_field_that_was_saved(self, tmp_path: Path) -> None:
        saved = Checkpoint(5, 4, 3, 2, 1700000000.5, "hash", "1/3")
        files(tmp_path).save(MAPPING, DB, saved)
        assert files(tmp_path).load(MAPPING, DB) == saved

    def test_save_uses_path_and_keys_of_earlier_versions(self, tmp_path: Path) -> None:
        mapping = replace(
            make("bücket", "cönt", "AUTH_ü"), profile=Profile(copy_after=60, propagate_delete=False)
        )
        files(tmp_path, mapping).save(mapping, DB, Checkpoint(421, 400, metadata_hash="abc"))
        raw = (os.fsencode(tmp_path) + b"/AUTH_\xc3\xbc/c\xc3\xb6nt").decode()
        entry = json.loads(Path(raw).read_bytes())[DB]
        assert {name: entry[name] for name in OLD_ENTRY} == {
            "last_row": 421,
            "last_verified_row": 400,
            "aws_bucket": "bücket",
            "policy": {"copy_after": 60, "retain_local": True, "propagate_delete": False},
            "metadata_hash": "abc",
        }

    def test_save_of_one_database_leaves_the_others_unchanged(self, tmp_path: Path) -> None:
        status = files(tmp_path)
        status.save(MAPPING, "one", Checkpoint(1))
        status.save(MAPPING, "two", Checkpoint(2))
        status.save(MAPPING, "one", Checkpoint(3))
        assert [status.load(MAPPING, each) for each in ("one", "two", "three")] == [
            Checkpoint(3),
            Checkpoint(2),
            None,
        ]

    @given(
        st.dictionaries(
            st.sampled_from(["db1", "db2", "db3"]),
            st.builds(
                Checkpoint,
                *[st.integers(0, 2**62)] * 4,
                metadata_hash=st.none() | st.text("abcdef0123456789", min_size=1),
                share=st.sampled_from(["", "0/3", "-/3"]),
            ),
            min_size=1,
        )
    )
    @settings(deadline=None, max_examples=30)
    def test_load_gives_any_checkpoints_that_were_saved(
        self, tmp_path_factory: pytest.TempPathFactory, saved: dict[str, Checkpoint]
    ) -> None:
        directory = tmp_path_factory.mktemp("status")
        for database, checkpoint in saved.items():
            files(directory).save(MAPPING, database, checkpoint)
        assert {database: files(directory).load(MAPPING, database) for database in saved} == saved


class TestEarlierForms:
    def test_load_of_last_earlier_form_adopts_its_cursors(self, tmp_path: Path) -> None:
        write(tmp_path, {DB: OLD_ENTRY, "other": {"last_row": 1}})
        assert files(tmp_path).load(MAPPING, DB) == Checkpoint(
            421, 400, metadata_hash="d751713988987e9331980363e24189ce", adopted=True
        )

    def test_load_without_last_verified_row_takes_last_row_for_it(self, tmp_path: Path) -> None:
        write(tmp_path, {DB: {"last_row": 7, "aws_bucket": "bucket"}})
        assert files(tmp_path).load(MAPPING, DB) == Checkpoint(7, 7, adopted=True)

    def test_load_of_oldest_form_without_databases_adopts_its_cursor(self, tmp_path: Path) -> None:
        write(tmp_path, {"last_row": 42})
        assert files(tmp_path).load(MAPPING, DB) == Checkpoint(42, 42, adopted=True)

    def test_oldest_form_with_bucket_is_adopted_only_for_that_bucket(self, tmp_path: Path) -> None:
        path = write(tmp_path, {"last_row": 42, "aws_bucket": "bucket", "policy": {"copy_after": 1}})
        status = files(tmp_path)
        assert status.load(MAPPING, DB) == Checkpoint(42, 42, adopted=True)
        status.save(MAPPING, DB, Checkpoint(43))
        assert list(json.loads(path.read_bytes())) == [DB]
        write(tmp_path, {"last_row": 42, "aws_bucket": "other"})
        assert status.load(MAPPING, DB) is None

    def test_oldest_form_without_bucket_is_adopted_by_the_first_mapping(self, tmp_path: Path) -> None:
        """Otherwise a second destination would skip all that the first one has."""
        first, second = make("first"), make("second")
        write(tmp_path, {"last_row": 42})
        status = files(tmp_path, first, second)
        assert status.load(first, DB) == Checkpoint(42, 42, adopted=True)
        assert status.load(second, DB) is None

    def test_adopted_checkpoint_once_saved_is_not_adopted_again(self, tmp_path: Path) -> None:
        write(tmp_path, {DB: OLD_ENTRY})
        status = files(tmp_path)
        adopted = status.load(MAPPING, DB)
        assert adopted is not None
        status.save(MAPPING, DB, adopted)
        assert status.load(MAPPING, DB) == replace(adopted, adopted=False)

    def test_save_leaves_entries_of_other_databases_as_they_are(self, tmp_path: Path) -> None:
        path = write(tmp_path, {"elsewhere": OLD_ENTRY})
        files(tmp_path).save(MAPPING, DB, Checkpoint(1))
        assert json.loads(path.read_bytes())["elsewhere"] == OLD_ENTRY

    @pytest.mark.parametrize("value", [None, "12", -1, 1.5, [], {}])
    def test_load_of_malformed_cursor_starts_at_the_beginning(self, tmp_path: Path, value: Any) -> None:
        write(tmp_path, {DB: {"last_row": value, "aws_bucket": "bucket"}})
        assert files(tmp_path).load(MAPPING, DB) == Checkpoint(adopted=True)

    @pytest.mark.parametrize("entry", [None, 5, "x", []])
    def test_load_of_malformed_entry_gives_none_and_save_replaces_it(
        self, tmp_path: Path, entry: Any
    ) -> None:
        path = write(tmp_path, {DB: entry})
        status = files(tmp_path)
        assert status.load(MAPPING, DB) is None
        status.save(MAPPING, DB, Checkpoint(1))
        assert status.load(MAPPING, DB) == Checkpoint(1)
        assert list(json.loads(path.read_bytes())) == [DB]


class TestVoidProgress:
    @pytest.mark.parametrize(
        "moved",
        [
            make("other"),
            make(endpoint="https://s3.example.org"),
            replace(MAPPING, namer=KeyNamer.literal("p/"), custom_prefix="p/"),
        ],
        ids=["bucket", "endpoint", "prefix"],
    )
    def test_load_for_another_destination_gives_none(self, tmp_path: Path, moved: Mapping) -> None:
        files(tmp_path).save(MAPPING, DB, Checkpoint(9, 9))
        assert files(tmp_path, moved).load(moved, DB) is None
        files(tmp_path, moved).save(moved, DB, Checkpoint(1))
        assert files(tmp_path, moved).load(moved, DB) == Checkpoint(1)

    @pytest.mark.parametrize(
        "edited",
        [
            replace(
                MAPPING,
                profile=Profile(copy_after=5, propagate_delete=False, encryption=False, storage_class="X"),
            ),
            make(identity="new", secret=Secret("rotated"), region="eu-west-1"),
        ],
        ids=["policy", "credentials"],
    )
    def test_load_after_change_of_policy_or_credentials_gives_progress(
        self, tmp_path: Path, edited: Mapping
    ) -> None:
        files(tmp_path).save(MAPPING, DB, Checkpoint(9, 8))
        assert files(tmp_path, edited).load(edited, DB) == Checkpoint(9, 8)

    def test_load_of_old_file_for_another_endpoint_gives_its_progress(self, tmp_path: Path) -> None:
        write(tmp_path, {DB: OLD_ENTRY})
        moved = make(endpoint="https://s3.example.org")
        loaded = files(tmp_path, moved).load(moved, DB)
        assert loaded is not None
        assert loaded.last_row == 421

    def test_load_with_another_journal_gives_none(self, tmp_path: Path) -> None:
        files(tmp_path).save(MAPPING, DB, Checkpoint(9, 9))
        assert files(tmp_path, journal="j2").load(MAPPING, DB) is None

    def test_load_after_reset_gives_none(self, tmp_path: Path) -> None:
        status = files(tmp_path)
        status.save(MAPPING, DB, Checkpoint(9, 9))
        status.reset(MAPPING)
        assert status.load(MAPPING, DB) is None
        status.reset(MAPPING)


class TestSeveralMappingsOfOneContainer:
    def test_checkpoint_of_each_mapping_is_kept_apart(self, tmp_path: Path) -> None:
        first, second, third = make("one"), make("two"), make("one", endpoint="http://clone:80")
        status = files(tmp_path, first, second, third)
        for row, mapping in enumerate([third, second, first], start=1):
            status.save(mapping, DB, Checkpoint(row))
        again = files(tmp_path, first, second, third)
        assert [again.load(each, DB) for each in (third, second, first)] == [
            Checkpoint(1),
            Checkpoint(2),
            Checkpoint(3),
        ]
        stored = json.loads((tmp_path / "AUTH_a" / "c").read_bytes())
        assert set(stored) == {DB, f"{DB}#{second.fingerprint}", f"{DB}#{third.fingerprint}"}

    def test_old_entry_is_adopted_by_the_mapping_with_its_bucket(self, tmp_path: Path) -> None:
        first, second = make("one"), make("two")
        write(tmp_path, {DB: {"last_row": 5, "aws_bucket": "two"}})
        status = files(tmp_path, first, second)
        assert status.load(first, DB) is None
        assert status.load(second, DB) == Checkpoint(5, 5, adopted=True)
        status.save(first, DB, Checkpoint(1))
        status.save(second, DB, Checkpoint(6))
        assert [status.load(each, DB) for each in (first, second)] == [Checkpoint(1), Checkpoint(6)]

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_mapping_removed_and_added_again_has_its_checkpoint(
        self, tmp_path: Path, order: tuple[int, int]
    ) -> None:
        alone, new = make("alone"), make("new")
        files(tmp_path, alone).save(alone, DB, Checkpoint(5))
        both = [(alone, new)[index] for index in order]
        status = files(tmp_path, *both)
        assert status.load(new, DB) is None
        status.save(new, DB, Checkpoint(1))
        assert status.load(alone, DB) == Checkpoint(5)
        # the first one goes, the other stays where it is
        assert files(tmp_path, new).load(new, DB) == Checkpoint(1)
        files(tmp_path, new).save(new, DB, Checkpoint(2))
        # and comes back
        assert files(tmp_path, *both).load(alone, DB) == Checkpoint(5)
        assert files(tmp_path, *both).load(new, DB) == Checkpoint(2)


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"42", b"\xff\xfe", b'{"a": 1'])
    def test_a_damaged_file_is_set_aside(
        self, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = write(tmp_path, content)
        status = files(tmp_path)
        with caplog.at_level(logging.ERROR):
            assert status.load(MAPPING, DB) is None
        assert str(path) in caplog.text
        assert Path(f"{path}.corrupted.1").read_bytes() == content
        status.save(MAPPING, DB, Checkpoint(3))
        assert status.load(MAPPING, DB) == Checkpoint(3)

    def test_save_sets_a_damaged_file_aside_and_writes_a_new_one(self, tmp_path: Path) -> None:
        path = write(tmp_path, b"garbage")
        status = files(tmp_path)
        status.save(MAPPING, DB, Checkpoint(3))
        assert status.load(MAPPING, DB) == Checkpoint(3)
        assert Path(f"{path}.corrupted.1").read_bytes() == b"garbage"

    def test_directory_in_place_of_status_file_raises_state_error(self, tmp_path: Path) -> None:
        (tmp_path / "AUTH_a" / "c").mkdir(parents=True)
        for act in (
            lambda: files(tmp_path).load(MAPPING, DB),
            lambda: files(tmp_path).save(MAPPING, DB, Checkpoint(1)),
            lambda: files(tmp_path).reset(MAPPING),
        ):
            with pytest.raises(StateError):
                act()

    def test_save_on_a_full_disk_raises_and_keeps_the_old_checkpoint(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        status = files(tmp_path)
        status.save(MAPPING, DB, Checkpoint(1))

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(module, "write_atomically", full)
            with pytest.raises(StateError, match="No space left"):
                status.save(MAPPING, DB, Checkpoint(2))
        assert status.load(MAPPING, DB) == Checkpoint(1)

    def test_damaged_file_that_cannot_be_set_aside_raises_state_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, b"garbage")

        def read_only(_: str) -> str:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(module, "set_aside", read_only)
        with pytest.raises(StateError, match="Read-only"):
            files(tmp_path).load(MAPPING, DB)


class TestFileNames:
    @pytest.mark.parametrize("container", [".", "..", "a" * 256, "ü" * 128, " ", "-", "a\nb", "😀", ".tmp-x"])
    def test_any_legal_container_has_one_file_in_its_account(self, tmp_path: Path, container: str) -> None:
        mapping = make(container=container)
        status = files(tmp_path / "status", mapping)
        status.save(mapping, DB, Checkpoint(3))
        assert status.load(mapping, DB) == Checkpoint(3)
        assert os.listdir(tmp_path) == ["status"]
        assert len(os.listdir(tmp_path / "status" / "AUTH_a")) == 1

    @pytest.mark.parametrize("account", [".", "..", "AUTH_ü", "b" * 256])
    def test_any_legal_account_has_one_directory(self, tmp_path: Path, account: str) -> None:
        mapping = make(account=account)
        files(tmp_path / "status", mapping).save(mapping, DB, Checkpoint(3))
        assert files(tmp_path / "status", mapping).load(mapping, DB) == Checkpoint(3)
        assert os.listdir(tmp_path) == ["status"]
        assert len(os.listdir(tmp_path / "status")) == 1

    def test_long_names_with_the_same_beginning_are_kept_apart(self, tmp_path: Path) -> None:
        one, two = make(container="x" * 255 + "1"), make(container="x" * 255 + "2")
        status = files(tmp_path, one, two)
        status.save(one, DB, Checkpoint(1))
        assert status.load(two, DB) is None
