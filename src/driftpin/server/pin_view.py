"""A chat's pin as it is shown: everything of one revision, although it takes several reads."""

from typing import Final

from driftpin.errors import Unavailable
from driftpin.identity import Actor, ChatId
from driftpin.store.store import Store
from driftpin.store.values import ChatView, PinnedEntry, PinnedRead

LOOKS_MAX: Final = 5


async def read_pin_together(
    store: Store, actor: Actor, chat_id: ChatId
) -> tuple[ChatView, PinnedRead, tuple[PinnedEntry, ...]]:
    """Return summary, manifest and lines of one revision; look again while the pin moves."""
    for _ in range(LOOKS_MAX):
        view = await store.get_chat(actor, chat_id)
        pin = await store.read_pin(actor, chat_id)
        lines = await store.list_pinned_entries(actor, chat_id)
        if lines.revision == pin.revision == view.context.revision:
            return view, pin, lines.entries
    raise pin_moving()


def pin_moving() -> Unavailable:
    """Return the refusal of a read that a pin would not stand still for."""
    return Unavailable("The pin is moving; look again.", code="pin_moving")


__all__ = ["LOOKS_MAX", "pin_moving", "read_pin_together"]
