"""An MCP server of the official SDK, reached over the network. It prints its port once it listens.

    remote_server.py http|json|sse

`json` is streamable HTTP whose answers are JSON and no streams.
"""

import os
import socket
import sys

import uvicorn
from mcp.server.mcpserver import Image, MCPServer

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
server = MCPServer("remote", instructions="Add with care.")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def picture() -> Image:
    """Show a picture."""
    return Image(data=PIXEL, format="png")


@server.tool(structured_output=False)
def long(megabytes: int) -> str:
    """Say something long."""
    return "x" * (megabytes * 1024 * 1024)


@server.tool()
def crash() -> str:
    """End the server in the middle of the call."""
    os._exit(3)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)  # noqa: T201 for the parent
    kind = sys.argv[1]
    app = (
        server.sse_app()
        if kind == "sse"
        else server.streamable_http_app(json_response=kind == "json")
    )
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
