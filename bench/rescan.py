"""A rescan of a workspace in which nothing changed."""

import asyncio
import gc

from bench.product import workspace
from bench.report import Report, median, spread, times_ms
from driftpin.agent.resolve import Resolver
from driftpin.agent.roots import list_roots

RESOURCES = 500
RUNS = 30
FRESH_S = 3


async def run(report: Report) -> None:
    report.section(f"Rescan of an unchanged workspace of {RESOURCES} resources")
    with workspace(RESOURCES, 4 * 1024) as root:
        resolver = Resolver(list_roots(root))

        async def resolve(_: int) -> None:
            resolver.resolve()

        first = await times_ms(resolve, 1)
        # Files that were written a moment ago are read again until their times can be trusted.
        await asyncio.sleep(FRESH_S)
        await times_ms(resolve, 3)
        gc.collect()
        taken = await times_ms(resolve, RUNS)
    report.tell("first scan", f"{first[0]:.1f} ms")
    report.tell("each rescan", spread(taken))
    report.at_most("median", median(taken), 20, " ms")
