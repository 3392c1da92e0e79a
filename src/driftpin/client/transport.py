"""One call over HTTP: a shape goes out; a shape comes back, or what the server refused it with."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from driftpin.errors import DriftpinError, Unreachable
from driftpin.wire.problem import error_from

Answer = TypeVar("Answer", bound=BaseModel)
Query = Mapping[str, str | int | bool | None]

CONNECT_TIMEOUT_S: Final = 5.0
# Longer than any call over an agent's link, which some calls wait for.
ANSWER_TIMEOUT_S: Final = 45.0
# A stream sends something at least every 15 s; one that is silent for longer is lost.
SILENCE_MAX_S: Final = 40.0
CONNECTIONS_MAX: Final = 20
RETRY_AFTER_DIGITS_MAX: Final = 9
JSON_MEDIA_TYPE: Final = "application/json"


class Transport:
    """Calls to one server with one token."""

    def __init__(
        self,
        url: str,
        token: str | None,
        carrier: httpx2.AsyncBaseTransport | None = None,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        """Talk to the server at `url`; `carrier` stands in for sockets."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            self._http = httpx2.AsyncClient(
                base_url=url,
                headers=headers,
                timeout=httpx2.Timeout(answer_timeout_s, connect=CONNECT_TIMEOUT_S),
                limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
                transport=carrier,
                # Without TLS there is no certificate; reading those of the machine takes 40 ms.
                verify=not url.startswith("http://"),
                trust_env=False,
            )
        except httpx2.InvalidURL as failure:
            raise Unreachable(f"{url!r} is not the address of a server.") from failure
        self.url = url

    async def __aenter__(self) -> Self:
        """Open nothing yet; connections are opened by calls."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection."""
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        shape: type[Answer],
        *,
        body: BaseModel | None = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer as its shape.

        Raises the refusal that the server raised, or Unreachable when no server answered.
        """
        content = await self.send(method, path, body=body, query=query, headers=headers)
        try:
            return shape.model_validate_json(content)
        except ValidationError as failure:
            raise Unreachable(
                f"The server at {self.url!r} answers in another way than this release expects.",
                code="unexpected_answer",
            ) from failure

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return the bytes of the answer; raises as `call` does."""
        written = None if body is None else body.model_dump_json(exclude_unset=True)
        media_type = {} if body is None else {"Content-Type": JSON_MEDIA_TYPE}
        try:
            response = await self._http.request(
                method,
                path,
                content=written,
                params=written_query(query),
                headers={**media_type, **(headers or {})},
            )
        except httpx2.HTTPError as failure:
            raise self._unreachable(failure) from failure
        if not response.is_success:
            raise _refusal(response, response.content)
        return response.content

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the bytes of an answer as they come; raises as `call` does, also in between."""
        async with self._answered("GET", path, query=query, headers=headers) as response:
            if not response.is_success:
                raise _refusal(response, await response.aread())
            yield self._bytes_of(response)

    @asynccontextmanager
    async def exchange(
        self, path: str, content: bytes, *, headers: Mapping[str, str]
    ) -> AsyncIterator[tuple[Mapping[str, str], AsyncIterator[bytes]]]:
        """Post JSON; give the headers of the answer, and its bytes as they come.

        Raises as `call` does, also in between; an answer in plain JSON is none that raises.
        """
        headers = {"Content-Type": JSON_MEDIA_TYPE, **headers}
        async with self._answered("POST", path, content=content, headers=headers) as response:
            media_type = response.headers.get("Content-Type", "").partition(";")[0]
            if not response.is_success and media_type != JSON_MEDIA_TYPE:
                raise _refusal(response, await response.aread())
            yield response.headers, self._bytes_of(response)

    @asynccontextmanager
    async def _answered(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        try:
            async with self._http.stream(
                method,
                path,
                content=content,
                params=written_query(query),
                headers=headers,
                timeout=httpx2.Timeout(SILENCE_MAX_S, connect=CONNECT_TIMEOUT_S),
            ) as response:
                yield response
        except httpx2.HTTPError as failure:
            raise self._unreachable(failure) from failure

    async def _bytes_of(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except httpx2.HTTPError as failure:
            raise self._unreachable(failure) from failure

    def _unreachable(self, failure: httpx2.HTTPError) -> Unreachable:
        reason = type(failure).__name__
        return Unreachable(
            f"No answer from {self.url!r} ({reason}); is the server running? "
            "Start it with `driftpin up`.",
            reason=reason,
        )


def written_query(query: Query | None) -> dict[str, str]:
    """Return a query as it is sent: what is None is left out, flags are 1 and 0."""
    return {
        name: str(int(value)) if isinstance(value, bool) else str(value)
        for name, value in (query or {}).items()
        if value is not None
    }


def _refusal(response: httpx2.Response, content: bytes) -> DriftpinError:
    try:
        problem = json.loads(content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": f"The server answered with status {response.status_code}."}
    wait_s = response.headers.get("Retry-After", "")
    # A proxy may ask for a wait too, and knows no other way.
    if wait_s.isascii() and wait_s.isdigit() and len(wait_s) <= RETRY_AFTER_DIGITS_MAX:
        problem.setdefault("retry_after_s", int(wait_s))
    return error_from(response.status_code, problem)


__all__ = ["JSON_MEDIA_TYPE", "Query", "Transport", "written_query"]
