"""The roles that come with the package, and those that a repository puts in their place."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from driftpin.review.roster import RoleCard, read_roster

SKILL_NAME: Final = "driftpin-review"


def bundled_files() -> dict[str, str]:
    """Return the skill's files by their path in it."""
    skill = files("driftpin.review") / "skill"
    roles = {
        f"roles/{file.name}": file.read_text(encoding="utf-8")
        for file in (skill / "roles").iterdir()
        if file.name.endswith(".md")
    }
    return {"SKILL.md": (skill / "SKILL.md").read_text(encoding="utf-8"), **roles}


def roster_with(own: Mapping[str, str]) -> tuple[RoleCard, ...]:
    """Return the bundled roles with a repository's own files in place of those of the same name."""
    return read_roster({**_roles(bundled_files()), **_roles(own)})


def _roles(skill_files: Mapping[str, str]) -> dict[str, str]:
    return {
        path: text
        for path, text in skill_files.items()
        if path.startswith("roles/") and path.endswith(".md")
    }


__all__ = ["SKILL_NAME", "bundled_files", "roster_with"]
