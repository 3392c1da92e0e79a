"""An agent killed at each of its failpoints: its successor converges, and nothing is doubled."""

import asyncio
import signal
from pathlib import Path

import pytest

from agent_faults.agent_process import AgentProcess, agent_process
from driftpin.agent.local_protocol import LocalCall
from driftpin.agent.sources import SourceFile
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.errors import Unreachable
from driftpin.failpoints import Failpoint
from driftpin.identity import Digest, digest_of
from served import Site


def digest_with(**bodies: str) -> Digest:
    """Return the digest of the snapshot with an `AGENTS.md` of each of these roots."""
    resources = [
        Resource(
            Kind.INSTRUCTION_FILE,
            f"{label}:AGENTS.md",
            Status.OK,
            body=InstructionBody(digest_of(body.encode())),
        )
        for label, body in sorted(bodies.items())
    ]
    return snapshot_of(resources).digest


async def head_of(site: Site) -> str | None:
    head = (await site.client.get_agent(site.agent_id)).head
    return head.digest if head else None


@pytest.mark.parametrize(
    ("failpoint", "has_arrived"),
    [
        (Failpoint.AGENT_SCAN, False),
        (Failpoint.AGENT_HASH, False),
        (Failpoint.AGENT_SEND, False),
        (Failpoint.AGENT_ACK, True),
    ],
)
async def test_an_agent_killed_on_the_way_of_a_push_is_followed_by_one_that_converges(
    site: Site, workspace: Path, failpoint: Failpoint, has_arrived: bool
) -> None:
    expected = digest_with(workspace="first\n")
    async with agent_process(site, workspace, kill_at={failpoint: 1}) as killed:
        assert await killed.ended() == -signal.SIGKILL
        assert await head_of(site) == (expected if has_arrived else None)
    async with agent_process(site, workspace) as successor:
        pushed = await successor.until_pushed()
    assert pushed["push"] == ("unchanged" if has_arrived else "accepted")
    assert pushed["digest"] == await head_of(site) == expected


async def test_an_agent_killed_after_its_state_was_saved_has_saved_it(
    site: Site, workspace: Path, tmp_path: Path
) -> None:
    team = tmp_path / "team"
    team.mkdir()
    (team / "AGENTS.md").write_text("team\n", encoding="utf-8")
    async with agent_process(site, workspace, kill_at={Failpoint.AGENT_STATE_SAVED: 1}) as killed:
        await killed.until_pushed()
        with pytest.raises(Unreachable):
            await killed.call(LocalCall.SOURCES_ADD, name="team", path=str(team))
        assert await killed.ended() == -signal.SIGKILL
    async with agent_process(site, workspace) as successor:
        pushed = await successor.until_pushed()
    assert pushed["digest"] == digest_with(workspace="first\n", team="team\n")


async def test_an_agent_killed_at_any_moment_leaves_a_list_of_sources_that_can_be_read(
    site: Site, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "team").mkdir()
    async with agent_process(site, workspace) as killed:
        await killed.until_pushed()
        adding = asyncio.gather(
            *(add(killed, f"team-{number}", tmp_path / "team") for number in range(16))
        )
        await add(killed, "first", tmp_path / "team")
        killed.signal(signal.SIGKILL)
        await killed.ended()
        await adding
    kept = SourceFile(tmp_path / "state" / "sources.json").list()
    assert "first" in {source.label for source in kept}


async def add(agent: AgentProcess, name: str, path: Path) -> None:
    """Declare a source; the agent may be gone by the time."""
    try:
        await agent.call(LocalCall.SOURCES_ADD, name=name, path=str(path))
    except Unreachable:
        return
