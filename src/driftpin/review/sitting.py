"""One reviewer at work: what it reads, what it hands in, and how often it may go on."""

from typing import Final

from driftpin import review_limits
from driftpin.review.examination import Examine, Examined
from driftpin.review.inputs import Read
from driftpin.review.planning import Task
from driftpin.review.reading.desk import Visit
from driftpin.review.submission import COMPLETE, SUBMITTING, Submission

_END_NOW: Final = "You were asked as often as a reviewer may be. Call `complete`, or answer, now."
_NO_CLAIMS: Final = "You are asked for a JSON object with `result`: answer with that, as text."
NOT_COMPLETE: Final = (
    "You began to answer by calls and never called `complete`; no text stands in for it."
)


class Sitting:
    """Answers every call of one reviewer, and says what its answer is."""

    def __init__(self, task: Task, examine: Examine, visit: Visit) -> None:
        """Begin with nothing read and nothing handed in."""
        self._task = task
        self._examine = examine
        self._visit = visit
        self._submission = Submission(self._wrong)
        self._requests = 0

    @property
    def is_over(self) -> bool:
        """Whether the reviewer went on calling although it was told to end."""
        most = review_limits.REVIEW_REQUESTS_MAX + review_limits.REVIEW_READ_REFUSALS_MAX
        return self._requests > most or self._visit.is_over or self._submission.is_over

    @property
    def is_unfinished(self) -> bool:
        """Whether the reviewer began to answer by calls and has not completed."""
        return self._task.makes_claims and self._submission.is_begun and not self.document

    @property
    def document(self) -> str:
        """The answer that was handed in by calls; nothing before it was completed."""
        return self._submission.document

    def begin_request(self, *, is_refused: bool = False) -> None:
        """Take what is called now as called at once; `is_refused` if a claim among it was."""
        self._requests += 1
        self._submission.begin_request(is_refused=is_refused)

    def answer(self, tool: str, arguments: str) -> Read:
        """Return what a call gives, and keep it."""
        if tool != COMPLETE and self._requests > review_limits.REVIEW_REQUESTS_MAX:
            return self._visit.keep(Read(tool, "", _END_NOW, is_error=True))
        if tool not in SUBMITTING:
            return self._visit.answer(tool, arguments)
        if not self._task.makes_claims:
            return self._visit.keep(Read(tool, "", _NO_CLAIMS, is_error=True))
        arguments = arguments.encode("utf-8", "replace").decode()
        return self._visit.keep(self._submission.answer(tool, arguments))

    def examine(self, answer: str) -> Examined:
        """Return what is to be mended in an answer; text is none from whoever began to hand in."""
        if self.is_unfinished:
            return Examined((NOT_COMPLETE,), is_answer=False)
        return self._examine(self._task, answer)

    def take(self) -> tuple[Read, ...]:
        """Return the calls of a turn that is over; the next one has requests of its own."""
        self._requests = 0
        return self._visit.take()

    def _wrong(self, document: str) -> str:
        examined = self._examine(self._task, document)
        return "; ".join([each.error for each in examined.bad] or examined.errors)


__all__ = ["NOT_COMPLETE", "Sitting"]
