"""The calls of the load benchmark: what is called, how often, and on what.

32 workspaces with two agents each, 200 resources per agent, and chats in all of them. A push
changes one file, and its bytes come along; half of the pushes are of the same state again. A read
is the listing of what a chat runs on.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bench.world import Contents, prose
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.identity import digest_of

AGENTS: Final = 64
RESOURCES: Final = 200
BODY_BYTES: Final = 8 * 1024
CHATS_PER_AGENT: Final = 4
EDITIONS: Final = 64
# How often each call comes, of a hundred.
MIX: Final = {"read": 30, "refresh": 25, "push": 13, "same push": 12, "create": 12, "rebind": 8}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the sequence; `place` chooses a chat of the agent's workspace."""

    verb: str
    agent: int
    place: int


class Side(Protocol):
    """What is compared; agents are numbered, 2k and 2k + 1 share a workspace."""

    async def build(self, base: Contents, agents: Sequence[int]) -> None: ...

    async def push(self, agent: int, pushed: Contents) -> None: ...

    async def create(self, agent: int) -> None: ...

    async def refresh(self, agent: int, place: int) -> None: ...

    async def rebind(self, agent: int, place: int) -> None: ...

    async def read(self, agent: int, place: int) -> None: ...


def calls(agents: Sequence[int]) -> Iterator[Call]:
    draw = random.Random(agents[0])
    verbs, weights = list(MIX), list(MIX.values())
    while True:
        (verb,) = draw.choices(verbs, weights)
        yield Call(verb, draw.choice(agents), draw.randrange(1 << 30))


def edited(base: Contents, edition: int) -> Contents:
    """Return the files with the first one written anew."""
    first, *others = base.snapshot.resources
    body = prose(0, edition, BODY_BYTES)
    digest = digest_of(body)
    again = Resource(Kind.INSTRUCTION_FILE, first.source, Status.OK, body=InstructionBody(digest))
    assert isinstance(first.body, InstructionBody)
    bodies = {name: kept for name, kept in base.bodies.items() if name != first.body.digest}
    return Contents(snapshot_of([again, *others]), {**bodies, digest: body})
