"""Reviews as the store keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from driftpin.identity import Digest, ReviewId, WorkspaceId


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """The record of a round, checked: its document to the byte, and what lists say of it."""

    target: str
    number: int
    verdict: str
    open_count: int
    digest: Digest
    document: bytes
    chats: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A review as it stands after its newest round."""

    id: ReviewId
    workspace_id: WorkspaceId
    target: str
    round: int
    verdict: str
    open_count: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewRound:
    """One round that was published: its document to the byte, and who answered in which chat."""

    number: int
    digest: Digest
    document: bytes
    chats: Mapping[str, str]
    at: datetime


__all__ = ["ReviewRecord", "ReviewRound", "ReviewRow"]
