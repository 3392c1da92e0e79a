"""Reads of a pin for one model request: one statement for the pin, then immutable bytes."""

from collections import OrderedDict
from dataclasses import replace
from typing import Final, TypeVar

from driftpin.chat.mcp_tools import blobs_for_tools
from driftpin.chat.pinned import PinnedContext, blobs_for_prompt
from driftpin.chat.prompt import RenderedPrompt, render_prompt
from driftpin.context.manifest import resources_of
from driftpin.identity import Actor, ChatId, Digest, WorkspaceId
from driftpin.store.store import Store
from driftpin.store.values import PinnedRead

CONTEXTS_KEPT: Final = 16
_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")


class PinReader:
    """Gives pins with the bytes that a prompt needs; keeps the newest few, which never change."""

    def __init__(self, store: Store, actor: Actor) -> None:
        """Read as `actor`."""
        self._store = store
        self._actor = actor
        self._kept: OrderedDict[tuple[WorkspaceId, Digest], PinnedContext] = OrderedDict()
        self._prompts: OrderedDict[tuple[WorkspaceId, Digest | None, int, str], RenderedPrompt] = (
            OrderedDict()
        )

    async def read(self, chat_id: ChatId, turn: int) -> tuple[PinnedRead, PinnedContext | None]:
        """Return the pin that the turn's next request is built from; no context if it has none."""
        return await self.with_context(await self._store.read_turn_pin(self._actor, chat_id, turn))

    async def read_of_request(
        self, chat_id: ChatId, turn: int
    ) -> tuple[PinnedRead, PinnedContext | None]:
        """Return the pin that the turn's newest request was built from, whoever made it."""
        return await self.with_context(
            await self._store.read_request_pin(self._actor, chat_id, turn)
        )

    async def with_context(self, pin: PinnedRead) -> tuple[PinnedRead, PinnedContext | None]:
        """Return a pin that was read, whoever read it, with the bytes that it names."""
        if pin.snapshot is None or pin.manifest is None:
            return pin, None
        context = await self._context_of(pin)
        return pin, replace(context, revision=pin.revision)

    def render(
        self, pin: PinnedRead, context: PinnedContext | None, *, budget_tokens: int, role: str
    ) -> RenderedPrompt:
        """Return the prompt of a pin, which is the same for as long as the pin is."""
        snapshot = None if context is None else context.snapshot
        key = (pin.chat.workspace_id, snapshot, budget_tokens, role)
        if key not in self._prompts:
            self._prompts[key] = render_prompt(context, budget_tokens=budget_tokens, role=role)
        return _keep_newest(self._prompts, key)

    async def with_bodies(
        self, pin: PinnedRead, context: PinnedContext, digests: tuple[Digest, ...]
    ) -> PinnedContext:
        """Return the context with these blobs of its workspace as well."""
        missing = tuple(digest for digest in digests if digest not in context.bodies)
        if not missing:
            return context
        return context.with_bodies(await self._read_blobs(pin.chat.workspace_id, missing))

    async def _context_of(self, pin: PinnedRead) -> PinnedContext:
        assert pin.snapshot is not None
        assert pin.manifest is not None
        key = (pin.chat.workspace_id, pin.snapshot.digest)
        if key not in self._kept:
            resources = resources_of(pin.manifest)
            self._kept[key] = PinnedContext(
                snapshot=pin.snapshot.digest,
                prompt_digest=pin.snapshot.prompt_digest,
                revision=pin.revision,
                resources=resources,
                bodies=await self._read_blobs(
                    pin.chat.workspace_id,
                    (*blobs_for_prompt(resources), *blobs_for_tools(resources)),
                ),
            )
        return _keep_newest(self._kept, key)

    async def _read_blobs(
        self, workspace_id: WorkspaceId, digests: tuple[Digest, ...]
    ) -> dict[Digest, bytes]:
        if not digests:
            return {}
        return await self._store.read_blobs(self._actor, workspace_id, digests)


def _keep_newest(kept: OrderedDict[_Key, _Kept], key: _Key) -> _Kept:
    """Return what is kept under the key, and let go of what was not asked for the longest."""
    kept.move_to_end(key)
    while len(kept) > CONTEXTS_KEPT:
        kept.popitem(last=False)
    return kept[key]


__all__ = ["CONTEXTS_KEPT", "PinReader"]
