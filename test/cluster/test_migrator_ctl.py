"""swift-s3-ctl beside a real migrator, whose file has nothing for swift-s3-sync."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from servers.migrator import Migrator, S3Migration
from servers.pair import Store
from servers.process import wait_until
from servers.swift import SwiftCluster


def told(migrator: Migrator, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = migrator.ctl(*arguments, "--json")
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def is_clean(migrator: Migrator) -> bool:
    return any(each["status"].get("last_clean_pass") for each in migrator.statuses())


def test_migration_is_followed_from_its_first_pass_to_the_cut_over(
    swift: SwiftCluster, moto_store: Store, tmp_path: Path
) -> None:
    migration = S3Migration(swift, moto_store)
    migration.put("name", b"body")
    migration.put("changed", b"body")
    migrator = Migrator(swift, tmp_path, [migration.entry])
    migrator.start()
    try:
        wait_until(lambda: is_clean(migrator), 30.0, "a clean pass")
        migration.swift.post(migration.container, "changed", {"X-Object-Meta-Color": "red"})
        path = f"{migration.swift.account}/{migration.container}"
        code, found = told(migrator, "explain", f"{path}/changed")
        (explained,) = found["migrations"]
        assert (code, explained["source_state"], explained["failure"]) == (0, "present", None)
        assert explained["local"] == "clients"
        assert explained["differences"] == ["metadata: x-object-meta-color"]
        code, found = told(migrator, "cutover", "0")
        assert (code, found["unmet"]) == (
            1, ["both sides have not been compared: swift-s3-migrator --compare"],
        )  # fmt: skip
        command = [migrator.program, "--config", str(migrator.config), "--compare"]
        assert migrator._run("compare", command, 60.0).returncode == 0
        assert told(migrator, "cutover", path)[0] == 0
    finally:
        migrator.stop()
