"""Budgets: hit at each phase, for a round, a review and a day; and the ledger always adds up."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.machine import Machine
from driftpin import review_limits
from driftpin.errors import Rejected, UsageError
from driftpin.review.github.wording import status_body
from driftpin.review.ledger import ReplyKind
from driftpin.review.rounds import Ran, replay, round_name
from driftpin.review.spending import (
    Price,
    Span,
    Spent,
    Usage,
    money_of,
    money_text,
    parse_limits,
    parse_price,
    unpriced,
)
from driftpin.review.verdict import ReviewExit, Verdict, exit_of
from driftpin.wire.reviews import read_review
from review.changes import BAD, BASE, FIXED, MEAN, begin
from review.world import WRITTEN, Repo, World, answer, claim, ruling

PRICE = "scripted=3/15/0.30"


def priced(world: World) -> World:
    world.prices = (PRICE,)
    return world


def check_ledger(world: World, ran: Ran) -> None:
    """Everything that tells what a round took tells the same."""
    number, inputs = ran.report.summary.number, ran.report.inputs
    kept = world.folder.round(number).exchanges().values()
    each = [inputs.spent_on(exchange) for exchange in kept]
    total = sum(each, Spent())
    assert ran.report.summary.spent == total
    assert sum(ran.report.decided.spent_by_phase.values(), Spent()) == total
    others = world.daybook.taken(beside=round_name(world.folder, number))
    assert world.daybook.taken() == others + total
    told = json.loads(ran.artefacts["review.json"])
    assert told["tokens"]["total"] == sum(told["tokens"]["by_phase"].values()) == total.tokens
    document = read_review(ran.artefacts["review.json"].encode())
    assert (document.money is None) == (not inputs.settings.prices)
    if document.money is not None:
        assert f", cost {money_text(total.money)}, all rounds" in status_body(document)
        assert total.money == sum(money_of(one.usage, parse_price(PRICE)) for one in kept) > 0
        assert told["money"]["round"] == money_text(total.money)
    assert replay(world.folder, number).different == ()


def check_budget_ended(ran: Ran, phase: str) -> None:
    gaps = ran.report.decided.gaps
    assert gaps.over_budget == phase
    assert ran.report.summary.verdict is Verdict.INCOMPLETE
    assert exit_of(ran.report.summary.verdict, gaps) is ReviewExit.BUDGET


async def spend(world: World, *, limited: str) -> Ran:
    return await world.round(limits=[limited])


def limit_of(kind: str, spent: Spent) -> str:
    """A limit of the round on exactly that much."""
    if kind == "money":
        return f"round={money_text(spent.money)}"
    return f"round-tokens={spent.tokens}"


KINDS = pytest.mark.parametrize("kind", ["tokens", "money"])


@KINDS
async def test_a_budget_too_small_to_begin_is_refused_and_nothing_is_recorded_or_spent(
    world: World, kind: str
) -> None:
    begin(priced(world))
    with pytest.raises(Rejected) as refused:
        await spend(world, limited=limit_of(kind, Spent(100, 100)))
    assert refused.value.code == "over_budget"
    assert world.ledger().round == 0
    assert world.daybook.taken() == Spent()


@KINDS
async def test_a_budget_that_ends_before_the_panel(world: World, kind: str) -> None:
    begin(priced(world))
    ran = await spend(world, limited=limit_of(kind, Spent(4_500, 40_000)))
    check_budget_ended(ran, "panel")
    assert set(ran.report.decided.spent_by_phase) == {"scout"}
    check_ledger(world, ran)


@KINDS
async def test_a_budget_that_ends_within_the_panel_asks_nobody_any_more(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(priced(world))
    monkeypatch.setattr(review_limits, "REVIEW_ASKED_AT_ONCE_MAX", 1)
    world.costs["panel.test-auditor"] = 200_000
    ran = await spend(world, limited=limit_of(kind, Spent(100_000, 400_000)))
    check_budget_ended(ran, "panel")
    asked = [key for key in world.folder.round(1).exchanges() if key.startswith("panel.")]
    assert "panel.test-auditor" in asked
    assert len(asked) < len(ran.report.summary.panel)
    check_ledger(world, ran)


@KINDS
async def test_a_budget_that_ends_while_refuting_keeps_the_claims_and_approves_nothing(
    world: World, kind: str
) -> None:
    begin(priced(world))
    world.script.say(1, "edge-cases", answer(BAD))
    world.costs["panel.edge-cases"] = 200_000
    ran = await spend(world, limited=limit_of(kind, Spent(100_000, 400_000)))
    check_budget_ended(ran, "refute")
    assert [each.finding.id for each in ran.report.live] == ["CRF-1"]
    assert "the budget ended in refute" in ran.artefacts["review.md"]
    check_ledger(world, ran)


@KINDS
async def test_a_budget_that_ends_before_the_verifiers_is_refused(world: World, kind: str) -> None:
    begin(priced(world))
    world.script.say(1, "edge-cases", answer(BAD))
    await world.round()
    first = world.daybook.taken()
    world.repo.write(calc=FIXED)
    world.repo.commit("Fix")
    # Enough for a scout, and not for a verifier beside it.
    with pytest.raises(Rejected) as refused:
        await spend(world, limited=limit_of(kind, Spent(4_500, 40_000)))
    assert refused.value.code == "over_budget"
    assert (world.ledger().round, world.daybook.taken()) == (1, first)


@KINDS
async def test_a_budget_that_ends_within_the_verifiers_leaves_their_findings_undecided(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(priced(world))
    world.script.say(1, "edge-cases", answer(BAD))
    await world.round()
    world.repo.write(calc=FIXED)
    world.repo.commit("Fix")
    world.script.verify(2, "CRF-1", ruling("fixed", "calc.py", 6, "if not values:"))
    monkeypatch.setattr(review_limits, "REVIEW_ASKED_AT_ONCE_MAX", 1)
    world.costs["scout.scout"] = 200_000
    ran = await spend(world, limited=limit_of(kind, Spent(100_000, 400_000)))
    check_budget_ended(ran, "verify")
    (found,) = ran.report.live
    assert found.finding.is_undecided
    assert set(ran.report.decided.spent_by_phase) == {"scout"}
    check_ledger(world, ran)


@pytest.mark.parametrize("limit", ["review", "day"])
@KINDS
async def test_what_a_review_and_a_day_took_counts_for_the_next_round(
    world: World, kind: str, limit: str
) -> None:
    begin(priced(world))
    world.script.say(1, "edge-cases", answer(BAD))
    first = await world.round()
    check_ledger(world, first)
    world.repo.write(calc=FIXED)
    world.repo.commit("Fix")
    world.script.verify(2, "CRF-1", ruling("fixed", "calc.py", 6, "if not values:"))
    # What is left of it is less than the beginning of the next round needs.
    took = first.report.summary.spent + Spent(4_000, 40_000)
    most = f"{limit}={money_text(took.money)}"
    if kind == "tokens":
        most = f"{limit}-tokens={took.tokens}"
    with pytest.raises(Rejected) as refused:
        await spend(world, limited=most)
    assert refused.value.code == "over_budget"
    left = " 4000 tokens" if kind == "tokens" else "(0.04 in money)"
    assert f"the budget of the {limit} has" in refused.value.message
    assert left in refused.value.message
    # The next day begins anew; a review does not.
    world.clock.step(86_400)
    if limit == "review":
        with pytest.raises(Rejected):
            await spend(world, limited=most)
        return
    second = await spend(world, limited=most)
    assert second.report.decided.gaps.over_budget in {"", "panel"}
    check_ledger(world, second)


async def test_a_day_that_ends_in_the_middle_is_named(world: World) -> None:
    begin(priced(world))
    world.daybook.add("elsewhere/other/1", Spent(95_500, 0))
    ran = await spend(world, limited="day-tokens=100000")
    check_budget_ended(ran, "panel")
    assert "the budget of the day ended in panel" in ran.artefacts["review.md"]
    check_ledger(world, ran)


async def test_what_no_round_could_pay_to_look_at_is_not_late_in_the_one_that_can(
    world: World,
) -> None:
    begin(world)
    for number in (1, 2, 3):
        world.repo.put("notes.txt", f"another head, {number}\n")
        world.repo.commit()
        ran = await spend(world, limited="round-tokens=4500")
        check_budget_ended(ran, "panel")
        assert ran.report.summary.number == number
    nit = claim("one.py", 1, "x = 1", "the name says nothing", severity="Nit", category="name")
    world.script.say(4, "edge-cases", answer(BAD, nit))
    ran = await world.round()
    severities = {each.finding.severity.value for each in ran.report.live}
    assert severities == {"P2", "Nit"}
    assert ran.report.summary.deferred == 0
    assert len(ran.report.summary.panel) == 8
    check_ledger(world, ran)
    # From here on the change was looked at whole, and what is said late is late.
    world.repo.put("notes.txt", "more\n")
    world.repo.commit()
    world.reply("CRF-1", ReplyKind.FIXED)
    late = claim("two.py", 1, "y = 2", "this name says nothing either", severity="Nit")
    world.script.say(5, "edge-cases", answer(late))
    after = await world.round()
    assert (after.report.summary.deferred, after.report.inputs.look) == (1, 2)
    assert replay(world.folder, 4).different == ()


async def test_what_tries_took_that_came_to_nothing_is_not_lost(world: World) -> None:
    begin(priced(world))
    world.lost.add("panel.style")
    with pytest.raises(ExceptionGroup):
        await world.round()
    tried = world.daybook.taken()
    assert tried.tokens > WRITTEN
    # With another head every request is another one, and no answer can be used again.
    world.repo.write(one="x = 2\n")
    world.repo.commit("another head")
    world.lost.clear()
    ran = await world.round()
    whole = ran.report.summary.spent
    assert whole.tokens > tried.tokens
    check_ledger(world, ran)
    kept = world.folder.round(1).exchanges()
    assert all(exchange.answer for key, exchange in kept.items() if key != "end.unused")


async def test_a_round_that_goes_on_is_not_charged_twice_for_what_it_had(world: World) -> None:
    begin(priced(world))
    world.lost.add("panel.style")
    with pytest.raises(ExceptionGroup):
        await world.round()
    world.lost.clear()
    ran = await spend(world, limited=f"day-tokens={100_000}")
    assert ran.report.decided.gaps.over_budget == ""
    assert ran.report.inputs.settings.tokens_max == 100_000
    check_ledger(world, ran)


async def test_the_cost_of_a_verified_finding_is_that_of_all_rounds(world: World) -> None:
    begin(priced(world))
    world.script.say(1, "edge-cases", answer(BAD))
    first = await world.round()
    assert json.loads(first.artefacts["review.json"])["money"]["per_verified"] is None
    world.repo.write(calc=FIXED)
    world.repo.commit("Fix")
    world.script.verify(2, "CRF-1", ruling("fixed", "calc.py", 6, "if not values:"))
    second = await world.round()
    told = json.loads(second.artefacts["review.json"])["money"]
    both = first.report.summary.money + second.report.summary.money
    assert told["review"] == told["per_verified"] == money_text(both)
    assert f"{money_text(both)} for each verified finding" in second.artefacts["review.md"]
    assert f"Cost {money_text(second.report.summary.money)}" in second.artefacts["review.html"]
    check_ledger(world, second)


async def test_without_prices_nothing_is_said_of_money(world: World) -> None:
    begin(world)
    ran = await world.round()
    assert "money" not in json.loads(ran.artefacts["review.json"])
    assert "cost" not in ran.artefacts["review.md"].lower()
    assert b"prices" not in ran.report.inputs.to_bytes()


async def test_on_a_server_tokens_come_from_receipts(served: World) -> None:
    begin(priced(served))
    ran = await served.round()
    kept = served.folder.round(1).exchanges().values()
    assert all(0 < exchange.written < exchange.tokens for exchange in kept)
    check_ledger(served, ran)


def test_money_is_exact_and_rounded_up_once() -> None:
    price = parse_price("openai:gpt=1.25/10/0.125")
    assert price == Price("openai:gpt", 1_250_000, 125_000, 10_000_000)
    assert money_of(Usage(1_000_000, 0, 0), price) == 1_250_000
    assert money_of(Usage(1_000_000, 1_000_000, 0), price) == 125_000
    assert money_of(Usage(1, 0, 0), price) == 2
    assert money_of(Usage(5, 5, 5), None) == 0
    assert parse_price("m=1/2").cached == 1_000_000
    assert [money_text(each) for each in (0, 5, 1_500_000, 1_234_567)] == [
        *("0.00", "0.000005", "1.50", "1.234567"),
    ]
    assert unpriced(["offline", "a:b", "openai:gpt"], [price]) == ("a:b",)


@pytest.mark.parametrize("text", ["", "m", "m=1", "=1/2", "m=1/2/3/4", "m=-1/2", "m=1e9/2", "m=1/"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_price(text)
    assert refused.value.code == "bad_price"


@pytest.mark.parametrize("text", ["", "day", "day=", "week=1", "day-tokens=1.5", "round=1.0000001"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_limits([text])
    assert refused.value.code == "bad_limit"


def test_the_limit_that_leaves_least_counts_and_is_named() -> None:
    parsed = parse_limits(["round-tokens=100", "review-tokens=150", "day=2", "review=1.5"])
    budget = parsed.budget(Spent(120, 1_000_000), Spent(0, 1_800_000))
    assert (budget.tokens, budget.tokens_span) == (30, Span.REVIEW)
    assert (budget.money, budget.money_span) == (200_000, Span.DAY)
    assert budget.allows(Spent(30, 200_000))
    assert budget.span_of(Spent(31, 0)) is Span.REVIEW
    assert budget.span_of(Spent(0, 200_001)) is Span.DAY
    spent_up = parsed.budget(Spent(999, 9_000_000), Spent())
    assert (spent_up.tokens, spent_up.money) == (0, 0)


def test_a_line_that_a_crash_left_unfinished_counts_for_nothing(world: World) -> None:
    world.daybook.add("a/b/1", Spent(10, 3))
    (day,) = world.daybook.path.iterdir()
    with day.open("ab") as opened:
        opened.write(b"\xff\xff\n12 nonsense\n500 7 a/b")
    assert world.daybook.taken() == Spent(10, 3)
    assert world.daybook.taken(beside="a/b/1") == Spent()


def test_limits_and_prices_from_the_command_line_and_the_settings(
    tmp_path: Path, bytecode: Path
) -> None:
    machine = Machine(tmp_path, bytecode)
    repo = Repo(tmp_path / "workspace")
    repo.write(calc=BASE)
    repo.commit("base")
    repo.git("branch", "base")
    repo.write(calc=BASE + MEAN)
    repo.commit("Add mean")

    def run(*arguments: str, **variables: str) -> Any:
        machine.variables = variables
        return machine.run("review", "base..HEAD", *arguments)

    spent_up = run("--model", "offline", "--price", "offline=3/15", "--limit", "round=0.000001")
    assert spent_up.code == ReviewExit.BUDGET
    assert "in money" in spent_up.err
    set_up = {"DRIFTPIN_REVIEW_PRICES": "offline=3/15", "DRIFTPIN_REVIEW_LIMITS": "day=0.01"}
    assert run("--model", "offline", **set_up).code == ReviewExit.BUDGET
    unknown = run("--model", "some:model", **set_up)
    assert unknown.code == ReviewExit.USAGE
    assert "nobody said what some:model costs" in unknown.err
    assert run("--limit", "week=1").code == ReviewExit.USAGE
