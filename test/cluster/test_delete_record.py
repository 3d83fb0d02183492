"""The record of what clients have deleted, as the migrator reads it."""

from __future__ import annotations

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.cluster.delete_record import DeleteRecord
from s3_sync.model.timestamps import Timestamp
from servers.live_migration import Live
from servers.local import Local
from servers.pair import Store
from servers.shunted import Shunted


def test_deletes_of_clients_are_on_record_for_the_migrator(shunted: Shunted, moto_store: Store) -> None:
    live = Live.from_s3(shunted, moto_store)
    with Local(shunted) as local:
        record = DeleteRecord(ClientWriter(local.client, live.swift.account), live.container)
        live.store("ü o")
        assert (record.exists, record.of("ü o").raw, record.has_container) == (False, 0, False)
        assert live.ask("DELETE", "ü o").status == 204
        assert record.of("ü o") == local.newest_of(live.container, "ü o").timestamp  # type: ignore[union-attr]
        assert (record.of("other").raw, record.has_container) == (0, False)
        record.add("ü o", Timestamp(1))  # an older delete changes nothing
        assert record.of("ü o").raw > 1
        assert live.ask("DELETE").status == 204
        assert record.has_container
