"""An agent on a machine that has no watches left, and has them again.

A program of its own, for it lowers the limits of a user namespace: `unshare -Ur` gives one, and
what happens there disturbs nobody. It prints one line of JSON for each kind of limit.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from agent_runtime.running import RunningAgent, running_agent
from driftpin.agent.local_protocol import LocalCall
from driftpin.agent.schedule import Timing

LIMITS = Path("/proc/sys/user")
ENOUGH = 100
RARE_RESCANS = Timing(rescan_interval_s=600)
RESCANS = Timing(rescan_interval_s=0.1)


def set_limit(name: str, most: int) -> None:
    (LIMITS / name).write_text(f"{most}\n", encoding="ascii")


async def main(directory: Path) -> None:
    for name in ("max_inotify_instances", "max_inotify_watches"):
        print(json.dumps([name, *await look(directory / name, name)]))  # noqa: T201 for the parent


async def look(parent: Path, name: str) -> tuple[list[str], list[str]]:
    """Return what was degraded, before and after, and which edits were seen without watches."""
    workspace = parent / "workspace"
    await asyncio.to_thread(workspace.mkdir, parents=True)
    file = workspace / "AGENTS.md"
    with tempfile.TemporaryDirectory(prefix="dp-") as runtime:
        environment = {"XDG_RUNTIME_DIR": runtime}
        set_limit(name, 0)
        async with running_agent(workspace, environment, timing=RESCANS) as running:
            degraded = [await degraded_of(running)]
            seen = []
            for text in ("one\n", "two\n"):
                await asyncio.to_thread(file.write_text, text, "utf-8")
                await running.wait_for_body(text)
                seen.append(text)
            set_limit(name, ENOUGH)
            degraded.append(await degraded_of(running))
        async with running_agent(workspace, environment, timing=RARE_RESCANS) as running:
            await running.wait_for_body("two\n")
            await asyncio.to_thread(file.write_text, "watched\n", "utf-8")
            await running.wait_for_body("watched\n")
    return degraded, seen


async def degraded_of(running: RunningAgent) -> str:
    """Return why watching does not work, as the newest push tells it."""
    await running.call(LocalCall.RESYNC)
    return str(running.server.pushes[-1].observations["degraded"])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
