"""What --status has to know of the daemon: containers that have not begun, and objects that wait."""

from __future__ import annotations

from typing import Any, cast

from s3_sync.config.coverage import Coverage
from s3_sync.errors import AccessDenied
from s3_sync.migrate.account_migration import AccountMigration
from s3_sync.migrate.current_pass import Pass
from s3_sync.migrate.decide import LocalEntry
from s3_sync.migrate.division import Share
from s3_sync.migrate.scan import Batch
from s3_sync.model.objects import ListedObject
from unit.migrate.world import World


def test_account_that_cannot_be_listed_is_on_record_and_its_containers_are_known(world: World) -> None:
    every = world.account_wide
    job = AccountMigration(world.context, every, Coverage([every]))
    world.source.broken = AccessDenied("403")
    job.step()
    assert [each.reason for each in world.failures.page(every.journal_key)] == ["remote_denied"]
    world.source.broken = None
    world.source.set("one")
    world.source.set("two")
    job.step()
    assert world.failures.page(every.journal_key) == []
    assert [each.container for each in world.statuses.containers(every)] == ["one", "two"]


def test_objects_that_are_too_young_wait_unless_they_are_there() -> None:
    nothing = cast(Any, None)
    current = Pass(nothing, nothing, nothing, "", 500.0, Share(), set())
    young = ListedObject("young", 1, "etag", 600.0)
    here = ListedObject("here", 1, "etag", 600.0)
    local = LocalEntry("here", 1, "etag", 600.0)
    old = ListedObject("old", 1, "etag", 400.0)
    wanted = current.begin(Batch([(here, local), (old, None), (young, None)], "", None, 3), 700.0)
    assert [source.name for source, _ in wanted] == ["old"]
    assert current.take_counts().waiting == 1
