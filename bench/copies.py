"""The side of the load benchmark that pins by copy."""

from collections import defaultdict
from collections.abc import Sequence

from bench.copying import CopyingStore
from bench.mix import CHATS_PER_AGENT, RESOURCES
from bench.pinning import bodies_of
from bench.world import Contents
from driftpin.clock import SystemClock
from driftpin.identity import Digest, RandomIds


class Copies:
    """The copying baseline."""

    def __init__(self, store: CopyingStore) -> None:
        self._store = store
        self._chats: defaultdict[int, list[str]] = defaultdict(list)

    async def build(self, base: Contents, agents: Sequence[int]) -> None:
        for agent in agents:
            await self.push(agent, base)
            for _ in range(CHATS_PER_AGENT):
                await self.create(agent)

    async def push(self, agent: int, pushed: Contents) -> None:
        await self._store.push(str(agent), _hash_of(pushed.snapshot.digest), bodies_of(pushed))

    async def create(self, agent: int) -> None:
        chat_id = RandomIds().fresh(SystemClock().now())
        await self._store.create_chat(str(agent), chat_id)
        self._chats[agent // 2].append(chat_id)

    async def refresh(self, agent: int, place: int) -> None:
        await self._store.refresh(self._chat(agent, place))

    async def rebind(self, agent: int, place: int) -> None:
        await self._store.rebind(self._chat(agent, place), str(agent))

    async def read(self, agent: int, place: int) -> None:
        assert await self._store.count_listing(self._chat(agent, place)) == RESOURCES

    def _chat(self, agent: int, place: int) -> str:
        found = self._chats[agent // 2]
        return found[place % len(found)]


def _hash_of(digest: Digest) -> bytes:
    return bytes.fromhex(digest[7:])
