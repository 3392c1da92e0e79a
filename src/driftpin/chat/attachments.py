"""Files that a tool's result brings beside its text: images and documents that models look at."""

from dataclasses import dataclass
from typing import Final

SHOWN_MEDIA: Final = frozenset(
    {"application/pdf", "image/gif", "image/jpeg", "image/png", "image/webp"}
)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file; `content` is its bytes in base64, `media_type` one of `SHOWN_MEDIA`."""

    media_type: str
    content: str


__all__ = ["SHOWN_MEDIA", "Attachment"]
