import asyncio
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_runtime.running import RunningAgent, no_link, running_agent
from agent_runtime.signals import replace_file
from agent_runtime.world import WAIT_S, RuleKeepingServer
from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.local_client import LocalRefusal
from driftpin.agent.local_protocol import LocalCall
from driftpin.agent.readiness import ReadinessSettings
from driftpin.agent.schedule import Timing
from driftpin.errors import Conflict, Gone, PushOutdated
from driftpin.identity import digest_of
from driftpin.wire.agent import HelloRequest

Environment = Mapping[str, str]


def make_again(directory: Path) -> None:
    directory.mkdir()


def replace_by_link(directory: Path, target: Path) -> None:
    directory.rename(directory.with_name("moved"))
    directory.symlink_to(target)


async def settle(running: RunningAgent) -> None:
    """Return when everything up to now was looked at and pushed; later passes find no change."""
    await running.call(LocalCall.RESYNC)


async def test_a_running_agent_pushes_what_is_there(
    workspace: Path, environment: Environment
) -> None:
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        status = await running.call(LocalCall.STATUS)
    assert status["head"] == status["snapshot"] == running.server.pushes[-1].digest
    assert (status["ready"], status["degraded"], status["failure"]) == ("at_once", "", "")


async def test_a19_an_atomic_save_gives_one_snapshot_and_nothing_missing_in_between(
    workspace: Path, environment: Environment
) -> None:
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        replace_file(workspace / "AGENTS.md", "second\n")
        await running.wait_for_body("second\n")
    assert [len(push.manifest["resources"]) for push in running.server.pushes] == [1, 1]  # type: ignore[arg-type]


async def test_a18_a_file_truncated_and_rewritten_gives_one_snapshot_with_the_final_text(
    workspace: Path, environment: Environment
) -> None:
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        with (workspace / "AGENTS.md").open("w", encoding="utf-8") as file:
            for _ in range(20):
                file.truncate(0)
                file.flush()
                file.write("half of the")
                file.flush()
            file.seek(0)
            file.truncate(0)
            file.write("final\n")
        await running.wait_for_body("final\n")
    assert len({push.digest for push in running.server.pushes}) == 2


async def test_a_burst_of_changes_becomes_few_snapshots_and_the_final_state_is_right(
    workspace: Path, environment: Environment
) -> None:
    """X49: as a checkout does it."""
    skill = workspace / "skills" / "tidy"
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text("---\nname: tidy\ndescription: Tidies\n---\n", encoding="utf-8")
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        for number in range(2000):
            (workspace / f"file{number}").touch()
            replace_file(skill / "notes.txt", f"note {number}")
        (workspace / "AGENTS.md").write_text("last\n", encoding="utf-8")
        await running.wait_for_body("last\n")
    assert digest_of(b"note 1999") in running.server.blobs
    assert len(running.server.pushes) <= 5


async def test_steady_change_still_gives_results(workspace: Path, environment: Environment) -> None:
    timing = Timing(debounce_longest_s=0.3)
    done = asyncio.Event()

    def write_until_done() -> None:
        number = 0
        while not done.is_set():
            number += 1
            replace_file(workspace / "AGENTS.md", f"{number}\n")

    async with running_agent(workspace, environment, timing=timing) as running:
        await running.wait_for_body("first\n")
        writing = asyncio.create_task(asyncio.to_thread(write_until_done))
        try:
            await running.server.wait_for(lambda: running.server.results.count("accepted") >= 3)
        finally:
            done.set()
            await writing


async def test_a36_a_root_removed_and_made_again_is_followed(
    workspace: Path, environment: Environment
) -> None:
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        shutil.rmtree(workspace)
        await settle(running)
        assert running.server.pushes[-1].observations["errors"] == ["root_missing:workspace"]
        assert running.head_digests() == {digest_of(b"first\n")}
        make_again(workspace)
        (workspace / "AGENTS.md").write_text("again\n", encoding="utf-8")
        await running.wait_for_body("again\n")
        (workspace / "AGENTS.md").write_text("edited\n", encoding="utf-8")
        await running.wait_for_body("edited\n")


async def test_a12_a_root_replaced_by_a_link_is_not_followed(
    workspace: Path, environment: Environment, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "AGENTS.md").write_text("secret\n", encoding="utf-8")
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        replace_by_link(workspace, outside)
        await settle(running)
    assert running.server.pushes[-1].observations["errors"] == ["root_replaced:workspace"]
    assert running.head_digests() == {digest_of(b"first\n")}
    assert digest_of(b"secret\n") not in running.server.blobs


async def test_a_half_finished_checkout_does_not_become_a_head(
    workspace: Path, environment: Environment
) -> None:
    lock = workspace / ".git" / "index.lock"
    lock.parent.mkdir()
    async with running_agent(workspace, environment) as running:
        await settle(running)
        lock.touch()
        (workspace / "AGENTS.md").write_text("half\n", encoding="utf-8")
        resync = asyncio.create_task(running.call(LocalCall.RESYNC))
        await running.call(LocalCall.STATUS)
        (workspace / "AGENTS.md").write_text("whole\n", encoding="utf-8")
        lock.unlink()
        await resync
        await running.wait_for_body("whole\n")
    assert digest_of(b"half\n") not in running.server.blobs


async def test_resync_answers_after_a_pass_that_began_after_it(
    workspace: Path, environment: Environment
) -> None:
    async with running_agent(workspace, environment) as running:
        for number in range(20):
            (workspace / "AGENTS.md").write_text(f"{number}\n", encoding="utf-8")
            answer = await running.call(LocalCall.RESYNC)
            assert digest_of(f"{number}\n".encode()) in running.head_digests()
            assert running.server.head is not None
            assert answer["head"]["digest"] == running.server.head.digest


async def test_a_fresh_scan_shows_what_is_there_now(
    workspace: Path, environment: Environment
) -> None:
    async with running_agent(workspace, environment) as running:
        await settle(running)
        (workspace / "CLAUDE.md").write_text("new\n", encoding="utf-8")
        scanned = await running.call(LocalCall.SCAN, fresh=True)
    assert [entry["source"] for entry in scanned["resources"]] == [
        "workspace:AGENTS.md",
        "workspace:CLAUDE.md",
    ]
    assert set(scanned) == {
        "snapshot",
        "prompt_digest",
        "tools_digest",
        "resources",
        "observations",
    }


async def test_a_declared_source_is_pushed_and_one_taken_back_is_gone(
    workspace: Path, environment: Environment, tmp_path: Path
) -> None:
    team = tmp_path / "team"
    team.mkdir()
    (team / "AGENTS.md").write_text("team\n", encoding="utf-8")
    async with running_agent(workspace, environment) as running:
        await settle(running)
        await running.call(LocalCall.SOURCES_ADD, name="team", path=str(team))
        await running.wait_for_body("team\n")
        assert await running.call(LocalCall.SOURCES_LIST) == [{"name": "team", "path": str(team)}]
        (team / "AGENTS.md").write_text("edited\n", encoding="utf-8")
        await running.wait_for_body("edited\n")
        await running.call(LocalCall.SOURCES_REMOVE, name="team")
        await settle(running)
    assert running.head_digests() == {digest_of(b"first\n")}


@pytest.mark.parametrize("path", ["relative", "", 5, "/a\0b"])
async def test_a_call_with_a_path_that_is_none_is_refused(
    workspace: Path, environment: Environment, path: object
) -> None:
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        with pytest.raises(LocalRefusal) as refused:
            await running.call(LocalCall.EXPLAIN, path=path)
    assert refused.value.code == "invalid_request"


async def test_a_running_agent_explains_a_path(workspace: Path, environment: Environment) -> None:
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        explained = await running.call(LocalCall.EXPLAIN, path=str(workspace / "AGENTS.md"))
    assert (explained["rule"], explained["is_in_context"]) == ("resource", True)


async def test_nothing_is_pushed_before_the_workspace_is_ready(
    workspace: Path, environment: Environment
) -> None:
    readiness = ReadinessSettings((workspace / ".ready",))
    async with running_agent(workspace, environment, readiness=readiness) as running:
        await asyncio.wait_for(running.agent.calls.passes.seen.wait(1), WAIT_S)
        (workspace / "AGENTS.md").write_text("set up\n", encoding="utf-8")
        assert running.server.hellos == 0
        await running.call(LocalCall.READY)
        await running.wait_for_body("set up\n")
    assert digest_of(b"first\n") not in running.server.blobs


async def test_a_workspace_that_never_gets_ready_is_pushed_with_a_note(
    workspace: Path, environment: Environment
) -> None:
    readiness = ReadinessSettings((workspace / ".ready",), timeout_s=0.0)
    async with running_agent(workspace, environment, readiness=readiness) as running:
        await running.wait_for_body("first\n")
    assert running.server.pushes[-1].observations["errors"] == ["ready_timeout"]


async def test_e10_a_fenced_agent_ends_and_says_why(
    workspace: Path, environment: Environment
) -> None:
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        await running.server.hello(HelloRequest(run_id="newer"))
        (workspace / "AGENTS.md").write_text("second\n", encoding="utf-8")
        with pytest.raises(PushOutdated) as fenced:
            await running.ended()
    assert fenced.value.code == "fenced"
    assert not running.socket.exists()


async def test_e24_an_agent_that_is_gone_ends_and_says_why(
    workspace: Path, environment: Environment
) -> None:
    server = RuleKeepingServer()
    server.failures.append(Gone(code="agent_gone"))
    async with running_agent(workspace, environment, server=server) as running:
        with pytest.raises(Gone):
            await running.ended()


async def test_a_second_agent_on_the_same_directory_is_refused(
    workspace: Path, environment: Environment
) -> None:
    async with running_agent(workspace, environment) as first:
        await first.wait_for_body("first\n")
        async with running_agent(workspace, environment) as second:
            with pytest.raises(Conflict):
                await second.ended()
        await settle(first)


async def test_sigterm_ends_the_agent_gracefully(workspace: Path, environment: Environment) -> None:
    async with running_agent(workspace, environment) as running:
        await running.wait_for_body("first\n")
        os.kill(os.getpid(), signal.SIGTERM)
        await running.ended()
    assert not running.socket.exists()


async def test_an_agent_ends_with_the_pipe_of_its_parent(
    workspace: Path, environment: Environment
) -> None:
    settings = AgentSettings(workspace, workspace.parent / "sources.json")
    agent = WorkspaceAgent(settings, RuleKeepingServer(), no_link, environment=environment)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as lifeline:
        task = asyncio.create_task(agent.run(lifeline))
        await asyncio.wait_for(agent.calls.passes.seen.wait(1), WAIT_S)
        os.close(writing)
        await asyncio.wait_for(task, WAIT_S)
