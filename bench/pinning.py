"""Pinning by reference beside pinning by copy: the same verbs, the same PostgreSQL, one run."""

import gc
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Column, Integer, MetaData, Table, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.copying import Body, CopyingStore
from bench.report import Report, in_turn_ms, median, spread, times_ms
from bench.world import Contents, World, contents, open_engine, open_store, postgres, wal_bytes
from driftpin.context.resource import InstructionBody
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.refresh_workspace_chats import refresh_workspace_chats
from driftpin.store.store import Store

CHATS = 1_000
KIB = 1024
FLOOR_RUNS, PUSH_RUNS, REFRESH_RUNS = 100, 20, 30


@dataclass(slots=True)
class Sides:
    """The two stores with the same chats and the same files."""

    world: World
    copying: CopyingStore
    engine: AsyncEngine
    count: int
    body_bytes: int
    changes: int = 0

    def changed(self) -> Contents:
        """Return the files with one of them edited once more."""
        self.changes += 1
        return contents(self.count, self.body_bytes, changed=self.changes)

    async def copy_push(self, pushed: Contents) -> None:
        await self.copying.push(
            "agent", bytes.fromhex(pushed.snapshot.digest[7:]), bodies_of(pushed)
        )


def bodies_of(pushed: Contents) -> list[Body]:
    listed = []
    for resource in pushed.snapshot.resources:
        assert isinstance(resource.body, InstructionBody), "only files are pushed here"
        digest = resource.body.digest
        listed.append(Body(resource.source, bytes.fromhex(digest[7:]), pushed.bodies[digest]))
    return listed


async def run(report: Report) -> None:
    with postgres() as url:
        async with open_store(url) as store, open_engine(url, "REPEATABLE READ") as engine:
            floor_ms = await _floor(report, engine)
            await _compare(report, store, engine, floor_ms)
    with postgres() as url:
        async with open_store(url) as store, open_engine(url, "REPEATABLE READ") as engine:
            await _compare_large(report, store, engine)
    with postgres() as url:
        async with open_store(url) as store:
            await _scale(report, store)


async def _floor(report: Report, engine: AsyncEngine) -> float:
    """Time the least that a durable change can cost: one row, one commit, the same driver."""
    report.section("The floor: a one-row commit through the same driver")
    metadata = MetaData(schema="copying")
    row = Table("floor", metadata, Column("id", Integer, primary_key=True), Column("n", Integer))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(row.insert().values(id=1, n=0))

    async def commit(number: int) -> None:
        async with engine.begin() as connection:
            await connection.execute(update(row).where(row.c.id == 1).values(n=number))

    await times_ms(commit, 10)
    taken = await times_ms(commit, FLOOR_RUNS)
    report.tell("one-row commit", spread(taken))
    return median(taken)


async def _sides(store: Store, engine: AsyncEngine, count: int, body_bytes: int) -> Sides:
    world = World(store)
    await world.build(CHATS)
    copying = CopyingStore(engine)
    await copying.create_tables()
    await copying.create_chats("agent", world.chat_ids)
    return Sides(world, copying, engine, count, body_bytes)


async def _compare(report: Report, store: Store, engine: AsyncEngine, floor_ms: float) -> None:
    sides = await _sides(store, engine, 200, 8 * KIB)
    report.section(f"{CHATS:,} chats, 200 resources of 8 KiB, PostgreSQL: copies ÷ references")
    await _first_push(report, sides, floor_ms)
    await _unchanged_push(report, sides, floor_ms)
    await _refresh_one(report, sides, floor_ms, 6)
    await _refresh_all(report, sides, floor_ms)


async def _first_push(report: Report, sides: Sides, floor_ms: float) -> None:
    first = contents(sides.count, sides.body_bytes)
    upload = await times_ms(lambda _: sides.world.upload(first), 1)
    before = await wal_bytes(sides.engine)
    ours = await times_ms(lambda _: sides.world.push(first), 1)
    between = await wal_bytes(sides.engine)
    theirs = await times_ms(lambda _: sides.copy_push(first), 1)
    after = await wal_bytes(sides.engine)
    report.at_least(
        "first push", theirs[0] / ours[0], 80, f"{theirs[0]:,.0f} ms ÷ {ours[0]:,.1f} ms"
    )
    report.tell("first push ÷ floor", f"{ours[0] / floor_ms:,.1f}×")
    together = ours[0] + upload[0]
    report.tell(
        "first push, upload of all bodies included",
        f"{theirs[0] / together:,.1f}× ({theirs[0]:,.0f} ms ÷ {together:,.1f} ms)",
    )
    written, copied = between - before, after - between
    report.at_least(
        "bytes written for pinning",
        copied / written,
        500,
        f"{copied / 2**20:,.1f} MiB ÷ {written / 2**20:,.2f} MiB of write-ahead log",
    )


async def _unchanged_push(report: Report, sides: Sides, floor_ms: float) -> None:
    same = contents(sides.count, sides.body_bytes)
    ours, theirs = await in_turn_ms(
        lambda _: sides.world.push(same), lambda _: sides.copy_push(same), PUSH_RUNS
    )
    _ratio(report, "unchanged push", theirs, ours, 40, floor_ms)


async def _refresh_one(
    report: Report, sides: Sides, floor_ms: float, bound: float, runs: int = REFRESH_RUNS
) -> None:
    await _drift(sides)
    world = sides.world
    gc.collect()
    ours, theirs = await in_turn_ms(
        lambda n: refresh_context(world.store, world.owner, world.chat_ids[n], to=None),
        lambda n: sides.copying.refresh(world.chat_ids[n]),
        runs,
    )
    _ratio(report, f"refresh of one chat, {sides.count} resources", theirs, ours, bound, floor_ms)


async def _refresh_all(report: Report, sides: Sides, floor_ms: float) -> None:
    await _drift(sides)
    world = sides.world

    async def refresh_copies(_: int) -> None:
        for chat_id in world.chat_ids:
            await sides.copying.refresh(chat_id)

    ours = await times_ms(
        lambda _: refresh_workspace_chats(world.store, world.owner, world.workspace_id), 1
    )
    theirs = await times_ms(refresh_copies, 1)
    _ratio(report, "refresh of all chats", theirs, ours, 200, floor_ms)


async def _drift(sides: Sides) -> None:
    changed = sides.changed()
    await sides.world.upload(changed)
    await sides.world.push(changed)
    await sides.copy_push(changed)


def _ratio(
    report: Report,
    name: str,
    theirs: list[float],
    ours: list[float],
    bound: float,
    floor_ms: float,
) -> None:
    detail = f"{median(theirs):,.1f} ms ÷ {median(ours):,.2f} ms"
    report.at_least(name, median(theirs) / median(ours), bound, detail)
    report.tell(f"{name} ÷ floor", f"{median(ours) / floor_ms:,.1f}×")


async def _compare_large(report: Report, store: Store, engine: AsyncEngine) -> None:
    floor_ms = await _floor(report, engine)
    sides = await _sides(store, engine, 500, 4 * KIB)
    report.section(f"{CHATS:,} chats, 500 resources of 4 KiB, PostgreSQL: copies ÷ references")
    first = contents(sides.count, sides.body_bytes)
    await sides.world.upload(first)
    await sides.world.push(first)
    await sides.copy_push(first)
    await _refresh_one(report, sides, floor_ms, 12)


async def _scale(report: Report, store: Store) -> None:
    """Push an edit with one bound chat and with ten thousand; both worlds in one database."""
    report.section("A changed push of 200 resources, by the number of pinned chats")
    worlds = [World(store), World(store)]
    for world, chat_count in zip(worlds, (1, 10_000), strict=True):
        await world.build(chat_count)
        first = contents(200, 8 * KIB)
        await world.upload(first)
        await world.push(first)
    taken: dict[int, list[float]] = {0: [], 1: []}
    # In turn, so that a slow moment of the machine meets both.
    for number in range(1, PUSH_RUNS + 1):
        changed = contents(200, 8 * KIB, changed=number)
        for side, world in enumerate(worlds):
            await world.upload(changed)
            taken[side] += await times_ms(partial(_push, world, changed), 1)
    report.tell("with 1 chat", spread(taken[0]))
    report.tell("with 10,000 chats", spread(taken[1]))
    report.at_most("10,000 chats ÷ 1 chat", median(taken[1]) / median(taken[0]), 1.5, "×")


async def _push(world: World, pushed: Contents, _: int) -> None:
    await world.push(pushed)
