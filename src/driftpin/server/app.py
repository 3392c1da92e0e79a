"""The composition of the server: what it owns, in which order it starts, and how it stops.

    database, store ── prepared and locked before anything is served
    wake-ups         ── say that something was committed, here or by another replica
    tailer           ── lets streams look again at every wake-up, and ends them
    turn workers     ── given from outside; claim and carry out turns
    drift keeper     ── works out drifts behind accepted pushes
    collector        ── removes what nothing names any more
    pulse            ── notices by looking what nobody told: events, schema, the pause switch
    links            ── the sockets of workspace agents, their rows, and calls over them

Stopping goes the other way round: streams and links end first, so that no connection holds the
server up, then workers leave their turns to whoever comes next, then the database is closed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp

from driftpin import __version__, limits
from driftpin.clock import Clock
from driftpin.identity import WORKER, RandomIds
from driftpin.operations.close_lost_calls import close_lost_calls
from driftpin.operations.collect_garbage import collect_garbage
from driftpin.operations.forget_holders import forget_holders
from driftpin.operations.forget_links import forget_links
from driftpin.operations.prepare_deployment import (
    RESTORE_EPOCH,
    SIGNING_KEY,
    prepare_deployment,
)
from driftpin.server.agent_calls import AgentCalls
from driftpin.server.cursors import Cursors, Sealer
from driftpin.server.drift_keeper import DriftKeeper
from driftpin.server.gate import Gate
from driftpin.server.header_limit import HeaderLimit
from driftpin.server.link_keeper import LinkKeeper
from driftpin.server.links import Links
from driftpin.server.listeners import Listeners
from driftpin.server.mcp_door import McpDoor
from driftpin.server.measuring import Measured
from driftpin.server.metrics import Metrics
from driftpin.server.openapi import describe
from driftpin.server.page_guard import PageGuard
from driftpin.server.problems import install_problems
from driftpin.server.pulse import STOPPING, Pulse
from driftpin.server.routes import (
    accounts,
    agent,
    approvals,
    assets,
    chats,
    context,
    events,
    health,
    messages,
    pages_chats,
    pages_context,
    pages_policies,
    pages_refreshing,
    pages_reviews,
    pages_signing_in,
    pages_turns,
    pages_workspaces,
    pin_gateway,
    policies,
    receipts,
    reviews,
    signing_in,
    snapshots,
    sync,
    turns,
    workspaces,
)
from driftpin.server.routes import metrics as metrics_route
from driftpin.server.secure_headers import SecureHeaders
from driftpin.server.services import ServerOptions, Services, TurnWorkers
from driftpin.server.stock_counter import StockCounter
from driftpin.server.tailer import Tailer
from driftpin.store.database import Database, EngineKind
from driftpin.store.schema import prepare_schema
from driftpin.store.startup import check_storage, lock_database
from driftpin.store.store import Store
from driftpin.store.wake_ups import wake_ups_of
from driftpin.store.wal import watch_wal

log = structlog.get_logger(__name__)

WorkersFactory = Callable[[Store, Clock, AgentCalls], TurnWorkers]


def build_app(services: Services) -> FastAPI:
    """Return the application over services that somebody else starts and stops."""
    app = _App(
        title="driftpin",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False},
    )
    app.state.services = services
    for room in (
        health,
        accounts,
        signing_in,
        workspaces,
        approvals,
        policies,
        chats,
        context,
        messages,
        receipts,
        turns,
        snapshots,
        reviews,
        events,
        sync,
        metrics_route,
        agent,
        pin_gateway,
        assets,
        pages_chats,
        pages_context,
        pages_policies,
        pages_refreshing,
        pages_reviews,
        pages_signing_in,
        pages_turns,
        pages_workspaces,
    ):
        app.include_router(room.router)
    install_problems(app)
    app.add_middleware(PageGuard, rule=services.options.hosts)
    app.add_middleware(HeaderLimit)
    app.add_middleware(
        Measured,
        metrics=services.metrics,
        spans=services.store.database.spans,
        clock=services.clock,
    )
    app.openapi = lambda: _described_once(app)  # type: ignore[method-assign] # the documented way
    return app


class _App(FastAPI):
    """An application whose every answer, that of a fault too, has the secure headers."""

    def build_middleware_stack(self) -> ASGIApp:
        return SecureHeaders(super().build_middleware_stack())


def _described_once(app: FastAPI) -> dict[str, Any]:
    """Return the description; it takes long to make, and anybody may ask for it."""
    if app.openapi_schema is None:
        app.openapi_schema = describe(app)
    return app.openapi_schema


def compose_services(
    store: Store,
    clock: Clock,
    cursors: Cursors,
    *,
    options: ServerOptions,
    make_workers: WorkersFactory | None = None,
    is_shared: bool = True,
) -> Services:
    """Return the services of one process, of which nothing runs yet."""
    holder = RandomIds().fresh(clock.now())
    tailer, links, metrics = Tailer(), Links(), Metrics()
    pulse = Pulse(store, tailer, cursors, on_resume=lambda: links.tell_all("resume"))
    calls = AgentCalls(store, links, tailer, holder=holder, count=metrics.count_call)
    workers = None if make_workers is None else make_workers(store, clock, calls)
    metrics.watch(store, pulse, links, {} if workers is None else workers.counts)
    renew_s = limits.LINK_RENEW_S if is_shared else limits.LINK_RENEW_ALONE_S
    return Services(
        store=store,
        clock=clock,
        cursors=cursors,
        tailer=tailer,
        pulse=pulse,
        metrics=metrics,
        stock_counter=StockCounter(store, clock),
        links=links,
        listeners=Listeners(store),
        link_keeper=LinkKeeper(store, links, tailer, holder=holder, renew_s=renew_s),
        calls=calls,
        gate=Gate(clock),
        drift_keeper=DriftKeeper(store),
        mcp=McpDoor(store, calls, cursors, options.tools),
        options=options,
        workers=workers,
    )


class Server:
    """Everything that one server process owns. Enter `running` once, then serve its `app`."""

    def __init__(
        self,
        database: Database,
        *,
        options: ServerOptions,
        make_workers: WorkersFactory | None = None,
    ) -> None:
        """Own `database` from here on; `make_workers` gives the turn workers, if there are any."""
        self._database = database
        self._options = options
        self._make_workers = make_workers
        self._wake_ups = wake_ups_of(database)
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        """The services; there while `running` is entered."""
        assert self._services is not None, "the server runs"
        return self._services

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FastAPI]:
        """Prepare storage, start what works by itself, give the application, and stop it all.

        Raises UsageError for storage that cannot be used, before anything is served.
        """
        lock = lock_database(self._database)
        try:
            await prepare_schema(self._database)
            for warning in await check_storage(self._database):
                log.warning(warning.code, detail=warning.message)
            self._services = await self._compose()
            async with self._working(self._services):
                yield build_app(self._services)
        finally:
            await self._database.close()
            if lock is not None:
                lock.release()

    async def drain(self) -> None:
        """Be ready no more, and go on serving for as long as balancers need to notice it."""
        self.services.pulse.stop()
        await asyncio.sleep(self._options.drain_s)

    async def begin_to_stop(self) -> None:
        """End streams and links, and free the turns; safe to call twice.

        Nothing keeps a connection open then, and other servers hear of the turns from this one.
        """
        self.services.pulse.stop()
        self.services.tailer.close(STOPPING)
        if self.services.workers is not None:
            await self.services.workers.stop()
        await self.services.calls.drain()
        await self.services.links.close_all()

    async def _compose(self) -> Services:
        store, clock = Store(self._database), self._database.clock
        await prepare_deployment(store, WORKER)
        key = await store.get_deployment(WORKER, SIGNING_KEY)
        epoch = await store.get_deployment(WORKER, RESTORE_EPOCH)
        assert key is not None, "the deployment is prepared"
        assert epoch is not None, "the deployment is prepared"
        if not self._is_shared:
            await forget_links(store, WORKER)
            await forget_holders(store, WORKER)
            await close_lost_calls(store, WORKER)
        services = compose_services(
            store,
            clock,
            Cursors(Sealer(bytes.fromhex(key)), clock, int(epoch)),
            options=self._options,
            make_workers=self._make_workers,
            is_shared=self._is_shared,
        )
        self._database.announce_commits_to(self._wake_ups.announce, self._wake_ups.announce_step)
        self._wake_ups.listen(services.tailer.wake)
        if services.workers is not None:
            self._wake_ups.listen(services.workers.wake, to_steps=False)
        await services.pulse.look()
        return services

    @property
    def _is_shared(self) -> bool:
        """Whether other processes may serve the same database; an SQLite file has one server."""
        return self._database.engine_kind is EngineKind.POSTGRESQL

    @asynccontextmanager
    async def _working(self, services: Services) -> AsyncIterator[None]:
        loops: list[Coroutine[Any, Any, None]] = [
            self._wake_ups.carry(),
            services.drift_keeper.run_forever(),
            services.link_keeper.run_forever(),
            _collect_forever(services.store, self._options, services.metrics),
            watch_wal(self._database),
        ]
        if self._is_shared:
            # Of what this process alone does nothing is lost, and nobody else does anything.
            loops += [services.pulse.beat_forever(), services.calls.run_forever()]
        tasks = [asyncio.create_task(loop) for loop in loops]
        if services.workers is not None:
            await services.workers.start()
        try:
            yield
        finally:
            await self.begin_to_stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _collect_forever(store: Store, options: ServerOptions, metrics: Metrics) -> None:
    while True:
        await asyncio.sleep(options.collection_interval_s)
        try:
            await close_lost_calls(store, WORKER)
            while not (report := await collect_garbage(store, WORKER, options.retention)).is_empty:
                for kind, count in asdict(report).items():
                    metrics.collected.labels(kind).inc(count)
        except Exception:
            log.exception("garbage_not_collected")


__all__ = ["Server", "WorkersFactory", "build_app", "compose_services"]
