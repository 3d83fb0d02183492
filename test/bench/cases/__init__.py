"""One module a case: ``run(stage) -> Result``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.both_proxies import BothProxies
from bench.cases import (
    changes,
    deletes,
    each_store,
    emulated,
    first_copy,
    idle_mappings,
    lag,
    large_objects,
    large_slo,
    migrate,
    nothing_to_do,
    shunt,
    shunt_listing,
    shunt_overhead,
    swift_target,
    verify_dense,
    verify_scattered,
)
from bench.results import Result
from bench.stage import Stage
from bench.two_swifts import TwoSwifts
from servers.swift import SwiftCluster
from servers.swift_spec import ClusterSpec


@dataclass(frozen=True)
class Case:
    """``cluster``: options of the Swift that it plays on, which is a ``swift``."""

    run: Callable[[Stage], Result]
    cluster: Mapping[str, Any] = field(default_factory=dict)
    swift: Callable[..., SwiftCluster] = SwiftCluster


_NO_MEMCACHED = {"proxy_pipeline": [each for each in ClusterSpec().default_pipeline() if each != "cache"]}
_TWO_NODES = {"nodes": 2, "replicas": 2}

CASES = {
    "first_copy": Case(first_copy.run),
    "first_copy_uncached": Case(first_copy.without_cache, _NO_MEMCACHED),
    "large_objects": Case(large_objects.run),
    "large_slo": Case(large_slo.run),
    "swift_target": Case(swift_target.run, swift=TwoSwifts),
    "gcs": Case(emulated.gcs),
    "azure": Case(emulated.azure),
    "migrate": Case(migrate.run),
    "nothing_to_do": Case(nothing_to_do.run),
    "changes": Case(changes.run),
    "deletes": Case(deletes.run),
    "each_store": Case(each_store.run),
    "verify_dense": Case(verify_dense.run, _TWO_NODES),
    "verify_scattered": Case(verify_scattered.run, _TWO_NODES),
    "idle_mappings": Case(idle_mappings.run),
    "lag": Case(lag.run),
    "shunt": Case(shunt.run),
    "shunt_listing": Case(shunt_listing.run, swift=BothProxies),
    "shunt_overhead": Case(shunt_overhead.run, swift=BothProxies),
}
