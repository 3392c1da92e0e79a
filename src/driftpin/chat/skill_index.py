"""The names under which a pin's skills are offered, and how one is found again."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from driftpin.chat.cleaning import clean_line, show_source
from driftpin.chat.pinned import PinnedSkill
from driftpin.errors import Conflict, NotFound

INTRODUCTION: Final = (
    "Skills that were pinned with this context. Before you follow one, load it with `read_skill` "
    "and its name; its other files are read with `read_skill_file`."
)
NOTHING_PUBLISHED: Final = "No skills: this workspace has not published anything yet."
NONE_FOUND: Final = "No skills: this workspace published its context, and none was found in it."


def offered_names(skills: Sequence[PinnedSkill]) -> dict[str, str]:
    """Return the name under which each skill is offered, by its source.

    A name that stands in one place is offered as it is; one that stands in several is offered by
    its source each time, so that no place wins silently.
    """
    counts = Counter(skill.body.name for skill in skills)
    return {
        skill.source: skill.body.name if counts[skill.body.name] == 1 else skill.source
        for skill in skills
    }


def index_line(offered_name: str, skill: PinnedSkill) -> str:
    """Return the one line that the index spends on a skill."""
    return f"- {show_source(offered_name)}: {clean_line(skill.body.description)}"


def find_skill(skills: Sequence[PinnedSkill], name: str) -> PinnedSkill:
    """Return the skill that `name` means: a name that stands in one place, or a source.

    Raises NotFound `skill_not_found`, and Conflict `ambiguous_skill` for a name that stands in
    several places.
    """
    by_source = [skill for skill in skills if skill.source == name]
    found = by_source or [skill for skill in skills if skill.body.name == name]
    if not found:
        raise NotFound(f"No skill is called {name!r} in this pin.", code="skill_not_found")
    if len(found) > 1:
        sources = [skill.source for skill in found]
        raise Conflict(
            f"{name!r} stands in several places; say one of {', '.join(sources)}.",
            code="ambiguous_skill",
            sources=sources,
        )
    return found[0]


__all__ = [
    "INTRODUCTION",
    "NONE_FOUND",
    "NOTHING_PUBLISHED",
    "find_skill",
    "index_line",
    "offered_names",
]
