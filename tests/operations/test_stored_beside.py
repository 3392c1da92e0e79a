"""A pushed snapshot is stored beside the head: whatever they share, its rows are all its own."""

import random
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import (
    Catalogue,
    InstructionBody,
    Kind,
    Resource,
    ServerBody,
    SkillBody,
    SkillFile,
    Status,
    ToolEntry,
)
from driftpin.identity import WORKER, Digest, digest_of
from driftpin.operations.accept_snapshot import Push
from driftpin.operations.check_store import check_store
from driftpin.store.store import Store
from driftpin.store.tables import blobs, snapshot_entries, snapshots
from driftpin.store.writing.snapshots import Line, lines_of

TEXTS = ("be kind", "be brief", "be {}", "")
PUSHES = 40


def digest(text: str) -> Digest:
    return digest_of(text.encode())


def drawn(draw: random.Random, source: str) -> Resource:
    """Return one of the few states that a source may be in, whatever its kind."""
    first, second = draw.choices([digest(text) for text in TEXTS], k=2)
    file = SkillFile("SKILL.md", executable=False, digest=first)
    states = [
        Resource(Kind.INSTRUCTION_FILE, source, Status.OK, body=InstructionBody(first)),
        Resource(Kind.INSTRUCTION_FILE, source, Status.INVALID, draw.choice(["a", "b"])),
        Resource(Kind.SKILL, source, Status.OK, body=SkillBody("a", "does", (file,))),
        Resource(
            Kind.SKILL,
            source,
            Status.OK,
            body=SkillBody("a", "does", (file, replace(file, path="b.sh", digest=second))),
        ),
        Resource(Kind.MCP_CONFIG, source, Status.OK),
        Resource(Kind.MCP_SERVER, source, Status.OK, body=ServerBody(first, None)),
        Resource(
            Kind.MCP_SERVER,
            source,
            Status.OK,
            body=ServerBody(first, Catalogue(second, (ToolEntry("look", second),))),
        ),
    ]
    return draw.choice(states)


def drawn_snapshot(draw: random.Random, before: Snapshot | None) -> Snapshot:
    """Return a snapshot that keeps some of another's resources, replaces some and drops some."""
    kept = {} if before is None else {each.source: each for each in before.resources}
    for place in range(8):
        source = f"workspace:{place}"
        if draw.random() < 0.3:
            kept.pop(source, None)
        if draw.random() < 0.3:
            kept[source] = drawn(draw, source)
    return snapshot_of(kept.values())


async def lines_stored(store: Store, snapshot: Snapshot) -> list[Line]:
    entry = snapshot_entries.c
    statement = (
        select(entry.source, entry.path, entry.kind, entry.status, entry.reason, blobs.c.digest)
        .join(snapshots, snapshots.c.id == entry.snapshot_id)
        .outerjoin(blobs, blobs.c.id == entry.blob_id)
        .where(snapshots.c.digest == snapshot.digest)
    )
    async with store.database.read() as connection:
        return sorted(Line(*row) for row in await connection.execute(statement))


async def test_every_pushed_snapshot_has_exactly_the_rows_of_its_manifest(stage: Any) -> None:
    draw = random.Random(3)
    contents = {digest(text): text.encode() for text in TEXTS}
    agents = [stage.agent, await stage.add_agent()]
    pushed: Snapshot | None = None
    for _ in range(PUSHES):
        agent = draw.choice(agents)
        pushed = drawn_snapshot(draw, pushed)
        agent.seq += 1
        await agent.send(Push(agent.incarnation, agent.seq, pushed, {}, contents))
        assert await lines_stored(stage.store, pushed) == sorted(lines_of(pushed))
    assert await check_store(stage.store, WORKER) == ()
