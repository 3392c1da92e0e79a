"""Secrets stay: forty of them in a workspace, real processes, ordinary use and faults, 0 hits.

Everything that leaves the agent is gathered and searched: what goes over the wire, the database
with its log, what both processes say, replies, events, prompts and receipts, exported trees,
backups, the local socket, command lines, and what a crash leaves. A tracer in an instruction file,
which may go everywhere, shows that every place was really looked into.
"""

import asyncio
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from sqlalchemy import make_url

from canaries.secrets import make_canaries, traces_of
from canaries.sinks import Sinks, Tap
from canaries.stage import CONFIGS, TRACER, Stage, Watched, free_port
from cli.machine import Machine
from driftpin.cli.remembered import Remembered
from driftpin.client import Client
from driftpin.store.database import EngineKind
from driftpin.wire.api import CreateAgentRequest, CreateChatRequest, CreateWorkspaceRequest
from driftpin.wire.turns import SendMessageRequest
from outcome import Outcome
from own_postgres import own_postgres
from tcp_proxy import proxied, target_of

PUBLISHED = "published"
SERVES = "driftpin serves at"
# Where context goes, the tracer must have come: else that place was not looked into.
TRACED = (*("agent wire, sent", "api", "backup", "commands", "database", "export", "prompt"),)
HEARD = (
    *("server log", "agent log", "local socket", "command lines", "agent wire, answered"),
    "events",
)
DATABASE_PASSWORD = "5ecret-0f-the-database"


def run(count: int, seed: int) -> Outcome:
    """Scan every sink `count` times on each engine."""
    outcome = Outcome()
    for number in range(count):
        for kind in EngineKind:
            scan(kind, seed + number, outcome)
    outcome.require("secrets", "server_kills", "agent_crashes", "broken_configs", "refused_pushes")
    return outcome


def scan(kind: EngineKind, seed: int, outcome: Outcome) -> Sinks:
    """Use the product, hurt it, and search; returns all that was gathered."""
    sinks = Sinks()
    with tempfile.TemporaryDirectory(prefix="dp-") as place, _database(kind) as url:
        machine = Machine(Path(place) / "m", Path(place) / "bytecode")
        machine.root.mkdir()
        if url is not None:
            secret = make_url(url).set(password=DATABASE_PASSWORD)
            machine.variables["DRIFTPIN_DATABASE_URL"] = secret.render_as_string(False)
        stage = Stage(machine, make_canaries(seed), sinks, free_port())
        stage.plant()
        tokens = asyncio.run(_play(stage, outcome))
        _gather(stage, url)
        _judge(stage, tokens, outcome)
    return sinks


@contextmanager
def _database(kind: EngineKind) -> Iterator[str | None]:
    if kind is EngineKind.SQLITE:
        yield None
        return
    with own_postgres() as server:
        yield server.url


async def _play(stage: Stage, outcome: Outcome) -> dict[str, str]:
    async with (
        proxied(target_of(stage.url), lambda: Tap(stage.sinks, "agent wire")) as proxy,
        stage.server() as server,
    ):
        await server.until(SERVES)
        tokens, workspace_id = await _enrol(stage)
        async with stage.agent(proxy.url, tokens["agent token"]) as agent:
            await agent.until(PUBLISHED)
            _see_processes(stage, server, agent)
            await _use(stage, tokens["user token"], workspace_id)
            await _break_configs(stage, outcome)
            await _refuse_pushes(stage, tokens["user token"], outcome)
            await server.end(signal.SIGKILL)
            outcome.seen["server_kills"] += 1
            stage.write_rules("while the server is down")
            await agent.until("cannot be reached")
            async with stage.server() as second:
                await second.until(SERVES)
                await _until_published(agent)
                await agent.end(signal.SIGABRT)
                outcome.seen["agent_crashes"] += 1
                await _use_anew(stage, proxy.url, tokens, workspace_id)
                await second.end(signal.SIGTERM)
    return tokens


async def _use_anew(stage: Stage, url: str, tokens: dict[str, str], workspace_id: str) -> None:
    stage.write_rules("after the crash")
    async with stage.agent(url, tokens["agent token"]) as again:
        await again.until(PUBLISHED)
        chat_id = await _use(stage, tokens["user token"], workspace_id)
        await _take_away(stage, chat_id)
        await again.end(signal.SIGTERM)


async def _until_published(agent: Watched) -> None:
    await agent.until(PUBLISHED, times=agent.count(PUBLISHED) + 1)


async def _enrol(stage: Stage) -> tuple[dict[str, str], str]:
    known = Remembered(stage.machine.state).find_server()
    assert known is not None
    async with Client(stage.url, known.token) as client:
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="w"))
        enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
    return {"user token": known.token, "agent token": enrolled.token}, workspace.id


def _see_processes(stage: Stage, server: Watched, agent: Watched) -> None:
    for watched in (server, agent):
        stage.sinks.add_process("command lines", watched.process.pid)


async def _use(stage: Stage, token: str, workspace_id: str) -> str:
    """Do what people do: look, talk, compare; return the chat."""
    async with Client(stage.url, token) as client:
        chat = await client.create_chat(CreateChatRequest(workspace_id=workspace_id))
        sent = await client.send_message(chat.id, SendMessageRequest(text="hello"))
        async with asyncio.timeout(60), client.watch_chat(chat.id, turn=sent.turn.number) as told:
            async for event in told:
                if '"done"' in event.text:
                    break
        stage.write_rules(f"after chat {chat.id}")
        await stage.resync()
    await stage.ask_socket()
    await _read_everything(stage, token, workspace_id, chat.id)
    return chat.id


async def _take_away(stage: Stage, chat_id: str) -> None:
    """Say every command that shows or writes something."""
    export = stage.machine.root / f"export-{chat_id}"
    for words in (
        *(("status", "--json"), ("scan", "--json"), ("config", "--json"), ("fsck", "--json")),
        *(("explain", CONFIGS[0]), ("show", chat_id), ("diff", chat_id), ("history", chat_id)),
        *(("receipt", chat_id), ("export", chat_id, str(export)), ("resync",)),
        ("backup", str(stage.machine.root / "a.backup")),
    ):
        await stage.command(*words)


async def _read_everything(stage: Stage, token: str, workspace_id: str, chat_id: str) -> None:
    chat, workspace = f"/chats/{chat_id}", f"/workspaces/{workspace_id}"
    paths = (
        *("/me", "/users", "/tokens", "/workspaces", "/chats", workspace, f"{workspace}/agents"),
        *(f"{workspace}/context", chat, f"{chat}/context", f"{chat}/context/drift?diff=1&cost=1"),
        *(f"{chat}/context/history", f"{chat}/messages", f"{chat}/turns", f"{chat}/export"),
    )
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=f"{stage.url}/api/v1", headers=headers) as http:
        for path in paths:
            stage.sinks.add("api", (await http.get(path)).content)
        prompt = await http.get(f"{chat}/turns/1/receipt?prompt=1")
        stage.sinks.add("prompt", prompt.content)
        for digest in (await http.get(f"{workspace}/context")).json()["resources"]:
            if digest.get("digest"):
                stage.sinks.add("api", (await http.get(f"/blobs/{digest['digest']}")).content)
        async with http.stream("GET", "/events") as events:
            stage.write_rules(f"seen by events {chat_id}")
            await stage.resync()
            async for line in events.aiter_lines():
                stage.sinks.add("events", line)
                if line.startswith("data:"):
                    break


async def _break_configs(stage: Stage, outcome: Outcome) -> None:
    """Break each config another way, and put it back."""
    workspace = stage.machine.workspace
    for number, name in enumerate(CONFIGS):
        path = workspace / name
        kept = path.read_bytes()
        path.write_bytes(kept[: len(kept) * (number + 1) // 4])
        await stage.resync()
        path.unlink()
        path.symlink_to("/proc/self/environ") if number % 2 else path.mkdir()
        await stage.resync()
        await stage.ask_socket()
        path.unlink() if number % 2 else path.rmdir()
        path.write_bytes(kept)
        path.chmod(0)
        await stage.resync()
        path.chmod(0o600)
        outcome.seen["broken_configs"] += 1


async def _refuse_pushes(stage: Stage, token: str, outcome: Outcome) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=f"{stage.url}/api/v1", headers=headers) as http:
        await http.put("/sync", json={"paused": True})
        stage.write_rules("while pushes are refused")
        refused = await http.get("/sync")
        outcome.seen["refused_pushes"] += refused.json()["paused"]
        await stage.ask_socket()
        await http.put("/sync", json={"paused": False})
    await stage.resync()


def _gather(stage: Stage, url: str | None) -> None:
    machine, sinks = stage.machine, stage.sinks
    if url is None:
        for path in machine.state.glob("driftpin.db*"):
            sinks.add("database", path.read_bytes())
    else:
        asyncio.run(sinks.add_postgres(url))
    for path in machine.root.iterdir():
        if path.name.startswith("export-"):
            sinks.add_tree("export", path)
    sinks.add_backup(machine.root / "a.backup")
    for left in (machine.root, Path.cwd()):
        for path in left.glob("core*"):
            sinks.add("crash files", path.read_bytes() if path.is_file() else b"")


def _judge(stage: Stage, tokens: dict[str, str], outcome: Outcome) -> None:
    sinks = stage.sinks
    outcome.seen["secrets"] += len(stage.canaries)
    outcome.seen["sinks"] += len(sinks.found)
    outcome.measured["searched_mib"] = round(
        outcome.measured.get("searched_mib", 0) + sum(map(len, sinks.found.values())) / 2**20,
        1,
    )
    hits = sinks.hits({canary.place: canary.traces for canary in stage.canaries})
    others = {**tokens, "database password": DATABASE_PASSWORD}
    found = sinks.hits({name: traces_of(text) for name, text in others.items()})
    # The agent shows its own token to the server, and to nobody else.
    hits += [hit for hit in found if hit != "agent token in agent wire, sent"]
    outcome.broken += [f"a secret got out: {hit}" for hit in hits]
    for name in TRACED:
        traced = sinks.hits({TRACER: traces_of(TRACER)})
        outcome.seen[f"traced in {name}"] += f"{TRACER} in {name}" in traced
        outcome.require(f"traced in {name}")
    for name in HEARD:
        outcome.seen[f"heard {name}"] += name in sinks.found
        outcome.require(f"heard {name}")


__all__ = ["run", "scan"]
