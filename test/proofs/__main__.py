"""`bin/prove`: see there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from proofs import freeze, functional, memory, odd_store, operations, shards, soak, verify


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/prove")
    kinds = parser.add_subparsers(required=True)
    frozen = kinds.add_parser("freeze")
    frozen.add_argument("--clients", type=int, default=200)
    frozen.add_argument("--seconds", type=float, default=30.0, help="of each of the three phases")
    frozen.set_defaults(prove=lambda found: freeze.prove(found.clients, found.seconds))
    soaked = kinds.add_parser("soak")
    soaked.add_argument("--requests", type=int, default=20_000)
    soaked.add_argument("--seed", type=int, default=1)
    soaked.set_defaults(prove=lambda found: soak.prove(found.requests, found.seed))
    remembered = kinds.add_parser("memory")
    remembered.add_argument("--rows", type=int, default=1_000_000)
    remembered.set_defaults(prove=lambda found: memory.prove(found.rows))
    operated = kinds.add_parser("operations")
    operated.add_argument("--rows", type=int, default=20_000)
    operated.add_argument("--containers", type=int, default=50)
    operated.add_argument("--seed", type=int, default=1)
    operated.set_defaults(prove=lambda found: operations.prove(found.rows, found.containers, found.seed))
    sharded = kinds.add_parser("shards")
    sharded.add_argument("--objects", type=int, default=60)
    sharded.add_argument("--seed", type=int, default=1)
    sharded.set_defaults(prove=lambda found: shards.prove(found.objects, found.seed))
    swifts_own = kinds.add_parser("functional")
    swifts_own.add_argument("checkout", type=Path, help="of openstack/swift")
    names = [mode.name for mode in functional.MODES]
    swifts_own.add_argument("--modes", nargs="+", choices=names, default=names)
    swifts_own.set_defaults(prove=lambda found: functional.prove(found.checkout, found.modes))
    differs = kinds.add_parser("odd-store")
    differs.add_argument("words", nargs="*", help="only deviations with one of these in their names")
    differs.set_defaults(prove=lambda found: odd_store.prove(found.words))
    verified = kinds.add_parser("verify")
    verified.add_argument("--step", type=int, default=1, help="kill at every so manieth request only")
    verified.set_defaults(prove=lambda found: verify.prove(found.step))
    arguments = parser.parse_args()
    return 0 if arguments.prove(arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
