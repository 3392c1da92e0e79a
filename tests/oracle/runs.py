"""Whether the time of an answer tells that another tenant has a blob: thousands of pairs, timed.

One agent asks for a blob that nobody has and for one that another workspace holds, in an order that
dice decide. The best threshold of the first half of all times must tell the second half apart
hardly better than a coin.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from driftpin.clock import SystemClock
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.errors import BlobsMissing
from driftpin.identity import WORKER, Actor, RandomIds, agent_actor, digest_of, user_actor
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.create_user import create_user
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.database import Database
from driftpin.store.schema import prepare_schema
from driftpin.store.store import Store
from outcome import Outcome

# T6: no distinguisher above this; a coin has 0.5.
ACCURACY_MAX = 0.55
WARM_UP = 50
# With fewer pairs a coin is too often luckier than that.
PAIRS_JUDGED_MIN = 1_000


def run(count: int, seed: int) -> Outcome:
    """Time `count` pairs."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="dp-") as place:
        unknown, foreign = asyncio.run(_time_pairs(Path(place), count, seed, outcome))
    accuracy = accuracy_of(unknown, foreign)
    outcome.measured["accuracy"] = round(accuracy, 4)
    if count >= PAIRS_JUDGED_MIN and accuracy > ACCURACY_MAX:
        outcome.broken.append(f"times tell foreign from unknown in {accuracy:.1%} of all cases")
    outcome.require("asked_for_unknown", "asked_for_foreign")
    return outcome


def accuracy_of(left: Sequence[float], right: Sequence[float]) -> float:
    """Return how often the best threshold of the first half is right about the second."""
    half = len(left) // 2
    threshold, is_left_below = _best_threshold(left[:half], right[:half])
    rest_left, rest_right = left[half:], right[half:]
    below = sum(each <= threshold for each in rest_left)
    above = sum(each > threshold for each in rest_right)
    accuracy = (below + above) / (len(rest_left) + len(rest_right))
    return accuracy if is_left_below else 1 - accuracy


def _best_threshold(left: Sequence[float], right: Sequence[float]) -> tuple[float, bool]:
    marked = sorted([*((each, 1) for each in left), *((each, -1) for each in right)])
    best, balance, found = -1, 0, (marked[0][0], True)
    for place, side in marked:
        balance += side
        if abs(balance) > best:
            best, found = abs(balance), (place, balance >= 0)
    return found


async def _time_pairs(
    place: Path, count: int, seed: int, outcome: Outcome
) -> tuple[list[float], list[float]]:
    database = Database(f"sqlite:///{place / 'driftpin.db'}", clock=SystemClock(), ids=RandomIds())
    try:
        await prepare_schema(database)
        store = Store(database)
        owner, stranger = await _agent(store, "owner"), await _agent(store, "stranger")
        held = b"held by the owner's workspace alone"
        await store_blobs(store, owner, [(digest_of(held), held)])
        wishes = {"unknown": _naming(b"held by nobody"), "foreign": _naming(held)}
        times: dict[str, list[float]] = {name: [] for name in wishes}
        dice = random.Random(seed)
        for number in range(WARM_UP + count):
            for name in dice.sample(sorted(wishes), 2):
                took_s = await _time(store, stranger, wishes[name])
                if number >= WARM_UP:
                    times[name].append(took_s)
                    outcome.seen[f"asked_for_{name}"] += 1
        return times["unknown"], times["foreign"]
    finally:
        await database.close()


async def _agent(store: Store, name: str) -> Actor:
    user = user_actor((await create_user(store, WORKER, name)).id)
    workspace = await create_workspace(store, user, name)
    row, _ = await enrol_agent(store, user, workspace.id, name)
    agent = agent_actor(row.id, workspace.id)
    await say_hello(store, agent, run_id=name, hostname="", os="", version="", roots={})
    return agent


def _naming(content: bytes) -> Snapshot:
    body = InstructionBody(digest_of(content))
    return snapshot_of([Resource(Kind.INSTRUCTION_FILE, "workspace:a.md", Status.OK, body=body)])


async def _time(store: Store, agent: Actor, snapshot: Snapshot) -> float:
    began_s = time.perf_counter()
    try:
        await accept_snapshot(
            store, agent, incarnation=1, seq=1, snapshot=snapshot, observations={}, blobs=[]
        )
    except BlobsMissing:
        return time.perf_counter() - began_s
    raise AssertionError("a blob that the workspace lacks is asked for")


__all__ = ["accuracy_of", "run"]
