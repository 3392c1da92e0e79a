"""Records of rounds for whoever keeps or shows them: a recorded one, changed where told to."""

import json
from pathlib import Path
from typing import Any

from driftpin.identity import digest_of
from driftpin.store.review_values import ReviewRecord
from driftpin.wire.reviews import read_review

RECORDED = Path(__file__).parent / "review" / "recorded" / "rounds"


def document_of(number: int = 1, **changed: Any) -> str:
    """The recorded round 1 or 2 as `review.json`, with other values for fields at its top."""
    written = json.loads((RECORDED / str(number) / "review.json").read_text(encoding="utf-8"))
    return json.dumps({**written, **changed}, indent=2)


def record_of(text: str, **chats: str) -> ReviewRecord:
    """What the store keeps of a document."""
    content = text.encode()
    read = read_review(content)
    return ReviewRecord(
        target=read.target,
        number=read.round,
        verdict=read.verdict,
        open_count=len(read.live),
        digest=digest_of(content),
        document=content,
        chats=chats,
    )
