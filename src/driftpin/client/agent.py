"""The server as a workspace agent calls it."""

from types import TracebackType
from typing import Self

import httpx2

from driftpin import limits
from driftpin.client.transport import Transport
from driftpin.wire.agent import (
    BlobsReply,
    BlobsRequest,
    HelloReply,
    HelloRequest,
    PushReply,
    PushRequest,
)
from driftpin.wire.approvals import AllowedServerShape, AllowedServersReply


class AgentClient:
    """Calls with an agent's own token. Each raises the refusal that the server raised.

    The fields of a refusal are the server's: `digests` with `need_blobs`; `head`, `incarnation` and
    `seq` with `stale`, `seq_conflict` and `fenced`. Unreachable when no server answered.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        carrier: httpx2.AsyncBaseTransport | None = None,
        answer_timeout_s: float = limits.AGENT_ANSWER_TIMEOUT_S,
    ) -> None:
        """Talk to the server at `url`; one that does not answer in time counts as unreachable."""
        self._transport = Transport(url, token, carrier, answer_timeout_s=answer_timeout_s)

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection."""
        await self._transport.close()

    async def hello(self, request: HelloRequest) -> HelloReply:
        """Introduce this process; the answer has its incarnation and the agent's head."""
        return await self._transport.call("POST", "/api/v1/agent/hello", HelloReply, body=request)

    async def push(self, request: PushRequest) -> PushReply:
        """Offer a state."""
        return await self._transport.call(
            "POST", "/api/v1/agent/snapshots", PushReply, body=request
        )

    async def upload_blobs(self, request: BlobsRequest) -> BlobsReply:
        """Bring bytes ahead of a push."""
        return await self._transport.call("POST", "/api/v1/agent/blobs", BlobsReply, body=request)

    async def list_allowed_servers(self) -> tuple[AllowedServerShape, ...]:
        """Return the MCP servers that may run here."""
        reply = await self._transport.call("GET", "/api/v1/agent/approvals", AllowedServersReply)
        return reply.items


__all__ = ["AgentClient"]
