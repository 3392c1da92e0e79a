"""A remote MCP server as a process of its own, and the address under which it is listed."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from driftpin.agent.mcp_configs import FoundServer
from driftpin.context.launch import Launch, Transport

PROGRAM = Path(__file__).parent / "remote_server.py"
WAIT_S = 20.0


@dataclass(frozen=True)
class Remote:
    """A server that answers at a port of the loopback interface."""

    kind: str
    port: int

    def found(self, host: str = "127.0.0.1") -> FoundServer:
        """Return the server as a workspace lists it."""
        path = "sse" if self.kind == "sse" else "mcp"
        transport = Transport.SSE if self.kind == "sse" else Transport.HTTP
        launch = Launch(transport, url=f"http://{host}:{self.port}/{path}")
        return FoundServer("mcp:fake", "workspace:.mcp.json", launch)


@asynccontextmanager
async def open_remote(kind: str) -> AsyncIterator[Remote]:
    """Give a server of this kind; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), kind, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_S):
            port = int(await process.stdout.readline())
        yield Remote(kind, port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
