"""Names, titles and labels: one line of text that people wrote, kept as they wrote it."""

import unicodedata

from driftpin import limits
from driftpin.errors import Rejected


def accept_title(text: str, field: str) -> str:
    """Return the text if it may be a title; it may be empty, and HTML in it is only text.

    Raises Rejected: `too_long`, `control_char`.
    """
    if len(text) > limits.TITLE_CHARACTERS_MAX:
        raise Rejected(
            f"The {field} may have {limits.TITLE_CHARACTERS_MAX} characters, not {len(text)}.",
            code="too_long",
            field=field,
            characters_max=limits.TITLE_CHARACTERS_MAX,
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise Rejected(
            f"The {field} may not contain control characters.", code="control_char", field=field
        )
    return text


def accept_name(text: str, field: str) -> str:
    """Return the text if it may name something; raises Rejected as titles do, or `empty`."""
    if not text.strip():
        raise Rejected(f"The {field} may not be empty.", code="empty", field=field)
    return accept_title(text, field)


__all__ = ["accept_name", "accept_title"]
