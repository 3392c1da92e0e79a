"""`driftpin up` as a real process: ready line, second start, second directory, every end."""

import asyncio
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.machine import RULES, Machine, Up, wait_until_gone
from driftpin.client import Client

StartUp = Callable[..., Up]
READY_KEYS = {"url", "token", "user_id", "workspace_id", "agent_id"}


def test_one_line_tells_programs_where_the_server_is(machine: Machine, start: StartUp) -> None:
    up = start(machine)
    assert set(up.ready) == READY_KEYS

    async def look() -> tuple[str, str | None, int]:
        async with Client(up.ready["url"], up.ready["token"]) as client:
            user = (await client.get_me()).user
            context = await client.get_workspace_context(up.ready["workspace_id"])
            return user.id, context.snapshot, len(context.resources)

    user_id, snapshot, resources = asyncio.run(look())
    assert user_id == up.ready["user_id"]
    assert resources == 2
    assert snapshot == machine.run("scan", "--json").json["snapshot"]


@pytest.mark.parametrize("name", [b"two\nlines", b"bad\xff"])
def test_a22_a23_a_directory_of_any_name_comes_up(
    machine: Machine, start: StartUp, name: bytes
) -> None:
    directory = machine.make_workspace(os.fsdecode(name))
    assert set(start(machine, directory=directory).ready) == READY_KEYS
    assert machine.run("resync", at=directory).code == 0


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_server_and_agent_and_writes_nothing_more(
    machine: Machine, start: StartUp, ending: signal.Signals
) -> None:
    up = start(machine)
    agent = machine.agent_process_id()
    assert up.end(ending) == 0
    assert wait_until_gone(agent)
    assert up.process.stdout is not None
    assert up.process.stdout.read() == ""
    after = machine.run("status")
    assert after.code == 3
    assert "driftpin up" in after.err


def test_a_killed_up_leaves_no_agent_and_the_next_start_works(
    machine: Machine, start: StartUp
) -> None:
    first = start(machine)
    agent = machine.agent_process_id()
    first.end(signal.SIGKILL)
    second = start(machine)
    assert wait_until_gone(agent)
    assert second.ready["workspace_id"] == first.ready["workspace_id"]
    assert machine.agent_process_id() != agent


def test_second_start_reuses_user_workspace_and_agent(machine: Machine, start: StartUp) -> None:
    first = start(machine)
    chat = machine.run("chat", "new", "kept", "--json").json["id"]
    first.end()
    second = start(machine)
    same = READY_KEYS - {"url"}
    assert {key: second.ready[key] for key in same} == {key: first.ready[key] for key in same}
    assert machine.run("show", chat, "--json").json["chat_id"] == chat


def test_second_directory_joins_the_running_server(machine: Machine, start: StartUp) -> None:
    first = start(machine)
    other = machine.make_workspace("other")
    second = start(machine, directory=other)
    assert second.ready["url"] == first.ready["url"]
    assert second.ready["workspace_id"] != first.ready["workspace_id"]
    agent = machine.agent_process_id(other)
    assert second.end() == 0
    assert wait_until_gone(agent)
    assert machine.run("status").code == 0


def test_lost_database_means_new_ids_and_no_dead_end(machine: Machine, start: StartUp) -> None:
    first = start(machine)
    first.end()
    for file in machine.state.glob("driftpin.db*"):
        file.unlink()
    second = start(machine)
    assert second.ready["agent_id"] != first.ready["agent_id"]
    assert machine.run("status").code == 0


def test_killed_agent_is_started_again_and_catches_up(machine: Machine, start: StartUp) -> None:
    up = start(machine)
    chat = machine.run("chat", "new", "--json").json["id"]

    async def kill_and_wait() -> str | None:
        async with (
            Client(up.ready["url"], up.ready["token"]) as client,
            client.watch_events(chat_id=chat) as events,
        ):
            os.kill(machine.agent_process_id(), signal.SIGKILL)
            machine.rules.write_text(RULES + "Use spaces.\n", encoding="utf-8")
            async with asyncio.timeout(30):
                async for event, _cursor in events:
                    if event.kind == "chat.dirty":
                        return str(event.payload["severity"])
        return None

    assert asyncio.run(kill_and_wait()) == "behavioural"
    assert "signal 9" in up.wait_for_line("started again")


def test_deleted_agent_stops_for_good_and_the_server_goes_on(
    machine: Machine, start: StartUp
) -> None:
    up = start(machine)

    async def delete() -> None:
        async with Client(up.ready["url"], up.ready["token"]) as client:
            await client.delete_agent(up.ready["agent_id"])

    asyncio.run(delete())
    machine.rules.write_text(RULES + "Use spaces.\n", encoding="utf-8")
    assert "stopped for good" in up.wait_for_line("stopped for good")
    assert machine.run("status").code == 0


def test_second_up_on_the_same_directory_is_told_that_one_runs(
    machine: Machine, start: StartUp
) -> None:
    start(machine)
    second = machine.run("up", "--json", "--port", "0", str(machine.workspace))
    assert second.code == 2
    assert "already runs" in second.err
    assert second.out == ""


def test_agent_sees_no_secret_of_the_user_in_its_environment_or_arguments(
    machine: Machine, start: StartUp
) -> None:
    machine.variables["DRIFTPIN_TOKEN"] = "dp_u_mine"
    up = start(machine)
    process = Path("/proc") / str(machine.agent_process_id())
    seen = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    token = next(machine.state.glob("directories/*/agent.token")).read_text(encoding="ascii")
    for secret in ("dp_u_mine", up.ready["token"], token):
        assert secret.encode() not in seen


def test_state_is_readable_by_its_owner_only(machine: Machine, start: StartUp) -> None:
    start(machine)
    assert machine.state.stat().st_mode & 0o077 == 0
    for secret in (machine.state / "server.json", *machine.state.glob("directories/*/*")):
        assert secret.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["up", "/nowhere"], "not a directory"),
        (["up", "--port", "99999", "."], "65535"),
        (["up", "--host", "no.such.host.invalid", "."], "not an address"),
        (["up", "--database", "mysql://x", "."], "sqlite:///PATH"),
    ],
)
def test_wrong_start_is_refused_with_what_was_expected(
    machine: Machine, arguments: list[str], told: str
) -> None:
    ended = machine.run(*arguments)
    assert ended.code == 2
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_names_of_modules_in_the_workspace_are_not_imported(
    machine: Machine, start: StartUp
) -> None:
    (machine.workspace / "asyncio.py").write_text("raise SystemExit(99)\n", encoding="utf-8")
    (machine.workspace / "driftpin").mkdir()
    (machine.workspace / "driftpin" / "__init__.py").write_text("1/0\n", encoding="utf-8")
    start(machine)
    assert machine.run("status").code == 0


def test_x50_an_agent_that_ran_out_of_handles_is_started_again(
    machine: Machine, start: StartUp
) -> None:
    machine.variables["DRIFTPIN_RESCAN_INTERVAL_S"] = "0.2"
    up = start(machine)
    exhausted = machine.agent_process_id()
    resource.prlimit(exhausted, resource.RLIMIT_NOFILE, (0, 0))
    machine.rules.write_text("# Other rules\n", encoding="utf-8")
    assert wait_until_gone(exhausted)
    assert "exit code 71" in up.wait_for_line("it is started again")
    assert any(machine.run("resync").code == 0 for _ in range(20))
    assert machine.agent_process_id() != exhausted
