"""``swift-s3-ctl restore``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.confirmation import is_confirmed
from s3_sync.admin.node import NodeView
from s3_sync.admin.number_arguments import days
from s3_sync.admin.retrieval import FAILED, TIERING, WORKERS, ArchivedObjects, Plan, Summary
from s3_sync.config.archive_restore import ArchiveRestore
from s3_sync.config.settings import Mapping
from s3_sync.providers.base import RETRIEVAL_TIERS
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.rate_limits import LimiterRegistry
from s3_sync.runtime.concurrency import GreenPool
from s3_sync.runtime.output import Output, size

NAME = "restore"
HELP = "have the store retrieve objects from archive classes, so that they can be read for some days"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")
    parser.add_argument("--prefix", default="", help="only objects whose names start with this")
    parser.add_argument(
        "--days",
        type=days,
        metavar="N",
        help="for how long they can be read (default: archive_restore of the mapping, or 7)",
    )
    parser.add_argument(
        "--tier",
        choices=RETRIEVAL_TIERS,
        help="how fast, and how expensive (default: archive_restore of the mapping, or Standard)",
    )
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--dry-run", action="store_true", help="only print how much would be retrieved")
    actions.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def run(node: NodeView, options: Namespace, output: Output) -> int:
    mapping = node.named(options.mapping)
    wanted = mapping.profile.archive_restore or ArchiveRestore()
    number, tier = options.days or wanted.days, options.tier or wanted.tier
    with ExitStack() as stack:
        budgets = LimiterRegistry()
        budgets.update_mappings((*node.mappings, *node.migrations))
        registry = Registry(connections=WORKERS, budgets=budgets)
        stack.callback(registry.close_all)
        archived = ArchivedObjects(_containers(node, mapping), registry, options.prefix)
        plan = archived.plan()
        output.answer(
            {"mapping": mapping.label, "prefix": options.prefix, "days": number, "tier": tier, **asdict(plan)}
        )
        which = mapping.label + (f" whose names start with {options.prefix}" if options.prefix else "")
        for line in _plan(plan, which, number, tier):
            output.line(line)
        output.flush()
        if options.dry_run or not plan.objects:
            return codes.FINE
        if not options.yes and not is_confirmed("Request that of the store?", NAME):
            output.line("Nothing was requested.")
            return codes.FAILED
        summary = Summary()
        with output.progress(sum(plan.objects.values()), "objects requested") as advance:
            for each in archived.retrieve(number, tier, GreenPool(WORKERS), summary):
                advance()
                if each.outcome == FAILED:
                    output.answer(asdict(each))
                    output.cells([each.outcome, f"{each.container}/{each.name}", each.reason, each.detail])
    output.answer(asdict(summary))
    for line in _result(summary):
        output.line(line)
    if summary.stopped:
        return codes.FAILED
    return codes.FOUND if summary.reasons else codes.FINE


def _containers(node: NodeView, mapping: Mapping) -> list[Mapping]:
    if mapping.migration is not None and node.migrator is not None:
        return node.migrator.containers(mapping)
    if not mapping.is_account_wide:
        return [mapping]
    return list(node.shares(mapping, set(node.client.real.containers(mapping.account))))


def _plan(plan: Plan, which: str, number: int, tier: str) -> Iterator[str]:
    counted = {name: count for name, count in sorted(plan.objects.items()) if name != TIERING}
    if not plan.objects:
        yield f"No objects of {which} are in archive classes."
        return
    for name, count in counted.items():
        yield f"{count} objects of {which} ({size(plan.bytes[name])}) are in {name}."
    if plan.objects.get(TIERING):
        yield (
            f"{plan.objects[TIERING]} objects of {which} ({size(plan.bytes[TIERING])}) are in {TIERING}:"
            " those in its archive tiers come back for good."
        )
    period = "1 day" if number == 1 else f"{number} days"
    yield (
        f"The store would retrieve them with the tier {tier}, and charges for it, by object and by byte. They"
        f" can be read for {period} then; those that can be read already, for {period} from now."
    )
    if tier == "Expedited" and "DEEP_ARCHIVE" in plan.objects:
        yield "DEEP_ARCHIVE has no tier Expedited: these requests will fail."


def _result(summary: Summary) -> Iterator[str]:
    counts = ", ".join(f"{outcome} {number}" for outcome, number in sorted(summary.outcomes.items()))
    yield f"{summary.total} objects requested: {counts or 'none'}"
    if summary.reasons:
        yield "failed: " + ", ".join(
            f"{reason} {number}" for reason, number in sorted(summary.reasons.items())
        )
    if summary.stopped:
        yield f"stopped: {summary.stopped}; run the command again for the rest"
