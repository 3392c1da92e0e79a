"""Which long runs there are, and how long a long run is (docs/reference/evidence.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Run:
    """One kind of run: `module` has `run(count, seed) -> Outcome`; `long` is a long run's count."""

    module: str
    long: int
    unit: str


RUNS: Final[Mapping[str, Run]] = {
    "models-sqlite": Run("seams.model_sqlite", 10_000, "histories"),
    "models-postgresql": Run("seams.model_postgresql", 3_000, "histories"),
    "differential": Run("seams.model_differential", 2_000, "sequences"),
    "world": Run("world.runs", 20_000, "seeds"),
    "histories": Run("histories.runs", 500, "concurrent histories"),
    "kills": Run("faults.kills", 1_000, "kills of a whole server"),
    "turns": Run("faults.server_turns", 1_000, "turns whose servers and agent are killed"),
    "turn-workers": Run("faults.turn_kills", 1_000, "turns whose workers are killed"),
    "failpoints": Run("faults.failpoint_kills", 25, "rounds over every failpoint"),
    "power-cuts": Run("powercut.runs", 10_000, "power cuts"),
    "restarts": Run("faults.postgres_restarts", 300, "restarts of PostgreSQL under load"),
    "cuts": Run("agent_faults.cuts", 2_000, "connections cut in a push"),
    "schedules": Run("agent_faults.schedules", 10_000, "reordered and repeated pushes"),
    "watching": Run("agent_faults.watching", 100, "overflows and replaced roots"),
    "herd": Run("agent_faults.herd", 5_000, "agents that come back at once"),
    "resolves": Run("agent_faults.resolves", 1_000_000, "path resolves under swapping"),
    "api": Run("api_fuzz.runs", 2_000, "requests per operation"),
    "fuzz": Run("fuzz.runs", 600, "seconds per target"),
    "oracle": Run("oracle.runs", 10_000, "timed pairs of foreign and unknown blobs"),
    "canaries": Run("canaries.runs", 1, "scans of every sink"),
}

__all__ = ["RUNS", "Run"]
