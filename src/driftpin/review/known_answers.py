"""Answers that need not be asked for again: of a try that was cut off, and of earlier rounds.

An answer is used again when it was given to the same request, by the same model; one of an earlier
round (of the scout or the panel) only where head, base and snapshot are the same too. What such a
one took was paid for in its own round, and is not counted again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from driftpin.review.folder import ReviewFolder
from driftpin.review.inputs import Exchange, ExchangeKey, RoundInputs
from driftpin.review.ledger import ReviewState
from driftpin.review.planning import RoundBook, Task

Answers = Mapping[ExchangeKey, Exchange]


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """The exchanges of earlier tries of a round, and of rounds on the same inputs, newest first."""

    inputs: RoundInputs
    tried: Answers
    earlier: tuple[tuple[int, Answers], ...]

    def of_try(self, task: Task) -> Exchange | None:
        """Return the answer of an earlier try of this round."""
        return self._fitting(self.tried, task, self.inputs.number)

    def of_round(self, task: Task) -> Exchange | None:
        """Return the answer of an earlier round; it takes nothing but what tries here took."""
        if not task.makes_claims:
            return None
        fitting = ((number, self._fitting(each, task, number)) for number, each in self.earlier)
        number, found = next(((n, each) for n, each in fitting if each is not None), (0, None))
        if found is None:
            return None
        then = found.of_round or number
        reused = replace(found, tokens=0, cached=0, written=0, of_round=then)
        before = self.tried.get(task.key)
        return reused if before is None else reused.with_usage(before.usage)

    def _fitting(self, answers: Answers, task: Task, number: int) -> Exchange | None:
        found = answers.get(task.key)
        if found is None or not found.answer or found.model != self.inputs.model_of(found.role):
            return None
        asked = found.said[0].request
        return found if asked == task.request_in(found.of_round or number) else None

    def with_reused(self, book: RoundBook) -> RoundBook:
        """Return a round with all that earlier rounds answered; the panel follows the scout."""
        scouted = self._filled(book, book.missing(book.scout_tasks()))
        if scouted.missing(scouted.scout_tasks()):
            return scouted
        return self._filled(scouted, scouted.missing(scouted.panel_tasks()))

    def _filled(self, book: RoundBook, tasks: Iterable[Task]) -> RoundBook:
        found = {task.key: self.of_round(task) for task in tasks}
        reused = {key: each for key, each in found.items() if each is not None}
        return RoundBook(book.inputs, book.before, {**book.exchanges, **reused})


def known_answers(folder: ReviewFolder, inputs: RoundInputs, before: ReviewState) -> KnownAnswers:
    """Return what is known of a round before anybody is asked."""
    tried = folder.round(inputs.number).exchanges()
    return KnownAnswers(inputs, tried, tuple(_earlier(folder, inputs, before)))


def _earlier(
    folder: ReviewFolder, inputs: RoundInputs, before: ReviewState
) -> Iterator[tuple[int, Answers]]:
    for summary in reversed(before.rounds):
        if (summary.head, summary.snapshot) != (inputs.head, inputs.snapshot):
            continue
        place = folder.round(summary.number)
        then = place.read_inputs()
        if then is not None and _ground(then) == _ground(inputs):
            yield summary.number, place.exchanges()


def _ground(inputs: RoundInputs) -> tuple[str | None, ...]:
    """Return what an answer rests on beside its request."""
    trees = (inputs.snapshot, inputs.merge_base, inputs.head)
    return (*trees, inputs.prompts, inputs.tool_version, inputs.reading, inputs.submission)


__all__ = ["KnownAnswers", "known_answers"]
