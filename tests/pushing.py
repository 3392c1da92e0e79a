"""Pushing instruction files from an agent, for tests that need a head."""

from dataclasses import dataclass, field

from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.identity import Actor, Digest, digest_of
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.say_hello import say_hello
from driftpin.store.store import Store


def snapshot_with(**texts: str) -> tuple[Snapshot, dict[Digest, bytes]]:
    """Return a snapshot of `NAME.md` files with these texts, and the blobs that it names."""
    blobs = {digest_of(text.encode()): text.encode() for text in texts.values()}
    resources = [
        Resource(
            Kind.INSTRUCTION_FILE,
            f"workspace:{name}.md",
            Status.OK,
            body=InstructionBody(digest_of(text.encode())),
        )
        for name, text in texts.items()
    ]
    return snapshot_of(resources), blobs


@dataclass(slots=True)
class Pusher:
    """An agent that says hello before its first push and numbers its pushes."""

    store: Store
    agent: Actor
    seq: int = field(default=0)

    async def push(self, **texts: str) -> Digest:
        """Push these files and return the digest of their snapshot."""
        if self.seq == 0:
            await say_hello(
                self.store, self.agent, run_id="run", hostname="", os="", version="", roots={}
            )
        self.seq += 1
        snapshot, blobs = snapshot_with(**texts)
        await accept_snapshot(
            self.store,
            self.agent,
            incarnation=1,
            seq=self.seq,
            snapshot=snapshot,
            observations={},
            blobs=blobs.items(),
        )
        return snapshot.digest
