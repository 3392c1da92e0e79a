"""The inputs of the next round of a review, and whether it may run at all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from driftpin import __version__, review_limits
from driftpin.errors import Rejected, UsageError
from driftpin.identity import Digest, digest_of
from driftpin.review.diff import ChangeKind, FileChange, parse_patch
from driftpin.review.inputs import FileTexts, Looked, RoundInputs, Seen, Settings
from driftpin.review.ledger import ReviewState, RoundSummary
from driftpin.review.prompts import CALLS, FIXED, READING, RULES, RULING, SAME, STANDS
from driftpin.review.reading.tools import reading_digest
from driftpin.review.repository import Range, Repository, TreeEntry
from driftpin.review.roster import RoleCard
from driftpin.review.scope import Size, proposed_split, size_of
from driftpin.review.standing import blocked_by
from driftpin.review.submission import submission_digest

_PROMPTS: Final = (RULES, CALLS, READING, RULING, FIXED, STANDS, SAME)


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a round runs on beside the change: the snapshot of the base, and the roster in it.

    `dirty_since` says since when the base's tip has another one.
    """

    snapshot: Digest
    roster: tuple[RoleCard, ...]
    dirty_since: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A round that may run, or what it waits for."""

    inputs: RoundInputs
    blocked: tuple[str, ...]


def admit(
    repository: Repository,
    wanted: Range,
    pinned: Pinned,
    settings: Settings,
    before: ReviewState,
    *,
    is_lifted: bool = False,
) -> Admitted:
    """Return the next round's inputs.

    Raises UsageError (`empty_change`) and Rejected (`change_too_large`, with a proposed split). A
    review that had its rounds is blocked unless a person lifted that.
    """
    inputs = _inputs(repository, wanted, pinned, settings, before)
    if not inputs.changes:
        raise UsageError(f"{wanted.text!r} changes nothing.", code="empty_change")
    if size_of(inputs.changes) is Size.TOO_LARGE:
        split = "; ".join(proposed_split(inputs.changes)[:10])
        raise Rejected(
            f"The change has more than {review_limits.REVIEW_DIFF_LINES_MAX} lines of source, or"
            f" {review_limits.REVIEW_ALL_LINES_MAX} of all;"
            f" review it in parts, for example {split}.",
            code="change_too_large",
        )
    blocked = blocked_by(inputs, before)
    if inputs.number > review_limits.REVIEW_ROUNDS_MAX and not is_lifted:
        blocked = (
            f"it had its {review_limits.REVIEW_ROUNDS_MAX} rounds; --more lifts that",
            *blocked,
        )
    return Admitted(inputs, blocked)


def _inputs(
    repository: Repository,
    wanted: Range,
    pinned: Pinned,
    settings: Settings,
    before: ReviewState,
) -> RoundInputs:
    patch = repository.patch(wanted.merge_base, wanted.head)
    delta = _delta(repository, wanted, before, patch)
    return RoundInputs(
        number=before.round + 1,
        target=wanted.target,
        tool_version=__version__,
        prompts=digest_of("\n".join(_PROMPTS).encode()),
        snapshot=pinned.snapshot,
        base=wanted.base,
        merge_base=wanted.merge_base,
        head=wanted.head,
        range_text=wanted.text,
        messages=repository.messages(wanted.merge_base, wanted.head),
        patch=patch,
        delta=delta,
        files=_files(repository, wanted, before, patch, delta),
        roster=pinned.roster,
        settings=settings,
        looked=_looked(repository, wanted, before, patch),
        reading=reading_digest(),
        dirty_since=pinned.dirty_since,
        submission=submission_digest(),
        seen=tuple(_seen(repository, wanted, before)),
    )


def _looked(
    repository: Repository, wanted: Range, before: ReviewState, patch: str
) -> Looked | None:
    """Return what was looked at whole, where a round before was not."""
    whole = tuple(each for each in before.rounds if not each.is_partial)
    if len(whole) == len(before.rounds):
        return None
    return Looked(len(whole), _since(repository, wanted, whole, patch))


def _seen(repository: Repository, wanted: Range, before: ReviewState) -> Iterator[Seen]:
    for each in before.rounds[:-1]:
        if not each.is_partial and repository.has(each.head):
            yield Seen(each.number, repository.patch(each.head, wanted.head, context=0))


def _delta(repository: Repository, wanted: Range, before: ReviewState, patch: str) -> str | None:
    """Return what came since the last round; everything, where its head is no longer there."""
    return _since(repository, wanted, before.rounds, patch)


def _since(
    repository: Repository, wanted: Range, rounds: Sequence[RoundSummary], patch: str
) -> str | None:
    if not rounds:
        return None
    last = rounds[-1].head
    return repository.patch(last, wanted.head, context=0) if repository.has(last) else patch


def _files(
    repository: Repository, wanted: Range, before: ReviewState, patch: str, delta: str | None
) -> tuple[FileTexts, ...]:
    """Return the texts of every file of the change, and of those that findings are tied to."""
    changes = parse_patch(patch)
    old, new = repository.list_tree(wanted.merge_base), repository.list_tree(wanted.head)
    pairs = {each.path: each.old_path for each in changes}
    for path in _paths_of_findings(before, parse_patch(delta or "")):
        pairs.setdefault(path, path)
    names = [*(old.get(path) for path in pairs.values()), *(new.get(path) for path in pairs)]
    blobs = repository.read_blobs(entry.blob for entry in names if entry is not None)
    removed = {each.path for each in changes if each.kind is ChangeKind.REMOVED}
    added = {each.path for each in changes if each.kind is ChangeKind.ADDED}
    return tuple(
        FileTexts(
            path,
            before_path,
            None if path in added else _text(old.get(before_path), blobs),
            None if path in removed else _text(new.get(path), blobs),
        )
        for path, before_path in sorted(pairs.items())
    )


def _paths_of_findings(before: ReviewState, delta: Iterable[FileChange]) -> set[str]:
    moved = {each.old_path: each.path for each in delta if each.kind is ChangeKind.RENAMED}
    anchors = [each.anchor for each in before.findings.values()]
    paths = {anchor.path for anchor in (*anchors, *before.settled.values()) if anchor.path}
    return {moved.get(path, path) for path in paths}


def _text(entry: TreeEntry | None, blobs: Mapping[str, bytes]) -> str | None:
    """Return a file's text; None where it is not there, too large, or no text."""
    content = None if entry is None else blobs.get(entry.blob)
    if content is None or b"\0" in content:
        return None
    return content.decode("utf-8", "replace")


__all__ = ["Admitted", "Pinned", "admit"]
