"""Who was given which file: the matrix that shows what nobody looked at."""

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
    parts = {
        change.path: [
            chunk.name
            for chunk in book.chunks
            if any(each.path == change.path for each in chunk.changes)
        ]
        for change in book.inputs.changes
    }
    files = tuple(
        (path, tuple(role for role in roles if all((role, name) in answered for name in names)))
        for path, names in parts.items()
    )
    return Coverage(roles, files, tuple(path for path, given in files if not given))


def _subject(key: str) -> str:
    parts = key.split(".")
    return parts[2] if len(parts) > 2 else ""


__all__ = ["Coverage", "coverage_of"]
