import json
from dataclasses import replace

import pytest

from driftpin.chat.messages import user_message
from driftpin.chat.receipts import (
    ChainFinding,
    Outcome,
    canonical_entry,
    digest_of_entry,
    digests_of_request,
    entry_from_json,
    outcome_entry,
    sent_entry,
    verify_chain,
)
from driftpin.chat.skill_tools import TOOLS
from driftpin.chat.tokens import TokenCounts
from driftpin.errors import Malformed
from receipt_chains import PROMPT, request_of, whole_chain


def test_a_whole_chain_and_an_open_last_request_have_no_findings() -> None:
    assert verify_chain(whole_chain()) == ()
    assert verify_chain(whole_chain()[:-1]) == ()
    assert verify_chain([]) == ()


def test_an_entry_survives_its_canonical_json() -> None:
    for entry in whole_chain():
        again = entry_from_json(json.loads(canonical_entry(entry)))
        assert again == entry
        assert digest_of_entry(again) == digest_of_entry(entry)


def test_a_changed_entry_breaks_the_link_after_it() -> None:
    chain = whole_chain()
    chain[1] = replace(chain[1], tokens=TokenCounts(1, 0, 0, 1))
    assert verify_chain(chain) == (ChainFinding("broken_link", 2),)


def test_a_removed_entry_is_found() -> None:
    chain = whole_chain()
    del chain[1]
    assert ChainFinding("broken_link", 1) in verify_chain(chain)
    assert ChainFinding("no_outcome", 1) in verify_chain(chain)


def test_swapped_requests_and_foreign_ones_are_found() -> None:
    chain = whole_chain()
    swapped = [*chain[2:4], *chain[:2], *chain[4:]]
    assert {finding.code for finding in verify_chain(swapped)} == {"broken_link", "order"}
    foreign = sent_entry(
        replace(request_of(9, 1), chat_id="other"), previous=digest_of_entry(chain[-1])
    )
    assert verify_chain([*chain, foreign]) == (ChainFinding("foreign_chat", 6),)


def test_an_outcome_of_another_request_is_found() -> None:
    sent = sent_entry(request_of(1, 1), previous=None)
    stray = replace(outcome_entry(sent, Outcome.FAILED), request=request_of(1, 2))
    assert verify_chain([sent, stray]) == (ChainFinding("no_request", 1),)


def test_each_part_of_a_request_has_its_own_digest() -> None:
    one = digests_of_request(PROMPT, TOOLS, [user_message("hi")], "")
    other = digests_of_request(PROMPT, TOOLS[:1], [user_message("ho")], "x")
    assert one.prefix == other.prefix == PROMPT.digest
    assert (one.tools, one.messages, one.volatile) != (other.tools, other.messages, other.volatile)


@pytest.mark.parametrize("broken", [{}, {"phase": "sent"}, {"phase": 7, "settings": []}])
def test_something_else_than_an_entry_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(Malformed) as refused:
        entry_from_json(broken)
    assert refused.value.code == "bad_receipt"
