"""Receipts: what each model request was built from, in a chain that shows tampering.

Two entries per request: one before it is sent, one with its outcome. Each names the digest of the
entry before it in the same chat, so an entry that is changed, removed or moved breaks the chain. A
tail that was cut off is shown by the signature over an export (`receipt_export`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

import rfc8785

from driftpin.chat.messages import Message, digest_of_messages
from driftpin.chat.prompt import LeftOut, RenderedPrompt
from driftpin.chat.tokens import TokenCounts
from driftpin.chat.tools import ToolDefinition, digest_of_tools
from driftpin.errors import Malformed
from driftpin.identity import Digest, digest_of

Setting = str | int | float | bool


class Phase(StrEnum):
    """Which of the two entries of a request this is."""

    SENT = "sent"
    OUTCOME = "outcome"


class Outcome(StrEnum):
    """How a request ended; `unknown` when its worker did not live to see it."""

    ANSWERED = "answered"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """What a request was built from. All digests are over forms that belong to no provider.

    `snapshot`, `prompt_digest` and `revision` are None for a chat without a pin; `policy` is the
    one in force; `volatile` is over the text behind the history. With `budget_tokens` and the pin
    the prefix can be rendered again.
    """

    chat_id: str
    turn: int
    number: int
    snapshot: Digest | None
    prompt_digest: Digest | None
    revision: int | None
    policy: str
    prefix: Digest
    tools: Digest
    messages: Digest
    volatile: Digest
    model: str
    settings: tuple[tuple[str, Setting], ...]
    budget_tokens: int
    left_out: tuple[LeftOut, ...]
    renderer_version: int


@dataclass(frozen=True, slots=True)
class ReceiptEntry:
    """One link of a chat's chain; `previous` is None in the first. Outcome entries have `tokens`.

    `error_code` says why a failed request failed, and is empty otherwise.
    """

    phase: Phase
    request: RequestRecord
    previous: Digest | None
    outcome: Outcome | None = None
    tokens: TokenCounts | None = None
    error_code: str = ""


@dataclass(frozen=True, slots=True)
class ChainFinding:
    """Something wrong with a chain; `index` counts its entries from 0."""

    code: str
    index: int


@dataclass(frozen=True, slots=True)
class RequestDigests:
    """Digests over what one request sends."""

    prefix: Digest
    tools: Digest
    messages: Digest
    volatile: Digest


def digests_of_request(
    prompt: RenderedPrompt,
    tools: Sequence[ToolDefinition],
    messages: Sequence[Message],
    volatile: str,
) -> RequestDigests:
    """Return the digests of a request; `messages` as they are sent (`messages.as_sent`)."""
    return RequestDigests(
        prefix=prompt.digest,
        tools=digest_of_tools(tools),
        messages=digest_of_messages(messages),
        volatile=digest_of(volatile.encode()),
    )


def settings_record(settings: Mapping[str, Setting]) -> tuple[tuple[str, Setting], ...]:
    """Return settings as a record keeps them: by name."""
    return tuple(sorted(settings.items()))


def sent_entry(request: RequestRecord, *, previous: Digest | None) -> ReceiptEntry:
    """Return the entry to be kept before the request goes out."""
    return ReceiptEntry(Phase.SENT, request, previous)


def outcome_entry(
    sent: ReceiptEntry, outcome: Outcome, *, tokens: TokenCounts | None = None, error_code: str = ""
) -> ReceiptEntry:
    """Return the entry that follows `sent` and says how the request ended."""
    assert sent.phase is Phase.SENT, "an outcome follows what was sent"
    return replace(
        sent,
        phase=Phase.OUTCOME,
        previous=digest_of_entry(sent),
        outcome=outcome,
        tokens=tokens,
        error_code=error_code,
    )


def entry_to_json(entry: ReceiptEntry) -> dict[str, Any]:
    """Return the entry as it is stored and exported."""
    request = asdict(entry.request)
    return {
        "v": 1,
        "phase": entry.phase.value,
        **request,
        "settings": dict(entry.request.settings),
        "left_out": [asdict(item) for item in entry.request.left_out],
        "outcome": None if entry.outcome is None else entry.outcome.value,
        "tokens": None if entry.tokens is None else asdict(entry.tokens),
        "error_code": entry.error_code,
        "previous": entry.previous,
    }


def canonical_entry(entry: ReceiptEntry) -> bytes:
    """Return the RFC 8785 bytes of an entry."""
    return rfc8785.dumps(entry_to_json(entry))


def digest_of_entry(entry: ReceiptEntry) -> Digest:
    """Return the digest that names an entry in the chain."""
    return digest_of(canonical_entry(entry))


def entry_from_json(written: Mapping[str, Any]) -> ReceiptEntry:
    """Return the entry that `entry_to_json` wrote, or raise Malformed `bad_receipt`.

    Exports are read by programs that did not write them, so anything may stand here.
    """
    try:
        return _entry_from_json(written)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Malformed("This is not an entry of a receipt.", code="bad_receipt") from error


def verify_chain(entries: Sequence[ReceiptEntry]) -> tuple[ChainFinding, ...]:
    """Return what is wrong with a chat's entries, given from the first to the last.

    `broken_link`: an entry does not name the digest of the one before it. `foreign_chat`: it
    belongs to another chat. `no_outcome`: a request that is not the last has no outcome entry.
    `no_request`: an outcome follows something else than its own request. `order`: a request does
    not come after the one before it.
    """
    findings: list[ChainFinding] = []
    before: ReceiptEntry | None = None
    for index, entry in enumerate(entries):
        codes = _faults(before, entry)
        findings.extend(ChainFinding(code, index) for code in codes)
        before = entry
    return tuple(findings)


def faults_between(before: ReceiptEntry | None, entry: ReceiptEntry) -> Iterator[str]:
    """Give what is wrong with `entry` as the successor of `before`, whatever their digests are."""
    if entry.phase is Phase.OUTCOME:
        answers = before is not None and before.phase is Phase.SENT
        if not answers or before is None or before.request != entry.request:
            yield "no_request"
    elif before is not None:
        if before.phase is Phase.SENT:
            yield "no_outcome"
        if _place(entry) <= _place(before):
            yield "order"


def _faults(before: ReceiptEntry | None, entry: ReceiptEntry) -> Iterator[str]:
    if entry.previous != (None if before is None else digest_of_entry(before)):
        yield "broken_link"
    if before is not None and entry.request.chat_id != before.request.chat_id:
        yield "foreign_chat"
    yield from faults_between(before, entry)


def _place(entry: ReceiptEntry) -> tuple[int, int]:
    return (entry.request.turn, entry.request.number)


def _entry_from_json(written: Mapping[str, Any]) -> ReceiptEntry:
    names = (field.name for field in fields(RequestRecord))
    request = {name: written[name] for name in names}
    request["settings"] = settings_record(written["settings"])
    request["left_out"] = tuple(LeftOut(**item) for item in written["left_out"])
    outcome, tokens = written["outcome"], written["tokens"]
    return ReceiptEntry(
        phase=Phase(written["phase"]),
        request=RequestRecord(**request),
        previous=written["previous"],
        outcome=None if outcome is None else Outcome(outcome),
        tokens=None if tokens is None else TokenCounts(**tokens),
        error_code=str(written["error_code"]),
    )


__all__ = [
    "ChainFinding",
    "Outcome",
    "Phase",
    "ReceiptEntry",
    "RequestDigests",
    "RequestRecord",
    "Setting",
    "canonical_entry",
    "digest_of_entry",
    "digests_of_request",
    "entry_from_json",
    "entry_to_json",
    "faults_between",
    "outcome_entry",
    "sent_entry",
    "settings_record",
    "verify_chain",
]
