"""Which addresses an MCP server may be reached at, decided for the address that is connected to.

A name is resolved once per request, checked, and that very address is connected to, so an answer
that changes between look-up and connection changes nothing. What is not a public unicast address is
refused, whichever way it is written: loopback and private ones unless the person who approved the
server's identity allowed them for it, all others always (link-local ones hand out secrets).
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx2

from driftpin import limits

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

NAT64: Final = IPv6Network("64:ff9b::/96")
COMPATIBLE: Final = IPv6Network("::/96")
# Where clouds hand out secrets to whatever runs there, beside the link-local ones.
METADATA: Final = frozenset(
    map(
        ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)
TOO_LARGE: Final = "the answer is too large"
MCP_TIMEOUT_S: Final = 30.0
MCP_STREAM_TIMEOUT_S: Final = 300.0


class EgressRefused(httpx2.ConnectError):
    """No address of the host may be reached for this server."""


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Sends each request to an address that was checked; TLS still asks for the host's name."""

    def __init__(
        self, *, allows_private: bool, resolve: Resolve, inner: httpx2.AsyncBaseTransport
    ) -> None:
        """Look hosts up with `resolve` and send through `inner`."""
        self._allows_private = allows_private
        self._resolve = resolve
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request; raises EgressRefused before anything is connected to."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._pick(url.host, port)
        # A new request: whoever follows a redirect compares with the one that was asked for.
        sent = httpx2.Request(
            request.method,
            url.copy_with(host=str(address)),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.host},
        )
        # What is packed could be any size once it is not.
        sent.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(sent)
        assert isinstance(response.stream, httpx2.AsyncByteStream), "the transport is asynchronous"
        response.stream = _Bounded(response.stream, response.headers)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()

    async def _pick(self, host: str, port: int) -> Address:
        try:
            found = await self._resolve(host, port)
        except OSError as failure:
            raise httpx2.ConnectError("the host's name cannot be resolved") from failure
        for text in found:
            address = ip_address(text.partition("%")[0])
            if may_reach(address, allows_private=self._allows_private):
                return address
        raise EgressRefused("no address of the host may be reached")


class _Bounded(httpx2.AsyncByteStream):
    """The body of an answer. A stream of events has no end; whoever reads it bounds each event."""

    def __init__(self, inner: httpx2.AsyncByteStream, headers: httpx2.Headers) -> None:
        self._inner = inner
        self._is_packed = headers.get("content-encoding", "identity") != "identity"
        self._is_events = headers.get("content-type", "").startswith("text/event-stream")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._is_packed:
            raise httpx2.StreamError("the answer is packed, which was not asked for")
        left = limits.MCP_LINE_BYTES_MAX
        async for chunk in self._inner:
            left -= 0 if self._is_events else len(chunk)
            if left < 0:
                raise httpx2.StreamError(TOO_LARGE)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def may_reach(address: Address, *, allows_private: bool) -> bool:
    """Whether a server at this address may be connected to."""
    inner = _carried(address) if isinstance(address, IPv6Address) else None
    if inner is not None:
        return may_reach(inner, allows_private=allows_private)
    if address.is_loopback:
        return allows_private
    if address in METADATA or _is_for_no_server(address):
        return False
    if address.is_private or (isinstance(address, IPv6Address) and address.is_site_local):
        return allows_private
    return address.is_global


def _is_for_no_server(address: Address) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )


def _carried(address: IPv6Address) -> IPv4Address | None:
    """Return the older address that a newer one stands for, in each of the ways to write one."""
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in NAT64 or (address in COMPATIBLE and int(address) > 1):
        return last
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host as the system resolves it; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(str(entry[4][0]) for entry in found)


def checked_client(
    *,
    headers: dict[str, str],
    allows_private: bool,
    resolve: Resolve = resolve_by_system,
    inner: httpx2.AsyncBaseTransport | None = None,
) -> httpx2.AsyncClient:
    """Return a client for one server; it knows no proxy and follows no redirect by itself."""
    transport = CheckedTransport(
        allows_private=allows_private,
        resolve=resolve,
        inner=inner or httpx2.AsyncHTTPTransport(trust_env=False),
    )
    return httpx2.AsyncClient(
        headers=headers,
        transport=transport,
        timeout=httpx2.Timeout(MCP_TIMEOUT_S, read=MCP_STREAM_TIMEOUT_S),
        trust_env=False,
        follow_redirects=False,
    )


__all__ = [
    "CheckedTransport",
    "EgressRefused",
    "Resolve",
    "checked_client",
    "may_reach",
    "resolve_by_system",
]
