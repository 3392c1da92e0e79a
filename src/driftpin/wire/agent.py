"""What a workspace agent and the server say to each other over HTTP (spec/context.md §6).

A push carries the whole manifest and names every blob by digest. Bytes travel ahead of it in
`POST /api/v1/agent/blobs`, or inside it as `blobs` when they are few.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from driftpin import limits
from driftpin.wire.shape import ONE_LINE, DigestText, IdText, ReplyShape, Shape

PROTOCOL_VERSIONS = (1,)

Seq = Annotated[int, Field(ge=1, le=limits.SEQ_MAX)]
Base64Text = str


class HelloRequest(Shape):
    """An agent's process introduces itself; `run_id` names the process, not the agent."""

    run_id: Annotated[str, Field(min_length=1, max_length=64), ONE_LINE]
    hostname: Annotated[str, Field(max_length=255), ONE_LINE] = ""
    os: Annotated[str, Field(max_length=64), ONE_LINE] = ""
    version: Annotated[str, Field(max_length=64), ONE_LINE] = ""
    roots: dict[str, str] = Field(default_factory=dict)
    protocol: int = 1


class HeadShape(ReplyShape):
    """The newest snapshot that the server accepted from this agent."""

    digest: DigestText
    incarnation: int
    seq: int


class HelloReply(ReplyShape):
    """Who the agent is to the server, and its fencing number."""

    agent_id: IdText
    workspace_id: IdText
    incarnation: int
    head: HeadShape | None


class InlineBlob(Shape):
    """Bytes of one blob, in standard base64."""

    digest: DigestText
    data: Base64Text


class PushRequest(Shape):
    """One push. `digest`, when sent, must be the digest of the canonical manifest."""

    incarnation: Seq
    seq: Seq
    manifest: dict[str, JsonValue]
    observations: dict[str, JsonValue] = Field(default_factory=dict)
    digest: DigestText | None = None
    blobs: tuple[InlineBlob, ...] = ()


class PushReply(ReplyShape):
    """What became of a push that was not refused."""

    result: Literal["accepted", "unchanged", "duplicate"]
    head: HeadShape


class BlobsRequest(Shape):
    """Several blobs; the server hashes each."""

    blobs: Annotated[tuple[InlineBlob, ...], Field(max_length=limits.SERVER_BLOBS_PER_REQUEST_MAX)]


class BlobsReply(ReplyShape):
    """The digests that the server now holds for the agent's workspace."""

    stored: tuple[DigestText, ...]


__all__ = [
    "PROTOCOL_VERSIONS",
    "BlobsReply",
    "BlobsRequest",
    "HeadShape",
    "HelloReply",
    "HelloRequest",
    "InlineBlob",
    "PushReply",
    "PushRequest",
]
