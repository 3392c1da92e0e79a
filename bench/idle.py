"""What the server and the agent cost while nothing happens."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from bench.product import up, workspace
from bench.report import Report

SETTLE_S = 5
WINDOW_S = 40
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """A process at one moment: seconds of processor time, and bytes of memory."""

    cpu_s: float
    resident_mib: float
    proportional_mib: float


async def run(report: Report) -> None:
    report.section(f"Idle server and agent over {WINDOW_S} s (200 resources, a rescan included)")
    with workspace(200, 8 * 1024) as root, up(root, root.parent / "state") as running:
        server = running.process.pid
        (agent,) = _children(server)
        await asyncio.sleep(SETTLE_S)
        before = {pid: usage(pid) for pid in (server, agent)}
        await asyncio.sleep(WINDOW_S)
        after = {pid: usage(pid) for pid in (server, agent)}
    for name, pid in (("server", server), ("agent", agent)):
        share = (after[pid].cpu_s - before[pid].cpu_s) / WINDOW_S * 100
        report.at_most(f"{name}, share of a core", share, 0.5, " %")
        report.tell(f"{name}, resident memory", f"{after[pid].resident_mib:.0f} MiB")
    together = sum(usage.resident_mib for usage in after.values())
    shared_once = sum(usage.proportional_mib for usage in after.values())
    report.at_most(
        "resident memory together",
        together,
        220,
        " MiB",
        f"{shared_once:.0f} with shared pages once",
    )


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in listed.split()]


def usage(pid: int) -> Usage:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in rollup[1:]}
    return Usage(
        cpu_s=(int(stat[11]) + int(stat[12])) / TICKS_PER_S,
        resident_mib=kib["Rss"] / 1024,
        proportional_mib=kib["Pss"] / 1024,
    )
