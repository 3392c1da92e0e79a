"""Which paths inside a skill's folder, or a workspace, may be asked for; decided by the text alone.

Nothing is decoded, joined or normalised: a path is either written as the pin lists it, or refused.
Whether it is in the pin is a look-up afterwards, never a comparison of prefixes.
"""

import re
from typing import Final

from driftpin.errors import Forbidden, Malformed

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def check_skill_path(path: str) -> None:
    """Return if `path` is written as a file of a skill is.

    Raises Malformed `bad_path` for what no listing contains (empty, backslash, control character,
    percent-encoding, space around a name, empty name), and Forbidden `path_escape` for what points
    out of the folder or at hidden files (absolute, `..`, a name that begins with a dot).
    """
    names = path.split("/")
    if _is_unreadable(path) or any(name != name.strip() for name in names):
        raise Malformed(f"{path!r} is no path; write it as it is listed.", code="bad_path")
    if path.startswith("/") or _DRIVE.match(path) or any(name.startswith(".") for name in names):
        raise Forbidden(
            f"{path!r} is absolute, hidden, or leads out of its folder.", code="path_escape"
        )
    if not all(names):
        raise Malformed(f"{path!r} has an empty name in it.", code="bad_path")


def _is_unreadable(path: str) -> bool:
    return (
        not path
        or "\\" in path
        or _CONTROL.search(path) is not None
        or _ENCODED.search(path) is not None
    )


__all__ = ["check_skill_path"]
