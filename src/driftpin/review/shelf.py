"""Where the reviews of a repository stand: one folder for each target, found again by its name."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.errors import NotFound
from driftpin.review.folder import ReviewFolder, write_file

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_CHARACTERS_MAX: Final = 60
_LAST: Final = "last"
_TARGET: Final = "target"
_WORKSPACE: Final = "workspace"


@dataclass(frozen=True, slots=True)
class Shelf:
    """The reviews of one repository, below the state directory."""

    path: Path

    def open(self, target: str) -> ReviewFolder:
        """Return the folder of a target, made if it is new, and remember it as the last."""
        name = _folder_name(target)
        write_file(self.path / name / _TARGET, target.encode("utf-8", "replace"))
        write_file(self.path / _LAST, name.encode("ascii"))
        return ReviewFolder(self.path / name)

    def find(self, target: str | None) -> ReviewFolder:
        """Return a target's folder, or the one used last; NotFound (`no_review`) without one."""
        name = self._last() if target is None else _folder_name(target)
        if not name or not (self.path / name).is_dir():
            raise NotFound("There is no review here yet.", code="no_review")
        return ReviewFolder(self.path / name)

    def workspace(self) -> str:
        """Return the id of the workspace on the server in which reviewers work, if it is known."""
        return _read(self.path / _WORKSPACE)

    def keep_workspace(self, workspace_id: str) -> None:
        """Remember the workspace."""
        write_file(self.path / _WORKSPACE, workspace_id.encode("ascii"))

    def _last(self) -> str:
        return _read(self.path / _LAST)


def shelf_of(state: Path, repository: Path) -> Shelf:
    """Return the shelf of a repository in a state directory."""
    name = hashlib.sha256(os.fsencode(repository)).hexdigest()[:24]
    return Shelf(state / "reviews" / name)


def _folder_name(target: str) -> str:
    readable = _UNFIT.sub("-", target).strip("-.")[:_NAME_CHARACTERS_MAX]
    digest = hashlib.sha256(target.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{readable}-{digest}" if readable else digest


def _read(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


__all__ = ["Shelf", "shelf_of"]
