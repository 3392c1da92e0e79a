"""X50: an agent that runs out of file handles."""

import resource
from pathlib import Path

from agent_faults.agent_process import AgentProcess, agent_process
from driftpin.cli.exits import ExitCode
from served import Site

RESCANS = {"rescan_interval_s": 0.2}


def leave_no_handles(agent: AgentProcess) -> None:
    """Let the agent keep the handles that it has, and get no more of them."""
    resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (0, 0))


async def test_x50_an_agent_that_runs_out_ends_with_a_code_and_a_text_and_pushes_nothing_half(
    site: Site, workspace: Path
) -> None:
    async with agent_process(site, workspace, timing=RESCANS) as exhausted:
        first = await exhausted.until_pushed()
        leave_no_handles(exhausted)
        (workspace / "AGENTS.md").write_text("second\n", encoding="utf-8")
        assert await exhausted.ended() == ExitCode.OUT_OF_RESOURCES
        said = exhausted.said()
    assert "started again" in said
    assert said.splitlines()[-1].startswith("error: ")
    shown = await site.client.get_agent(site.agent_id)
    assert shown.head is not None
    assert shown.head.digest == first["digest"]
    async with agent_process(site, workspace) as successor:
        pushed = await successor.until_pushed()
    assert pushed["push"] == "accepted"
    head = (await site.client.get_agent(site.agent_id)).head
    assert head is not None
    assert head.digest == pushed["digest"]
