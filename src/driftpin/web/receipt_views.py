"""The receipt of a turn: what each request to the model was built from, and how it ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from driftpin.chat.receipts import Phase, ReceiptEntry, entry_from_json
from driftpin.identity import ChatId
from driftpin.store.values import ChatRow
from driftpin.web.chat_views import title_of


@dataclass(frozen=True, slots=True)
class RequestShown:
    """One request with its outcome, which is empty while nobody knows it."""

    entry: ReceiptEntry
    outcome: str
    error_code: str
    tokens: str


@dataclass(frozen=True, slots=True)
class ReceiptShown:
    """The receipt of one turn; without a `prompt`, why it is `missing`."""

    chat_id: ChatId
    title: str
    turn: int
    is_chain_whole: bool
    requests: tuple[RequestShown, ...]
    prompt: str | None
    missing: str


def receipt_shown(
    chat: ChatRow,
    turn: int,
    contents: Iterable[Mapping[str, Any]],
    *,
    is_chain_whole: bool,
    prompt: str | None,
    missing: str | None,
) -> ReceiptShown:
    """Return the receipt out of its entries, as they are kept."""
    entries = tuple(entry_from_json(content) for content in contents)
    ended = {entry.request.number: entry for entry in entries if entry.phase is not Phase.SENT}
    return ReceiptShown(
        chat_id=chat.id,
        title=title_of(chat),
        turn=turn,
        is_chain_whole=is_chain_whole,
        requests=tuple(
            _request(entry, ended.get(entry.request.number))
            for entry in entries
            if entry.phase is Phase.SENT
        ),
        prompt=prompt,
        missing=missing or "",
    )


def _request(sent: ReceiptEntry, ended: ReceiptEntry | None) -> RequestShown:
    if ended is None or ended.outcome is None:
        return RequestShown(sent, "", "", "")
    tokens = ended.tokens
    return RequestShown(
        entry=sent,
        outcome=ended.outcome.value,
        error_code=ended.error_code,
        tokens=""
        if tokens is None
        else f"{tokens.input_tokens:,} in, {tokens.output_tokens:,} out",
    )


__all__ = ["ReceiptShown", "RequestShown", "receipt_shown"]
