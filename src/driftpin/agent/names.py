"""Names as they are shown and compared: sources, and what makes a file name unfit for one.

The list of unfit characters is fixed here and not taken from a Unicode table, so that two machines
with different tables give the same manifest.
"""

import hashlib
import re
from typing import Final

from driftpin.limits import SOURCE_BYTES_MAX

_UNFIT: Final = re.compile(
    "[\\x00-\\x1f\\\\\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f"
    "\\ud800-\\udfff\\ufeff\\ufff9-\\ufffb\\U000e0000-\\U000e007f]"
)
_UNDECODED_FIRST: Final = 0xDC80
_UNDECODED_LAST: Final = 0xDCFF
_MARK_CHARACTERS: Final = 16


def is_bad_name(name: str) -> bool:
    """Whether a name has control, invisible or undecodable characters, or a backslash."""
    return _UNFIT.search(name) is not None


def shown_name(name: str) -> str:
    """Return the name with every unfit character escaped; different names stay different."""
    return _UNFIT.sub(_escape, name)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if found[0] == "\\":
        return "\\\\"
    if _UNDECODED_FIRST <= code <= _UNDECODED_LAST:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{{{code:x}}}"


def is_too_long(name: str) -> bool:
    """Whether a shown name does not fit a source."""
    return len(name.encode()) > SOURCE_BYTES_MAX


def fitted(name: str) -> str:
    """Return a shown name cut to the longest source, with a mark that keeps it unique."""
    if not is_too_long(name):
        return name
    mark = "…" + hashlib.sha256(name.encode()).hexdigest()[:_MARK_CHARACTERS]
    kept = name.encode()[: SOURCE_BYTES_MAX - len(mark.encode())]
    return kept.decode(errors="ignore") + mark


def joined(directory: str, name: str) -> str:
    """Return the path of `name` in a directory, where the empty path is the place itself."""
    return f"{directory}/{name}" if directory and name else directory or name


__all__ = ["fitted", "is_bad_name", "is_too_long", "joined", "shown_name"]
