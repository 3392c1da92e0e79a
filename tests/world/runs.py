"""Whole simulated worlds, one after the other, each from a seed of its own."""

import asyncio
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.clock import SystemClock
from driftpin.failpoints import Failpoint
from driftpin.identity import RandomIds
from driftpin.store.database import Database
from driftpin.store.schema import prepare_schema
from driftpin.store.store import Store
from outcome import Outcome
from stepping import CountingIds
from world.clocks import ReplaceableClock, SkewedClock
from world.inline import InlineExecutor, without_threads
from world.kernel import Kernel
from world.world import World

MEMORY: Final = Path("/dev/shm")
MET: Final = (
    "agents killed",
    "agents restored from an image",
    "clocks set",
    "doubled messages",
    "lost messages",
    "messages late by up to an hour",
    "pushes acknowledged",
    "pushes duplicate",
    "pushes refused as fenced",
    "pushes refused as seq_conflict",
    "pushes refused as stale",
    "readers sent back to the list (410)",
    "rows collected",
    "runs started beside another",
    "runs stopped as fenced",
    "servers killed before the answer",
    "stalls",
)


@dataclass(frozen=True, slots=True)
class History:
    """What one seed gave."""

    seed: int
    digest: str
    broken: tuple[str, ...]
    seen: Counter[str]


class Worlds:
    """Makes one world after the other in one database, which is new for each of them."""

    def __init__(self, directory: Path) -> None:
        self._template = directory / "template.db"
        self._path = directory / "world.db"
        self._clock = ReplaceableClock()
        self._ids = CountingIds()
        self._world: World | None = None
        self._database = Database(
            f"sqlite:///{self._path}", clock=self._clock, ids=self._ids, reach=self._reach
        )

    async def prepare(self) -> None:
        """Make the database that every world begins with."""
        template = Database(f"sqlite:///{self._template}", clock=SystemClock(), ids=RandomIds())
        await prepare_schema(template)
        await template.close()

    async def live(self, seed: int) -> History:
        """Return what this seed gives; always the same."""
        shutil.copyfile(self._template, self._path)
        kernel = Kernel(seed)
        clock = SkewedClock(kernel)
        self._clock.inner = clock
        self._ids.restart()
        world = self._world = World(seed, Store(self._database), clock, kernel)
        try:
            await world.live(self._path)
        finally:
            await self._database.close()
        return History(seed, kernel.digest, tuple(kernel.broken), world.seen)

    async def _reach(self, failpoint: Failpoint) -> None:
        if self._world is not None:
            await self._world.server.reach(failpoint)


@contextmanager
def _unheard() -> Iterator[None]:
    """Leave out what agents log of a bad network, which takes longer than the rest."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _memory() -> Iterator[Path]:
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="dp-world-", dir=place) as directory:
        yield Path(directory)


def histories(seeds: range) -> Iterator[History]:
    """Give the history of each seed."""
    with _memory() as directory, _unheard(), without_threads(), asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(InlineExecutor())
        worlds = Worlds(directory)
        runner.run(worlds.prepare())
        for seed in seeds:
            yield runner.run(worlds.live(seed))


def run(count: int, seed: int) -> Outcome:
    """Live through as many worlds, with the seeds from `seed` on."""
    outcome = Outcome()
    for history in histories(range(seed, seed + count)):
        outcome.seen["worlds"] += 1
        outcome.seen.update(history.seen)
        outcome.broken += [f"seed {history.seed}: {what}" for what in history.broken[:5]]
    outcome.require(*MET)
    return outcome


__all__ = ["MET", "History", "Worlds", "histories", "run"]
