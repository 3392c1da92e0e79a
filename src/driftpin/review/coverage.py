"""Who was given which file: the matrix that shows what nobody looked at."""

from collections.abc import Mapping
from dataclasses import dataclass

from driftpin.review.planning import RoundBook
from driftpin.review.roster import SCOUT


@dataclass(frozen=True, slots=True)
class Coverage:
    """For every file, the roles that were given it and answered, and the files that nobody was."""

    roles: tuple[str, ...]
    files: tuple[tuple[str, tuple[str, ...]], ...]
    not_given: tuple[str, ...]


def coverage_of(book: RoundBook) -> Coverage:
    """Return the matrix of a round; a file counts as given when all of its parts were."""
    roles = (SCOUT, *(role.slug for role in book.panel.roles))
    answered = {(key.split(".")[1], _subject(key)) for key in book.answers}
    files = tuple(
        (path, tuple(role for role in roles if all((role, name) in answered for name in names)))
        for path, names in _parts(book).items()
    )
    return Coverage(roles, files, tuple(path for path, given in files if not given))


def given_to(book: RoundBook, path: str) -> frozenset[str]:
    """Return who was given a part of a file and answered; of what is not changed, all."""
    names = _parts(book).get(path)
    answered = ((key.split(".")[1], _subject(key)) for key in book.answers)
    return frozenset(role for role, name in answered if names is None or name in names)


def _parts(book: RoundBook) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the parts in which each file is shown."""
    found: dict[str, tuple[str, ...]] = {each.path: () for each in book.inputs.changes}
    for chunk in book.chunks:
        for path in {each.path for each in chunk.changes}:
            found[path] = (*found[path], chunk.name)
    return found


def _subject(key: str) -> str:
    parts = key.split(".")
    return parts[2] if len(parts) > 2 else ""


__all__ = ["Coverage", "coverage_of", "given_to"]
