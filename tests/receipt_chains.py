"""A chain of receipts as three answered requests of one chat leave it."""

from driftpin.chat.messages import user_message
from driftpin.chat.prompt import LeftOut, render_prompt
from driftpin.chat.receipts import (
    Outcome,
    ReceiptEntry,
    RequestRecord,
    digest_of_entry,
    digests_of_request,
    outcome_entry,
    sent_entry,
    settings_record,
)
from driftpin.chat.skill_tools import TOOLS
from driftpin.chat.tokens import TokenCounts

PROMPT = render_prompt(None, budget_tokens=1_000)


def request_of(turn: int, number: int) -> RequestRecord:
    digests = digests_of_request(PROMPT, TOOLS, [user_message("hi")], "Date: x")
    return RequestRecord(
        chat_id="chat",
        turn=turn,
        number=number,
        snapshot=PROMPT.digest,
        prompt_digest=PROMPT.digest,
        revision=3,
        policy="pin",
        prefix=digests.prefix,
        tools=digests.tools,
        messages=digests.messages,
        volatile=digests.volatile,
        model="offline",
        settings=settings_record({"temperature": 0.5, "max_output_tokens": 100}),
        budget_tokens=1_000_000,
        left_out=(LeftOut("workspace:A.md", "over_budget", 7),),
        renderer_version=PROMPT.renderer_version,
    )


def whole_chain() -> list[ReceiptEntry]:
    entries: list[ReceiptEntry] = []
    for turn, number in [(1, 1), (1, 2), (2, 1)]:
        previous = digest_of_entry(entries[-1]) if entries else None
        sent = sent_entry(request_of(turn, number), previous=previous)
        tokens = TokenCounts(10, 4, 2, 5)
        entries += [sent, outcome_entry(sent, Outcome.ANSWERED, tokens=tokens)]
    return entries
