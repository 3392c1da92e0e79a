"""One round of a review, from its inputs to its record. Only here models, files and git meet.

Answers are kept as they come, the reports are written from them by pure code, and the event is
added last: a crash before it has changed nothing but what the next run can use.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from driftpin import review_limits
from driftpin.errors import Malformed, Rejected
from driftpin.review.daybook import Daybook
from driftpin.review.deciding import HEAD_MOVED, Decided, decide
from driftpin.review.examination import Examiner
from driftpin.review.folder import ReviewFolder, RoundFolder
from driftpin.review.inputs import Exchange, ExchangeKey, RoundInputs
from driftpin.review.known_answers import KnownAnswers, known_answers
from driftpin.review.ledger import ReviewState
from driftpin.review.panel import Reviewers
from driftpin.review.planning import RoundBook, Task, plan
from driftpin.review.report import RoundReport, report_of, report_to_json
from driftpin.review.report_html import report_to_html
from driftpin.review.report_markdown import report_to_markdown
from driftpin.review.report_sarif import report_to_sarif
from driftpin.review.repository import Repository
from driftpin.review.spending import Span, Spent, Usage, money_text, unpriced

Tell = Callable[[str], None]
_NAMED_MAX: Final = 20
OVER_BUDGET: Final = "over_budget"
# Kept among the exchanges of a round: what earlier tries took and none of its answers came from.
UNUSED: Final = ExchangeKey("end.unused")


def refuse_unaffordable(inputs: RoundInputs, before: ReviewState, known: KnownAnswers) -> str:
    """Return the estimate of a round in words; Rejected (`over_budget`) if it cannot begin."""
    book = known.with_reused(RoundBook(inputs, before, {}))
    first = book.missing((*book.scout_tasks(), *book.verify_tasks()))
    panel = book.missing(book.panel_tasks())
    needed, whole = book.estimate(first or panel), book.estimate((*first, *panel))
    budget, has_prices = inputs.settings.budget, bool(inputs.settings.prices)
    planned = plan(book)
    if planned.over_budget:
        left = Spent(budget.tokens, budget.money or 0)
        of = "" if planned.span is Span.ROUND else f" of the {planned.span}"
        raise Rejected(
            f"The round needs about {_told(whole, has_prices=has_prices)}, its beginning"
            f" {_told(needed, has_prices=has_prices)}; the budget{of} has"
            f" {_told(left, has_prices=budget.money is not None)}.",
            code=OVER_BUDGET,
        )
    told = f"about {_told(whole, has_prices=has_prices)} beside what they read"
    return f"Round {inputs.number}: the scout and {len(book.panel.roles)} reviewers, {told}."


def refuse_unpriced(inputs: RoundInputs) -> None:
    """Raise Rejected (`unpriced_model`) where money is limited and what a model costs unknown."""
    models = {inputs.model_of(role.slug) for role in inputs.roster}
    unknown = unpriced(models, inputs.settings.prices)
    if inputs.settings.money_max is not None and unknown:
        raise Rejected(
            f"Money is limited, and nobody said what {', '.join(unknown)} costs; give --price.",
            code="unpriced_model",
        )


def _told(spent: Spent, *, has_prices: bool) -> str:
    money = f" ({money_text(spent.money)} in money)" if has_prices else ""
    return f"{spent.tokens} tokens{money}"


@dataclass(frozen=True, slots=True)
class Ran:
    """A round that ran: its report, and the files that tell of it by name."""

    report: RoundReport
    artefacts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RoundRun:
    """Everything that a round needs to run."""

    repository: Repository
    folder: ReviewFolder
    inputs: RoundInputs
    events_before: int
    before: ReviewState
    reviewers: Reviewers
    head_now: Callable[[], str]
    tell: Tell
    daybook: Daybook

    async def run(self) -> Ran:
        """Run to the end and record it. Raises Unreachable when the server is lost under way."""
        place = self.folder.round(self.inputs.number)
        place.begin(self.inputs)
        book = await self._ask_all(place)
        if self.head_now() != self.inputs.head:
            moved = Exchange(HEAD_MOVED, (), failure="moved")
            place.keep_exchange(moved)
            book = self._book({**book.exchanges, HEAD_MOVED: moved})
        book = self._with_unused(book, place)
        place.forget_others(book.exchanges)
        decided = decide(book)
        report = report_of(self.inputs, decided, self.before)
        artefacts = artefacts_of(report)
        place.keep_artefacts(artefacts)
        self.folder.append_behind(self.events_before, decided.event)
        return Ran(report, artefacts)

    @property
    def name(self) -> str:
        """What the round is called in the book of the day."""
        return round_name(self.folder, self.inputs.number)

    def _book(self, exchanges: Mapping[ExchangeKey, Exchange]) -> RoundBook:
        return RoundBook(self.inputs, self.before, exchanges)

    def _with_unused(self, book: RoundBook, place: RoundFolder) -> RoundBook:
        """Count what earlier tries of the round took and nothing came of: it was spent."""
        others = (each for key, each in place.exchanges().items() if key not in book.exchanges)
        usage = sum((each.usage for each in others), Usage())
        if not usage.tokens:
            return book
        unused = Exchange(UNUSED, (), failure="unused").with_usage(usage)
        place.keep_exchange(unused)
        return self._book({**book.exchanges, UNUSED: unused})

    def _with_reused(self, known: KnownAnswers, book: RoundBook, place: RoundFolder) -> RoundBook:
        """Take what earlier rounds answered into the recording of this one, and tell it."""
        filled = known.with_reused(book)
        for key in sorted(filled.exchanges.keys() - book.exchanges.keys()):
            exchange = filled.exchanges[key]
            place.keep_exchange(exchange)
            self.tell(f"  {key}: answered in round {exchange.of_round}")
        return filled

    async def _ask_all(self, place: RoundFolder) -> RoundBook:
        known = known_answers(self.folder, self.inputs, self.before)
        examiner = Examiner(self.repository, self.inputs)
        book = self._book({})
        while True:
            book = self._with_reused(known, book, place)
            planned = plan(book)
            if planned.over_budget:
                self.tell(f"The budget does not allow the phase {planned.over_budget!r}.")
            if not planned.tasks:
                return book
            answered = await self._ask(planned.tasks, known, examiner, place, book)
            book = self._book({**book.exchanges, **answered})

    async def _ask(
        self,
        tasks: tuple[Task, ...],
        known: KnownAnswers,
        examiner: Examiner,
        place: RoundFolder,
        book: RoundBook,
    ) -> dict[ExchangeKey, Exchange]:
        """Ask those whose answers are not known yet, many at once, and keep each as it comes.

        Nobody is asked any more once those before took so much that it can no longer be paid.
        """
        tried = {task.key: known.of_try(task) for task in tasks}
        found = {key: each for key, each in tried.items() if each is not None}
        asked = [task for task in tasks if task.key not in found]
        self.tell(f"{tasks[0].phase.value}: {_named(asked)}")
        under_way: dict[ExchangeKey, Spent] = {}
        seats = asyncio.Semaphore(review_limits.REVIEW_ASKED_AT_ONCE_MAX)

        def can_be_paid(estimate: Spent) -> bool:
            so_far = self._book({**book.exchanges, **found}).spent
            return self.inputs.settings.budget.allows(sum(under_way.values(), so_far + estimate))

        async def ask_one(task: Task) -> None:
            async with seats:
                estimate = book.estimate([task])
                if not can_be_paid(estimate):
                    return
                under_way[task.key] = estimate
                exchange = await self.reviewers.ask(task, examiner.examine)
                del under_way[task.key]
            self.daybook.add(self.name, self.inputs.spent_on(exchange))
            before = known.tried.get(task.key)
            exchange = replace(exchange, model=self.inputs.model_of(task.role.slug))
            exchange = exchange if before is None else exchange.with_usage(before.usage)
            place.keep_exchange(exchange)
            found[task.key] = exchange
            self.tell(f"  {task.key}: {exchange.failure or 'answered'}")

        async with asyncio.TaskGroup() as group:
            for task in asked:
                group.create_task(ask_one(task))
        return found


def round_name(folder: ReviewFolder, number: int) -> str:
    """Return the name of a round among all of a state directory."""
    return f"{folder.path.parent.name}/{folder.path.name}/{number}"


def _named(asked: list[Task]) -> str:
    """Return who is asked, in one line that can be read."""
    names = [task.key for task in asked[:_NAMED_MAX]]
    more = f" and {len(asked) - _NAMED_MAX} more" if len(asked) > _NAMED_MAX else ""
    return ", ".join(names) + more if names else "everybody had answered"


def artefacts_of(report: RoundReport) -> dict[str, str]:
    """Return every form of a report by the name of its file."""
    return {
        "review.json": report_to_json(report),
        "review.md": report_to_markdown(report),
        "review.sarif": report_to_sarif(report),
        "review.html": report_to_html(report),
    }


@dataclass(frozen=True, slots=True)
class Replayed:
    """A round played again: the report, and the artefacts whose bytes are not those recorded."""

    report: RoundReport
    decided: Decided
    artefacts: Mapping[str, str]
    different: tuple[str, ...]


def replay(folder: ReviewFolder, number: int, *, with_requests: bool = True) -> Replayed:
    """Play a recorded round again from its manifest and its exchanges, with no model.

    Raises Malformed (`bad_recording`) when an exchange is missing, or answers another request
    than the round would send; `with_requests` False runs only the code behind the answers.
    """
    place = folder.round(number)
    inputs = place.read_inputs()
    if inputs is None:
        raise Malformed(f"There is no recorded round {number}.", code="bad_recording")
    before = folder.state_before(number)
    book = RoundBook(inputs, before, place.exchanges())
    if with_requests:
        _check_requests(book)
    decided = decide(book)
    report = report_of(inputs, decided, before)
    artefacts = artefacts_of(report)
    different = tuple(
        name for name, text in artefacts.items() if place.artefact(name) != text.encode()
    )
    return Replayed(report, decided, artefacts, different)


def _check_requests(book: RoundBook) -> None:
    missing = [task.key for task in plan(book).tasks]
    asked = (book.scout_tasks, book.verify_tasks, book.panel_tasks, book.refute_tasks)
    for task in (task for tasks in (*asked, book.adjudicate_tasks) for task in tasks()):
        exchange = book.exchanges.get(task.key)
        if exchange is None or not exchange.said:
            continue
        if exchange.said[0].request != task.request_in(exchange.of_round or book.inputs.number):
            missing.append(task.key)
    if missing:
        listed = ", ".join(missing[:5])
        raise Malformed(f"The recording has no answer to {listed}.", code="bad_recording")


__all__ = [
    "OVER_BUDGET",
    "Ran",
    "Replayed",
    "RoundRun",
    "Tell",
    "artefacts_of",
    "refuse_unaffordable",
    "refuse_unpriced",
    "replay",
    "round_name",
]
