"""What must hold of the rows after every step (spec/pinning.md §11), asked of the rows themselves.

Bytes, manifests and references are looked at by code of its own; what the rows should say comes
from `Expected`. Rows that never change are read when they are new, and all of them after a
collection and at the end.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

from driftpin import limits
from seams.expected import Expected
from seams.pin_world import PinWorld
from seams.raw_rows import RawDatabase, Rows, read_rows
from seams.sound_pins import check_chats, new_events

Numbers = dict[str, int]


def from_the_beginning() -> Numbers:
    """Return the numbers behind which unchanging rows are new: all of them are."""
    return {"blobs": 0, "events": 0}


@dataclass(slots=True)
class Soundness:
    """Looks at one deployment step by step."""

    world: PinWorld
    expected: Expected
    database: RawDatabase
    read_up_to: Numbers = field(default_factory=from_the_beginning)
    rows: Rows = field(default_factory=dict)
    blobs: dict[int, SimpleNamespace] = field(default_factory=dict)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, tuple[int, int]] = field(default_factory=dict)

    def begin(self) -> None:
        """Take what is there from the beginning as read."""
        self._look_at_blobs(self._read()["blobs"])

    def check(self) -> None:
        """Look at whatever a step may have changed."""
        rows = self._read()
        self._look_at_blobs(rows["blobs"])
        self._check_snapshots(rows)
        self._check_agents(rows)
        check_chats(self.world, self.expected, rows)
        events = new_events(self.world, rows)
        assert events == self.expected.events, "an event for each change, and none without"

    def collected(self) -> None:
        """Look at all bytes again; what nothing names must be younger than its grace."""
        self.look_at_all_bytes()
        young = self.expected.now - timedelta(seconds=limits.GRACE_S)
        named = {entry.blob_id for entry in self.rows["snapshot_entries"]}
        named |= {row.manifest_blob_id for row in self.rows["snapshots"]}
        left = [row for row in self.blobs.values() if row.id not in named]
        assert [row.digest for row in left if row.offered_at < young] == []

    def look_at_all_bytes(self) -> None:
        """Read every blob anew."""
        self.read_up_to["blobs"] = 0
        self.blobs.clear()
        self._look_at_blobs(self._read()["blobs"])

    def stored(self) -> set[str]:
        """Return the blobs of the modelled workspace as of the last look."""
        here = self.world.inhabitants.workspace_id
        return {row.digest for row in self.blobs.values() if row.workspace_id == here}

    def _read(self) -> Rows:
        self.rows = read_rows(self.database.query, self.read_up_to)
        for name in self.read_up_to:
            if self.rows[name]:
                self.read_up_to[name] = max(row.id for row in self.rows[name])
        return self.rows

    def _look_at_blobs(self, fresh: Iterable[SimpleNamespace]) -> None:
        for row in fresh:
            assert row.digest == f"sha256:{sha256(row.content).hexdigest()}"
            assert row.size_bytes == len(row.content)
            self.blobs[row.id] = row
            if row.content.startswith(b'{"resources"'):
                self.manifests[row.digest] = json.loads(row.content)
        ((count,),) = self.database.query("SELECT count(*) FROM blobs")
        assert count == len(self.blobs), "blobs go in a collection alone"

    def _check_snapshots(self, rows: Rows) -> None:
        entries: dict[int, set[tuple[str, str, str]]] = {}
        for entry in rows["snapshot_entries"]:
            named = (entry.source, entry.status, self.blobs[entry.blob_id].digest)
            entries.setdefault(entry.snapshot_id, set()).add(named)
        for row in rows["snapshots"]:
            assert self.blobs[row.manifest_blob_id].digest == row.digest
            listed = {
                (resource["source"], resource["status"], resource["digest"])
                for resource in self.manifests[row.digest]["resources"]
            }
            assert entries.get(row.id, set()) == listed
        here = self.world.inhabitants.workspace_id
        stored = {row.digest for row in rows["snapshots"] if row.workspace_id == here}
        assert stored == set(self.expected.snapshots)
        assert self.expected.named() <= stored

    def _check_agents(self, rows: Rows) -> None:
        """Acknowledged pushes are there, and their numbers only rise."""
        digests = {row.id: row.digest for row in rows["snapshots"]}
        ids = [self.world.agent_id(place) for place in range(len(self.expected.agents))]
        for row in rows["agents"]:
            agent = self.expected.agents[ids.index(row.id)]
            assert (row.incarnation, digests.get(row.head_id)) == (agent.incarnation, agent.head)
            number = (row.head_incarnation, row.head_seq)
            assert number == (agent.head_incarnation, agent.head_seq)
            assert number >= self.numbers.get(row.id, (0, 0))
            self.numbers[row.id] = number
        heads = [
            (row.agent_id, row.incarnation, row.seq, row.digest, digests.get(row.snapshot_id))
            for row in rows["agent_heads"]
        ]
        assert sorted(heads, key=str) == sorted(
            (
                (ids[place], head.incarnation, head.seq, head.digest, _if(head.is_kept, head))
                for place, agent in enumerate(self.expected.agents)
                for head in agent.heads
            ),
            key=str,
        )
        ((current,),) = (
            (row.current_agent_id,)
            for row in rows["workspaces"]
            if row.id == self.world.inhabitants.workspace_id
        )
        assert self.world.place_of_agent(current) == self.expected.current


def _if(is_kept: bool, head: Any) -> Any:
    return head.digest if is_kept else None


__all__ = ["Soundness"]
