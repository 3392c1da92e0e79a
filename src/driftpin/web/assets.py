"""The files that pages load: read once, named by their contents, kept by browsers for good."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# In the order in which a page loads them.
NAMES: Final = ("page.css", "code.css", "icon.svg", "vendor/htmx.js", "vendor/hx-sse.js", "page.js")
VERSION_CHARACTERS: Final = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """Every file; `version` changes whenever one of them does."""

    version: str
    by_name: Mapping[str, Asset]

    def path(self, name: str) -> str:
        """Return where a page loads a file from."""
        return f"/assets/{self.version}/{name.rpartition('/')[2]}"


def read_assets() -> Assets:
    """Read all files of the package that pages load."""
    folder = files("driftpin.web") / "static"
    read = {name: folder.joinpath(*name.split("/")).read_bytes() for name in NAMES}
    whole = sha256(b"\0".join(read.values())).hexdigest()
    return Assets(
        version=whole[:VERSION_CHARACTERS],
        by_name={name.rpartition("/")[2]: _asset(name, content) for name, content in read.items()},
    )


def _asset(name: str, content: bytes) -> Asset:
    return Asset(content, MEDIA_TYPES[name.rpartition(".")[2]])


__all__ = ["Asset", "Assets", "read_assets"]
