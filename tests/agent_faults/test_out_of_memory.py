"""X50: an agent that runs out of memory, as the child that `driftpin up` keeps."""

import asyncio
import resource
from pathlib import Path

import pytest

from agent_faults.agent_process import WAIT_S
from driftpin.cli.agent_child import AgentChild, Credentials, HeadNews
from served import Site

MIB = 1024 * 1024
COUNT = 10


def leave_memory(pid: int, room_bytes: int) -> None:
    """Let a process keep the memory that it has, and get only so much more."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
    limit_bytes = pages * resource.getpagesize() + room_bytes
    resource.prlimit(pid, resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def write_skills(workspace: Path, size_bytes: int) -> None:
    """Write skills with a file of so many bytes each; large ones need more than is left."""
    for number in range(COUNT):
        skill = workspace / ".agents" / "skills" / f"skill{number}"
        skill.mkdir(parents=True, exist_ok=True)
        header = f"---\nname: skill{number}\ndescription: One of many.\n---\n"
        (skill / "SKILL.md").write_text(header, encoding="utf-8")
        (skill / "data").write_bytes(bytes([number]) * size_bytes)


async def test_x50_an_agent_that_runs_out_of_memory_is_started_again_and_pushes_it_whole(
    site: Site, workspace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_skills(workspace, 1)
    heads: asyncio.Queue[HeadNews] = asyncio.Queue()
    child = AgentChild(workspace, {})
    child.start()
    supervising = asyncio.create_task(
        child.supervise(Credentials(site.url, site.agent_token), heads.put_nowait)
    )
    async with asyncio.timeout(WAIT_S):
        first = await heads.get()
        assert child.process_id is not None
        leave_memory(child.process_id, 8 * MIB)
        write_skills(workspace, 500_000)
        second = await heads.get()
    supervising.cancel()
    await asyncio.gather(supervising, return_exceptions=True)
    assert "it is started again" in capfd.readouterr().err
    assert (first.resources, second.resources, second.not_ok) == (COUNT + 1, COUNT + 1, 0)
    # What the first had begun to send is nowhere: the next head is whole, and is the second's.
    assert heads.empty()
    head = (await site.client.get_agent(site.agent_id)).head
    assert head is not None
    assert head.digest == second.snapshot
