"""Which model requests a round still needs, given those that were answered. Pure.

Asked again and again until nothing is left to ask: so a round that crashed goes on with what it
has, a recorded one is found to be whole, and the budget ends a round at the same request each time.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import Final

from driftpin.context.tokens import estimate_text_tokens
from driftpin.errors import Malformed
from driftpin.identity import Digest, digest_of
from driftpin.review.adjudication import (
    Adjudicated,
    Question,
    adjudicate,
    question_of,
    read_adjudication,
    unadjudicated,
)
from driftpin.review.claims import Answer, Trees, read_answer
from driftpin.review.cross_check import Group, anchor_claim, cross_check
from driftpin.review.finding import NEEDS_TRIGGER, Claim, Finding, State
from driftpin.review.hostile_text import claims_about_text
from driftpin.review.inputs import Exchange, ExchangeKey, RoundInputs, with_outside
from driftpin.review.lateness import is_late
from driftpin.review.ledger import ReviewState
from driftpin.review.matching import Match, match_groups
from driftpin.review.prompts import (
    adjudicator_part,
    lens_part,
    refuter_part,
    shared_part,
    verifier_part,
)
from driftpin.review.roster import (
    ADJUDICATOR,
    REFUTER,
    SCOUT,
    VERIFIER,
    Panel,
    RoleCard,
    choose_panel,
    find_adjudicator,
    get_role,
)
from driftpin.review.scope import Chunk, Size, chunks_of, size_of
from driftpin.review.sifting import Fate, fates_of
from driftpin.review.spending import Span, Spent, Usage, money_of
from driftpin.review.standing import Standing, standings
from driftpin.review.verification import Ruling, read_ruling, settles

ANSWER_TOKENS: Final = 2_000
_OPENING: Final = re.compile(r"\ARound \d+")
# What the author says is fixed goes to a verifier instead.
_OWNED: Final = frozenset({State.OPEN, State.CONTESTED})


class Phase(StrEnum):
    """The phases of a round that ask models."""

    SCOUT = "scout"
    VERIFY = "verify"
    PANEL = "panel"
    REFUTE = "refute"
    ADJUDICATE = "adjudicate"


@dataclass(frozen=True, slots=True)
class Task:
    """One request to a reviewer: the shared part of the message, then its own.

    `question` is what an adjudicator's answer is held against.
    """

    phase: Phase
    role: RoleCard
    subject: str
    shared: str
    own: str
    question: Question | None = None

    @property
    def key(self) -> ExchangeKey:
        """The name under which its exchange is kept."""
        subject = f".{self.subject}" if self.subject else ""
        return ExchangeKey(f"{self.phase.value}.{self.role.slug}{subject}")

    @property
    def makes_claims(self) -> bool:
        """Whether it is answered with claims; any other is with a ruling."""
        return self.phase in {Phase.SCOUT, Phase.PANEL}

    @property
    def text(self) -> str:
        """The whole message."""
        return f"{self.shared}\n\n{self.own}"

    def request_in(self, number: int) -> Digest:
        """Return the digest of the message as it is sent in a round."""
        own = _OPENING.sub(f"Round {number}", self.own, count=1)
        return digest_of(f"{self.shared}\n\n{own}".encode("utf-8", "replace"))

    @property
    def usage(self) -> Usage:
        """About what asking and answering takes."""
        return Usage(estimate_text_tokens(self.text), 0, ANSWER_TOKENS)

    @property
    def tokens(self) -> int:
        """All tokens of that."""
        return self.usage.tokens


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be asked now.

    `over_budget` names the phase that can no longer be paid, `span` the limit that says so.
    """

    tasks: tuple[Task, ...]
    over_budget: str = ""
    span: Span = Span.ROUND


@dataclass(frozen=True)
class RoundBook:
    """A round as far as it has come: its inputs, what was known, and the answers so far."""

    inputs: RoundInputs
    before: ReviewState
    exchanges: Mapping[ExchangeKey, Exchange]

    @cached_property
    def trees(self) -> Trees:
        """The texts that claims may point at."""
        return with_outside(self.inputs.trees, self.exchanges)

    @cached_property
    def spent(self) -> Spent:
        """What the answers so far took."""
        return sum((self.inputs.spent_on(each) for each in self.exchanges.values()), Spent())

    def estimate(self, tasks: Iterable[Task]) -> Spent:
        """Return about what asking these takes."""
        settings = self.inputs.settings
        parts = (
            Spent(task.tokens, money_of(task.usage, settings.price_of(self._model_of(task))))
            for task in tasks
        )
        return sum(parts, Spent())

    def missing(self, tasks: Iterable[Task]) -> tuple[Task, ...]:
        """Return those that have no answer yet, nor failed."""
        return tuple(task for task in tasks if task.key not in self.exchanges)

    def _model_of(self, task: Task) -> str:
        return task.role.model or self.inputs.settings.model

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Where earlier findings stand."""
        return standings(self.inputs, self.before)

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """The parts in which the change is shown."""
        return chunks_of(self.inputs.changes)

    @cached_property
    def shared(self) -> Mapping[str, str]:
        """The shared part of every chunk's messages."""
        return {each.name: shared_part(self.inputs, self.before, each) for each in self.chunks}

    @cached_property
    def answers(self) -> Mapping[ExchangeKey, Answer]:
        """What scout and panel said, without those that failed."""
        found: dict[ExchangeKey, Answer] = {}
        for key in sorted(self.exchanges):
            phase, role, *_ = key.split(".")
            if phase not in {Phase.SCOUT.value, Phase.PANEL.value}:
                continue
            try:
                found[key] = read_answer(self.exchanges[key].answer, role, self.trees)
            except Malformed:
                continue
        return found

    @property
    def scouted(self) -> tuple[Answer, ...]:
        """What the scout said of each part."""
        scouts = f"{Phase.SCOUT.value}."
        return tuple(each for key, each in self.answers.items() if key.startswith(scouts))

    @property
    def not_reviewable(self) -> str:
        """Why nobody can review the change, where the scout says so of every part; else nothing."""
        whys = [each.not_reviewable for each in self.scouted]
        return whys[0] if len(whys) == len(self.chunks) and all(whys) else ""

    @cached_property
    def panel(self) -> Panel:
        """Who reviews; nobody but the scout when the change is small."""
        if size_of(self.inputs.changes) is Size.SMALL:
            return Panel((), ("panel: the change is small enough for the scout",))
        if self.not_reviewable:
            return Panel((), ("panel: the scout says that nobody can review the change",))
        proposed = [role for answer in self.scouted for role in answer.roles]
        owners = [each.quoted_role for each in self.before.live if each.state in _OWNED]
        return choose_panel(
            self.inputs.roster,
            self.inputs.delta_changes,
            round_number=self.inputs.look,
            proposed=proposed,
            owners=owners,
            roles_max=self.inputs.settings.panel_max,
        )

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All claims, put together."""
        claims: list[Claim] = [each for answer in self.answers.values() for each in answer.claims]
        claims += claims_about_text(self.inputs)
        return cross_check([anchor_claim(each, self.trees) for each in claims])

    @cached_property
    def matches(self) -> tuple[tuple[Match, ...], tuple[Group, ...]]:
        """The groups that repeat an earlier finding, and those that are new."""
        return match_groups(self.groups, self.standings)

    @cached_property
    def rulings(self) -> Mapping[ExchangeKey, Ruling | None]:
        """What verifiers and refuters said; None from one whose answer cannot be read."""
        return {key: self._ruling(key) for key in sorted(self.exchanges) if is_ruling(key)}

    def _ruling(self, key: ExchangeKey) -> Ruling | None:
        try:
            return read_ruling(self.exchanges[key].answer, self.trees)
        except Malformed:
            return None

    def ruling_on(self, finding: Finding) -> Ruling | None:
        """Return what the verifier of an earlier finding said."""
        return self.rulings.get(ExchangeKey(f"{Phase.VERIFY.value}.{VERIFIER}.{finding.id}"))

    @cached_property
    def fates(self) -> tuple[Fate, ...]:
        """What becomes of the new groups, before anybody says which are one."""
        prefix = f"{Phase.REFUTE.value}.{REFUTER}."
        refutations = {key.removeprefix(prefix): each for key, each in self.rulings.items()}
        return fates_of(self.matches[1], self.standings, self.inputs, refutations)

    @cached_property
    def question(self) -> Question:
        """What the adjudicator is asked; a finding that a verifier settles now is not in it."""
        kept = (each for each in self.standings if not settles(self.ruling_on(each.finding)))
        return question_of(self.fates, kept)

    @cached_property
    def adjudicated(self) -> Adjudicated:
        """What the new groups come to with what the adjudicator said."""
        key = ExchangeKey(f"{Phase.ADJUDICATE.value}.{ADJUDICATOR}")
        exchange = self.exchanges.get(key)
        if exchange is None:
            return Adjudicated(self.fates)
        try:
            said = read_adjudication(exchange.answer, self.question)
        except Malformed as error:
            return unadjudicated(self.fates, self.question, exchange.failure or error.code)
        return adjudicate(self.fates, self.question, said, self.inputs)

    def scout_tasks(self) -> Iterator[Task]:
        """Yield the scout's requests."""
        scout = get_role(self.inputs.roster, SCOUT)
        yield from self._lens_tasks(Phase.SCOUT, scout)

    def panel_tasks(self) -> Iterator[Task]:
        """Yield the panel's requests; they depend on what the scout said."""
        for role in self.panel.roles:
            yield from self._lens_tasks(Phase.PANEL, role)

    def _lens_tasks(self, phase: Phase, role: RoleCard) -> Iterator[Task]:
        for chunk in self.chunks:
            own = lens_part(role, self.inputs, chunk)
            yield Task(phase, role, chunk.name, self.shared[chunk.name], own)

    def verify_tasks(self) -> Iterator[Task]:
        """Yield one request for each earlier finding that somebody must look at."""
        role = get_role(self.inputs.roster, VERIFIER)
        for each in self.standings:
            if each.needs_verifier:
                yield self._about(Phase.VERIFY, role, each.finding)

    def _about(self, phase: Phase, role: RoleCard, finding: Finding) -> Task:
        shared = self.shared[self._chunk_with(finding.place.path)]
        return Task(phase, role, finding.id, shared, verifier_part(role, self.inputs, finding))

    def refute_tasks(self) -> Iterator[Task]:
        """Yield one request for each new claim that matters enough."""
        role = get_role(self.inputs.roster, REFUTER)
        for group in self.matches[1]:
            if group.severity in NEEDS_TRIGGER and not is_late(group, self.inputs):
                shared = self.shared[self._chunk_with(group.place.path)]
                own = refuter_part(role, self.inputs, group)
                yield Task(Phase.REFUTE, role, group.key, shared, own)

    def adjudicate_tasks(self) -> Iterator[Task]:
        """Yield the one question which findings are one, where there is somebody to ask."""
        role, question = find_adjudicator(self.inputs.roster), self.question
        if role is not None and question.fates:
            shared = self.shared[self._chunk_with(question.fates[0].group.place.path)]
            own = adjudicator_part(role, self.inputs, question)
            yield Task(Phase.ADJUDICATE, role, "", shared, own, question)

    def _chunk_with(self, path: str) -> str:
        names = (each.name for each in self.chunks if any(c.path == path for c in each.changes))
        return next(names, self.chunks[0].name)


def is_adjudication(key: ExchangeKey) -> bool:
    """Whether an exchange was with the adjudicator, without whom a round is whole too."""
    return key.partition(".")[0] == Phase.ADJUDICATE.value


def plan(book: RoundBook) -> Plan:
    """Return what is to be asked next; nothing when the round has all its answers."""
    steps: tuple[Callable[[], Iterable[Task]], ...] = (
        lambda: chain(book.scout_tasks(), book.verify_tasks()),
        book.panel_tasks,
        book.refute_tasks,
        book.adjudicate_tasks,
    )
    for tasks in steps:
        missing = book.missing(tasks())
        if missing:
            return _affordable(book, missing)
    return Plan(())


def is_ruling(key: ExchangeKey) -> bool:
    """Whether an exchange was with a verifier or a refuter."""
    return key.partition(".")[0] in {Phase.VERIFY.value, Phase.REFUTE.value}


def _affordable(book: RoundBook, missing: tuple[Task, ...]) -> Plan:
    needed = book.spent + book.estimate(missing)
    budget = book.inputs.settings.budget
    if not budget.allows(needed):
        ended_in = missing[0].phase.value
        return Plan((), over_budget=ended_in, span=budget.span_of(needed))
    return Plan(missing)


__all__ = ["Phase", "Plan", "RoundBook", "Task", "is_adjudication", "is_ruling", "plan"]
