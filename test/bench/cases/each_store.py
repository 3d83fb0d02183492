"""New objects to a real store of each kind, with the requests counted: none costs more than one request.

First a container is copied to an empty bucket, then as many objects come to it. The requests are counted by a
proxy between the daemon and the store, which takes longer than either: the times are only there to be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from bench.filling import Content, put_objects
from bench.results import Goal, Result, Value
from bench.stage import Stage, per_object
from faults.proxy import FaultProxy
from servers.ceph import CephGateway
from servers.ceph_packages import missing
from servers.daemon import Target
from servers.landed import keys
from servers.moto import MotoServer
from servers.operations import counting
from servers.pair import Store
from servers.rclone import RcloneS3

OBJECTS = 2000
SIZE = 4096
CONTAINER = "each-store"
#: requests that are not about one object
_LISTS = "ListObjects"


def run(stage: Stage) -> Result:
    count = stage.count(OBJECTS)
    names = [f"object-{number:06d}" for number in range(2 * count)]
    rows: dict[str, Mapping[str, Value]] = {}
    goals: list[Goal] = []
    with ExitStack() as stack:
        servers = [MotoServer(), RcloneS3(), *([] if missing() else [CephGateway()])]
        stores = [Store.s3api(stage.cluster), *(Store.server(stack.enter_context(each)) for each in servers)]
        copies = [_Copy(stage, store, stack) for store in stores]
        for what, part in (("empty bucket", names[:count]), ("later", names[count:])):
            stage.say(f"putting {count} objects of {SIZE} bytes into Swift")
            put_objects(stage.cluster, CONTAINER, part, Content(SIZE))
            for copy in copies:
                row, requests = copy.run(count)
                rows[f"{copy.store.name}, {what}"] = row
                goals.append(
                    Goal(f"requests per object, {copy.store.name}, {what}", requests, 1, at_least=False)
                )
        for copy in copies:
            copy.check(len(names))
    notes = [f"Ceph is left out: {missing()}"] if missing() else []
    return Result("each_store", f"{count} new objects of {SIZE} bytes, twice", rows, goals, notes)


class _Copy:
    """The container's copy in one store."""

    def __init__(self, stage: Stage, store: Store, stack: ExitStack) -> None:
        self.store = store
        self._stage = stage
        self._bucket = "each-store"
        self._proxy = stack.enter_context(FaultProxy.before(store.endpoint))
        store.client().create_bucket(Bucket=self._bucket)
        target = Target(self._proxy.endpoint, store.identity, store.secret, self._bucket)
        self._daemon = stage.daemon([target.mapping(stage.cluster.account, CONTAINER, custom_prefix="")])

    def run(self, count: int) -> tuple[dict[str, Value], float]:
        """A row of the table, and the requests for each of so many new objects."""
        with counting(self._proxy) as requests:
            measured = self._stage.ours(self._daemon)
        self._stage.say(f"{self.store.name}: {per_object(requests, count)}")
        row: dict[str, Value] = {
            "seconds": round(measured.run.seconds, 3),
            "CPU ms/object": round(1000 * measured.run.cpu / count, 4),
            "S3 requests": per_object(requests, count),
        }
        return row, (requests.total() - requests[_LISTS]) / count

    def check(self, count: int) -> None:
        if len(stored := keys(self.store.client(), self._bucket)) != count:
            raise RuntimeError(f"{self.store.name} has {len(stored)} objects, not {count}")
