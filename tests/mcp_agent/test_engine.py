"""Servers of a workspace: started when approved, listed, kept, remembered, never left behind."""

import asyncio
import json
from pathlib import Path

import pytest

from driftpin import limits
from driftpin.agent.mcp_keeper import ServerKeeper
from driftpin.agent.mcp_session import ServerFailure, Surroundings
from driftpin.agent.mcp_stdio import StdioTransport
from driftpin.agent.waiting import Backoff
from driftpin.clock import SystemClock
from driftpin.errors import Unavailable
from mcp_agent.conftest import Bench, approvals_of, state_of, tool, unheard

SECRET = "hunter2-but-longer"


def is_gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


async def test_an_approved_server_is_started_and_its_tools_become_known(bench: Bench) -> None:
    bench.write(tools=[tool("b"), tool("a")], instructions="Use with care.")
    server = bench.server()
    async with bench.running(server) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        known = engine.catalogues()["mcp:fake", server.launch.identity]
    assert [entry.name for entry in known.catalogue.tools] == ["a", "b"]
    assert known.catalogue.instructions in known.blobs


async def test_d38_nothing_starts_without_an_approval(bench: Bench) -> None:
    bench.write(tools=[], environment=str(bench.directory / "started"))
    server, other = bench.server(), bench.server("other", cwd=".")
    async with bench.running(other) as engine:
        engine.list_servers((server, other))
        await bench.until(lambda: state_of(engine, "mcp:other").state == "ready")
        assert state_of(engine).state == "unapproved"
        assert engine.catalogues().keys() == {("mcp:other", other.launch.identity)}


async def test_d37_another_command_under_the_same_name_is_not_covered(bench: Bench) -> None:
    bench.write(tools=[tool()])
    async with bench.running(bench.server()) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        changed = bench.server(cwd=".")
        engine.list_servers((changed,))
        assert state_of(engine).state == "unapproved"
        assert ("mcp:fake", changed.launch.identity) not in engine.catalogues()


async def test_another_literal_value_is_not_covered_either(bench: Bench) -> None:
    bench.write(tools=[tool()])
    before, after = (bench.server(env=(("MODE", mode),)) for mode in ("fast", "slow"))
    assert before.launch.identity == after.launch.identity
    async with bench.running(before) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        engine.list_servers((after,))
        assert state_of(engine).state == "unapproved"
        engine.approve(approvals_of(after))
        await bench.until(lambda: state_of(engine).state == "ready")


async def test_a_withdrawn_approval_ends_the_server(bench: Bench) -> None:
    started = bench.directory / "started"
    bench.write(tools=[tool()], spawn=str(started))
    async with bench.running(bench.server()) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        engine.approve({})
        await bench.until(lambda: state_of(engine).state == "unapproved")
        with pytest.raises(Unavailable):
            await engine.keeper_of("mcp:fake").call("read", {}, on_progress=unheard)
    assert is_gone(int(started.read_text(encoding="utf-8")))


async def test_x41_no_child_is_left_whatever_it_does(bench: Bench) -> None:
    started = bench.directory / "pid"
    bench.write(tools=[tool()], spawn=str(started))
    async with bench.running(bench.server()) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        pid = int(started.read_text(encoding="utf-8"))
        assert not is_gone(pid)
    assert is_gone(pid)


async def test_a_server_gets_its_own_variables_and_no_token(bench: Bench) -> None:
    seen = bench.directory / "environment"
    bench.environment |= {
        "DRIFTPIN_AGENT_TOKEN": "dp_a_x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "KEY": SECRET,
    }
    bench.write(tools=[], environment=str(seen))
    async with bench.running(bench.server(env=(("TOKEN", "${KEY}"), ("MODE", "m")))) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
    environment = json.loads(seen.read_text(encoding="utf-8"))
    assert (environment["TOKEN"], environment["MODE"]) == (SECRET, "m")
    assert "PATH" in environment
    assert {"DRIFTPIN_AGENT_TOKEN", "AWS_SECRET_ACCESS_KEY", "KEY"}.isdisjoint(environment)


@pytest.mark.parametrize(
    ("plan", "reason", "detail"),
    [
        pytest.param(
            {"exit_on": "initialize", "exit_code": 3, "stderr": "it broke\n"},
            "start_failed/exited",
            "exit code 3\nit broke",
            id="d20",
        ),
        pytest.param({"noise": limits.MCP_BAD_LINES_MAX + 1}, "protocol_error", "", id="d22"),
        pytest.param(
            {"flood": limits.MCP_LINE_BYTES_MAX + 1}, "protocol_error/too_large", "", id="d23"
        ),
    ],
)
async def test_d_a_server_that_cannot_be_used_says_why(
    bench: Bench, plan: dict[str, object], reason: str, detail: str
) -> None:
    bench.write(tools=[tool()], **plan)
    async with bench.running(bench.server()) as engine:
        await bench.until(lambda: state_of(engine).state == "failed")
        found = state_of(engine)
    assert found.reason == reason
    assert found.detail.strip() == detail


async def test_d19_a_command_that_is_not_there(bench: Bench) -> None:
    server = bench.server()
    missing = type(server)(
        server.source, server.config_source, type(server.launch)(server.launch.transport, "no-such")
    )
    async with bench.running(missing) as engine:
        await bench.until(lambda: state_of(engine).state == "failed")
        assert state_of(engine).reason == "start_failed/not_found"


async def test_d21_a_server_that_never_answers_the_first_request(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MCP_CONNECT_TIMEOUT_S", 0.2)
    bench.write(tools=[tool()], hang="initialize")
    async with bench.running(bench.server()) as engine:
        await bench.until(lambda: state_of(engine).state == "failed")
        assert state_of(engine).reason == "start_failed/timeout"


async def test_d18_an_undefined_variable_is_named_and_nothing_runs(bench: Bench) -> None:
    bench.write(tools=[])
    async with bench.running(bench.server(env=(("A", "${NOT_THERE}"),))) as engine:
        await bench.until(lambda: state_of(engine).state == "failed")
        found = state_of(engine)
    assert (found.reason, found.detail) == ("config_error", "NOT_THERE")


async def test_d17_what_a_server_says_of_its_secrets_stays_here(bench: Bench) -> None:
    bench.environment["KEY"] = SECRET
    bench.write(exit_on="initialize", stderr=f"bad token {SECRET} and {SECRET.encode().hex()}\n")
    async with bench.running(bench.server(env=(("TOKEN", "${KEY}"),))) as engine:
        await bench.until(lambda: state_of(engine).state == "failed")
        detail = state_of(engine).detail
    assert "bad token [removed] and [removed]" in detail


async def test_x38_a_crash_changes_no_digest_and_the_server_comes_back(bench: Bench) -> None:
    bench.write(tools=[tool()])
    server = bench.server()
    async with bench.running(server) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        before = engine.catalogues()
        bench.write(tools=[tool()], exit_on="tools/call")
        with pytest.raises(ServerFailure) as crash:
            await engine.keeper_of("mcp:fake").call("read", {}, on_progress=unheard)
        assert crash.value.reason == "mcp_server_crashed"
        bench.write(tools=[tool()])
        await bench.until(lambda: state_of(engine).state == "failed")
        assert engine.catalogues() == before
        engine.keeper_of("mcp:fake").try_again()
        await bench.until(lambda: state_of(engine).state == "ready")
        assert engine.catalogues() == before


async def test_x38_a_server_that_crashes_in_its_list_again_and_again_is_tried_less_often(
    bench: Bench,
) -> None:
    waits: list[float] = []
    reasons: list[str] = []
    is_enough = asyncio.Event()

    async def wait(event: asyncio.Event, timeout_s: float) -> None:
        waits.append(timeout_s)
        reasons.append(keeper.status.reason)
        if len(waits) == 4:
            is_enough.set()
            await event.wait()

    bench.write(tools=[tool()], exit_on="tools/list")
    keeper = ServerKeeper(
        bench.server(),
        Surroundings(bench.directory, bench.environment),
        allows_private=False,
        starting=asyncio.Semaphore(1),
        on_change=bench.changed.set,
        clock=SystemClock(),
        waiter=wait,
    )
    keeper._backoff = Backoff(lambda: 1.0, first_ms=1_000, longest_ms=3_000)
    keeping = asyncio.create_task(keeper.run())
    async with asyncio.timeout(60):
        await is_enough.wait()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert waits == [1.0, 2.0, 3.0, 3.0]
    assert reasons == ["start_failed/exited"] * 4


async def test_x39_a_server_that_takes_too_much_memory_ends_and_spoils_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MCP_PROCESS_BYTES_MAX", 256 * limits.MIB)
    bench.write(tools=[tool()])
    greedy, other = bench.server(), bench.server("other", cwd=".")
    async with bench.running(greedy, other) as engine:
        await bench.until(
            lambda: all(state_of(engine, each.source).state == "ready" for each in (greedy, other))
        )
        bench.write(tools=[tool()], allocate=512 * limits.MIB)
        with pytest.raises(ServerFailure) as crash:
            await engine.keeper_of("mcp:fake").call("read", {}, on_progress=unheard)
        assert crash.value.reason == "mcp_server_crashed"
        bench.write(tools=[tool()])
        assert await engine.keeper_of("mcp:other").call("read", {}, on_progress=unheard)


async def test_x41_who_cancels_while_a_server_is_ended_is_let_go_when_nothing_is_left(
    bench: Bench,
) -> None:
    is_ending = asyncio.Event()

    class Told(StdioTransport):
        async def _end(self) -> None:
            is_ending.set()
            await super()._end()

    bench.write(tools=[])
    transport = Told(
        bench.server().launch, directory=bench.directory, environment=bench.environment
    )

    async def use() -> None:
        async with transport:
            pass

    using = asyncio.create_task(use())
    async with asyncio.timeout(60):
        await is_ending.wait()
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
    assert transport.exit_code is not None


async def test_a_changed_list_is_listed_again(bench: Bench) -> None:
    bench.write(tools=[tool("a")])
    server = bench.server()
    key = ("mcp:fake", server.launch.identity)
    async with bench.running(server) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        bench.write(tools=[tool("a"), tool("b")], changed_after="tools/call")
        await engine.keeper_of("mcp:fake").call("a", {}, on_progress=unheard)
        await bench.until(lambda: len(engine.catalogues()[key].catalogue.tools) == 2)


async def test_pages_are_read_to_their_end_and_not_for_ever(bench: Bench) -> None:
    bench.write(tools=[tool(f"t{number}") for number in range(7)], pages=2)
    server, endless = bench.server(), bench.server("endless", cwd=".")
    async with bench.running(server) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        known = engine.catalogues()["mcp:fake", server.launch.identity]
        assert len(known.catalogue.tools) == 7
    bench.write(tools=[tool()], endless=True)
    async with bench.running(endless) as engine:
        await bench.until(lambda: state_of(engine, "mcp:endless").state == "ready")
        assert state_of(engine, "mcp:endless").dropped_tools == (("read", "duplicate_tool"),)


async def test_x37_a_server_that_hangs_holds_back_no_other(bench: Bench) -> None:
    bench.write(tools=[tool()], hang="initialize")
    hanging = [bench.server(f"slow{n}", cwd="." + "/." * n) for n in range(3)]
    async with bench.running(*hanging) as engine:
        await bench.until(
            lambda: all(state_of(engine, each.source).state == "connecting" for each in hanging)
        )
        quick = bench.server("quick")
        bench.write(tools=[tool()])
        engine.list_servers((*hanging, quick))
        engine.approve(approvals_of(*hanging, quick))
        await bench.until(lambda: state_of(engine, "mcp:quick").state == "ready")


async def test_x37_a_later_list_that_takes_too_long_is_told_as_such(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(tools=[tool("a")])
    server = bench.server()
    async with bench.running(server) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        before = engine.catalogues()
        monkeypatch.setattr(limits, "MCP_CONNECT_TIMEOUT_S", 0.2)
        bench.write(tools=[tool("b")], changed_after="tools/call", hang="tools/list")
        await engine.keeper_of("mcp:fake").call("a", {}, on_progress=unheard)
        await bench.until(lambda: state_of(engine).state == "failed")
        assert state_of(engine).reason == "start_failed/timeout"
        assert engine.catalogues() == before


async def test_what_was_known_survives_a_restart_of_the_agent(bench: Bench) -> None:
    bench.write(tools=[tool()])
    server = bench.server()
    async with bench.running(server) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        before = engine.catalogues()
    assert bench.engine().catalogues() == before
    kept = bench.directory / "state" / "catalogues.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    for broken in ("", "{}", kept.read_text(encoding="utf-8").replace("Y", "Z")):
        kept.write_text(broken, encoding="utf-8")
        assert bench.engine().catalogues() == {}


async def test_calls_run_side_by_side_and_say_their_progress(bench: Bench) -> None:
    bench.write(tools=[tool("a"), tool("b")])
    async with bench.running(bench.server()) as engine:
        await bench.until(lambda: state_of(engine).state == "ready")
        calls = [
            engine.keeper_of("mcp:fake").call(name, {"n": n}, on_progress=unheard)
            for n, name in enumerate("abab")
        ]
        answers = [json.loads(each.content[0].text) for each in await asyncio.gather(*calls)]
    assert [answer["arguments"] for answer in answers] == [{"n": n} for n in range(4)]
