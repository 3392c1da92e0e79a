"""Whether those may still listen who do, asked at once for all that come at one moment.

Idle streams ask at the same moments (`Tailer.rest`), and one statement answers them all.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from driftpin.errors import Unauthenticated
from driftpin.identity import NOBODY, Actor, Digest
from driftpin.store.store import Store

Found = Mapping[Digest, Actor]


@dataclass(slots=True)
class _Look:
    """One statement that is about to be sent; whoever comes before that may join."""

    secret_digests: set[Digest]
    found: asyncio.Task[Found]


@dataclass(slots=True)
class Listeners:
    """Looks up the credentials of open streams."""

    store: Store
    _next: _Look | None = field(default=None)

    async def resolve(self, secret_digest: Digest) -> Actor:
        """Return whom a credential signs in at this moment; raises Unauthenticated if nobody."""
        if self._next is None:
            self._next = _Look(set(), asyncio.create_task(self._look()))
        look = self._next
        look.secret_digests.add(secret_digest)
        # Others wait for the same look, and one that leaves must not end it.
        found: Found = await asyncio.shield(look.found)
        actor = found.get(secret_digest)
        if actor is None:
            raise Unauthenticated
        return actor

    async def _look(self) -> Found:
        look, self._next = self._next, None
        assert look is not None, "whoever has it begun has joined it"
        return await self.store.resolve_tokens(NOBODY, look.secret_digests)


__all__ = ["Listeners"]
