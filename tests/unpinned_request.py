"""The record of a model request of a chat that has no pin yet."""

from typing import Final

from driftpin.chat.receipts import RequestRecord
from driftpin.identity import ChatId, digest_of

_NOTHING: Final = digest_of(b"")
UNPINNED_REQUEST: Final = RequestRecord(
    chat_id=ChatId(""),
    turn=1,
    number=1,
    snapshot=None,
    prompt_digest=None,
    revision=None,
    policy="pin",
    prefix=_NOTHING,
    tools=_NOTHING,
    messages=_NOTHING,
    volatile=_NOTHING,
    model="offline",
    settings=(),
    budget_tokens=1_000_000,
    left_out=(),
    renderer_version=1,
)

__all__ = ["UNPINNED_REQUEST"]
