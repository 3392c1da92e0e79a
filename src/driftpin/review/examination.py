"""Answers examined while a round runs: by the same rules by which they are read at its end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from driftpin.errors import Malformed
from driftpin.review.adjudication import Question, read_adjudication
from driftpin.review.anchors import source_text
from driftpin.review.claims import BadClaim, Trees, claimed_paths, read_answer, refuse_two_documents
from driftpin.review.inputs import FileTexts, RoundInputs
from driftpin.review.planning import Phase, Task
from driftpin.review.repository import Repository, TreeEntry
from driftpin.review.verification import read_ruling, ruled_paths


@dataclass(frozen=True, slots=True)
class Examined:
    """What code says to an answer: what is to be mended, and the texts that it reached out for.

    `is_answer` is False when nothing in it can be used at all; `bad` are the claims among `errors`.
    """

    errors: tuple[str, ...]
    is_answer: bool
    outside: tuple[FileTexts, ...] = ()
    bad: tuple[BadClaim, ...] = ()


Examine = Callable[[Task, str], Examined]


class Examiner:
    """Checks answers against the pinned head of a repository."""

    def __init__(self, repository: Repository, inputs: RoundInputs) -> None:
        """Read what lies outside the change from `repository`."""
        self._repository = repository
        self._inputs = inputs

    @cached_property
    def _tree(self) -> dict[str, TreeEntry]:
        return dict(self._repository.list_tree(self._inputs.head))

    def examine(self, task: Task, answer: str) -> Examined:
        """Return what is to be mended in an answer."""
        try:
            refuse_two_documents(answer)
        except Malformed as error:
            return Examined((error.message,), is_answer=False)
        if task.phase in {Phase.VERIFY, Phase.REFUTE}:
            return self._examine_ruling(answer)
        if task.question is not None:
            return _examine_adjudication(task.question, answer)
        outside = self._outside(claimed_paths(answer))
        trees = self._trees_with(outside)
        try:
            found = read_answer(answer, task.role.slug, trees)
        except Malformed as error:
            return Examined((error.message,), is_answer=False)
        errors = tuple(f"claim {bad.number}: {bad.error}" for bad in found.bad)
        return Examined(errors, is_answer=True, outside=outside, bad=found.bad)

    def _examine_ruling(self, answer: str) -> Examined:
        outside = self._outside(ruled_paths(answer))
        try:
            read_ruling(answer, self._trees_with(outside))
        except Malformed as error:
            return Examined((error.message,), is_answer=False)
        return Examined((), is_answer=True, outside=outside)

    def _trees_with(self, outside: Iterable[FileTexts]) -> Trees:
        read = {each.path: source_text(each.new) for each in outside if each.new is not None}
        return Trees(self._inputs.trees.old, {**read, **self._inputs.trees.new})

    def _outside(self, paths: Iterable[str]) -> tuple[FileTexts, ...]:
        known = self._inputs.trees.new
        wanted = [path for path in paths if path not in known]
        found = {path: self._tree[path].blob for path in wanted if path in self._tree}
        blobs = self._repository.read_blobs(found.values())
        return tuple(
            FileTexts(path, path, None, blobs[blob].decode("utf-8", "replace"))
            for path, blob in found.items()
            if blob in blobs
        )


def _examine_adjudication(question: Question, answer: str) -> Examined:
    try:
        read_adjudication(answer, question)
    except Malformed as error:
        return Examined((error.message,), is_answer=False)
    return Examined((), is_answer=True)


__all__ = ["Examine", "Examined", "Examiner"]
