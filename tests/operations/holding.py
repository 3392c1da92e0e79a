"""A chat whose workspace has changed, for stories of parts that are taken and held."""

from typing import Any

from driftpin.context.holds import Selection
from driftpin.identity import Actor, ChatId
from driftpin.operations.foresee_refresh import Foreseen, foresee_refresh
from driftpin.operations.refresh_context import Refresh, refresh_context
from driftpin.operations.release_holds import release_holds
from driftpin.store.store import Store
from driftpin.store.values import PinMove

ONE = {"A.md": "one\n", "B.md": "one\n", "C.md": "one\n"}
TWO = {"A.md": "two\n", "B.md": "two\n", "C.md": "one\n"}


def part(accept: list[str] | None = None, hold: list[str] | None = None) -> Selection:
    """Return a selection of files of the workspace."""
    return Selection(*(None if n is None else frozenset(_named(n)) for n in (accept, hold)))


def _named(names: list[str]) -> list[str]:
    return [f"workspace:{name}" for name in names]


class Scene:
    """A chat that was pinned to ONE, and whose workspace has TWO since."""

    def __init__(self, stage: Any, store: Store, chat_id: ChatId) -> None:
        self.stage = stage
        self.store = store
        self.chat_id = chat_id

    async def refresh(self, selection: Selection | None = None, **wishes: Any) -> PinMove:
        return await refresh_context(
            self.store, self.owner, self.chat_id, selection=selection, **wishes
        )

    async def foresee(self, selection: Selection | None = None) -> Foreseen:
        asked = Refresh(selection=selection)
        return await foresee_refresh(self.store, self.owner, self.chat_id, asked)

    async def release(self, *names: str) -> int:
        sources = _named(list(names)) or None
        return await release_holds(self.store, self.owner, self.chat_id, sources)

    async def push(self, files: dict[str, str]) -> None:
        await self.stage.agent.push(files)

    async def held(self) -> set[str]:
        rows = await self.store.list_holds(self.owner, self.chat_id)
        return {row.source.partition(":")[2] for row in rows}

    async def context(self) -> Any:
        return await self.stage.context(self.chat_id)

    async def is_dirty(self) -> bool:
        """Whether it is, by its own context and by both filters of the list alike."""
        is_dirty = bool((await self.context()).dirty)
        for asked in (True, False):
            page = await self.store.list_chats(self.owner, is_dirty=asked, limit=10)
            listed = self.chat_id in {view.chat.id for view in page.items}
            assert listed is (is_dirty is asked)
        return is_dirty

    @property
    def owner(self) -> Actor:
        owner: Actor = self.stage.owner
        return owner


async def a_scene(stage: Any, store: Store) -> Scene:
    """Return the scene, its agent having pushed ONE and then TWO."""
    await stage.agent.push(ONE)
    chat_id = await stage.chat()
    await stage.agent.push(TWO)
    return Scene(stage, store, chat_id)


__all__ = ["ONE", "TWO", "Scene", "a_scene", "part"]
