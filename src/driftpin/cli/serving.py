"""A server put together from the settings: `serve`, `fsck`, and the server inside `up`."""

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from driftpin.cli import output
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.remembered import KnownServer, Remembered
from driftpin.clock import Clock, SystemClock
from driftpin.context.tool_check import ChangePolicy
from driftpin.errors import UsageError
from driftpin.identity import WORKER, RandomIds
from driftpin.models.port import Model
from driftpin.models.registry import get_model
from driftpin.operations.check_store import StoreFinding, check_store
from driftpin.operations.collect_garbage import Retention
from driftpin.runner.agent_tools import AgentTools, ToolRules
from driftpin.runner.worker import TurnWorker
from driftpin.server.agent_calls import AgentCalls
from driftpin.server.app import Server
from driftpin.server.bootstrap import ensure_first_user
from driftpin.server.cycles import look_for_cycles_seldom
from driftpin.server.hosts import host_rule
from driftpin.server.logs import configure_logs
from driftpin.server.serve import bind, url_of
from driftpin.server.serve import serve as serve_http
from driftpin.server.services import ServerOptions
from driftpin.server.sockets import Sockets, take_all_handles
from driftpin.server.traces import spans_from
from driftpin.settings import Settings, database_address, load_settings, state_directory
from driftpin.store.database import Database, sqlite_path
from driftpin.store.store import Store
from driftpin.store.values import Quotas


class EnvironmentModels:
    """Models by name, with keys from the environment of this process."""

    def get(self, name: str) -> Model:
        """Return the model, or raise Rejected with what is missing."""
        return get_model(name, os.environ)


def build_server(settings: Settings) -> Server:
    """Return the server that the settings describe, with turn workers; nothing is opened yet."""
    options = ServerOptions(
        agents_may_refresh=settings.agent_refresh,
        hosts=host_rule(settings.host, settings.allowed_hosts),
        drain_s=settings.drain_s,
        retention=Retention(
            grace=timedelta(seconds=settings.garbage_grace_s),
            heads=timedelta(days=settings.heads_kept_days),
            history=timedelta(days=settings.history_kept_days),
            events=timedelta(days=settings.events_kept_days),
        ),
        collection_interval_s=settings.collection_interval_s,
        tools=ToolRules(ChangePolicy(settings.changed_tools), settings.tool_timeout_s),
    )
    return Server(
        get_database(settings), options=options, make_workers=partial(_make_workers, options.tools)
    )


def serve(flags: Mapping[str, object]) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    settings = load_settings(flags).settings
    asyncio.run(_serve(settings, Remembered(state_directory(settings))))


async def _serve(settings: Settings, remembered: Remembered) -> None:
    async with start_server(settings, remembered) as (known, serving):
        say(f"driftpin serves at {known.url}; your token is in {str(remembered.directory)!r}.")
        await serving


@asynccontextmanager
async def start_server(
    settings: Settings, remembered: Remembered
) -> AsyncIterator[tuple[KnownServer, asyncio.Task[None]]]:
    """Give a server that answers, with its local user, and the task that serves.

    The task ends at SIGTERM or SIGINT; at the end of the block the server is stopped.
    """
    configure_logs(settings.log_level.value)
    remembered.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = bind(settings.host, settings.port)
    answers = asyncio.Event()
    server = build_server(settings)
    take_all_handles()
    look_for_cycles_seldom()
    sockets = Sockets(settings.trusted_proxies)
    serving = asyncio.create_task(
        serve_http(server, listener, on_ready=answers.set, sockets=sockets)
    )
    try:
        await _until_answering(serving, answers)
        # What is loaded by now stays for good; looked through for garbage it would hold up answers.
        gc.freeze()
        yield await _sign_in(server.services.store, remembered, url_of(listener)), serving
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _until_answering(serving: asyncio.Task[None], answers: asyncio.Event) -> None:
    """Return when the server answers; raise what kept it from it."""
    waiting = asyncio.create_task(answers.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        serving.result()
        raise Finished(ExitCode.CLEAN)


async def _sign_in(store: Store, remembered: Remembered, url: str) -> KnownServer:
    """Return this server with a token of its local user, the one of last time while it is good."""
    before = remembered.find_server()
    local = await ensure_first_user(store, None if before is None else before.token)
    known = KnownServer(url=url, token=local.token, user_id=local.user_id, pid=os.getpid())
    remembered.keep_server(known)
    return known


def check(flags: Mapping[str, object], *, as_json: bool) -> None:
    """Check the store; findings where an invariant does not hold."""
    settings = load_settings(flags).settings
    configure_logs(settings.log_level.value)
    path = sqlite_path(get_database(settings).url)
    if path is not None and not path.is_file():
        raise UsageError(f"There is no database at {str(path)!r}.", code="no_database")
    with output.progress("Checking every pin and every byte …"):
        findings = asyncio.run(_check(settings))
    if as_json:
        listed = [{"rule": each.rule.value, "subject": each.subject} for each in findings]
        output.write_json({"findings": listed})
    elif findings:
        output.write_table(("rule", "subject"), ((each.rule, each.subject) for each in findings))
    else:
        say("sound: every pin is explained and every byte is what its name says.")
    if findings:
        raise Finished(ExitCode.FINDINGS)


async def _check(settings: Settings) -> tuple[StoreFinding, ...]:
    database = get_database(settings)
    try:
        return await check_store(Store(database), WORKER)
    finally:
        await database.close()


def get_database(settings: Settings) -> Database:
    """Return the database that the settings name; nothing is opened yet."""
    quotas = Quotas(settings.workspace_bytes_max or None, settings.user_bytes_max or None)
    return Database(
        database_address(settings),
        clock=SystemClock(),
        ids=RandomIds(),
        quotas=quotas,
        spans=spans_from(os.environ),
    )


def _make_workers(rules: ToolRules, store: Store, clock: Clock, calls: AgentCalls) -> TurnWorker:
    name = f"{socket.gethostname()}-{os.getpid()}-{RandomIds().fresh(clock.now())}"
    tools = AgentTools(store, calls, rules)
    return TurnWorker(store, EnvironmentModels(), clock, name=name, agent_tools=tools)


__all__ = ["EnvironmentModels", "build_server", "check", "get_database", "serve", "start_server"]
