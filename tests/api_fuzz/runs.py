"""Calls made of the description of the API, against a served server, by every kind of caller.

Nothing may be answered with a fault, and every answer must be one that the description has: its
status, its media type, its shape. Without a credential, or with one of somebody who has nothing to
do with it, nobody may get through. Where a path names something, half of the calls name what is
really there.
"""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final

import httpx2
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as openapi_checks

from door import push_body
from driftpin.client import AgentClient
from driftpin.identity import digest_of
from driftpin.wire.agent import HelloRequest, PushRequest
from driftpin.wire.api import (
    CreateAgentRequest,
    CreateChatRequest,
    CreateTokenRequest,
    CreateUserRequest,
    CreateWorkspaceRequest,
)
from driftpin.wire.turns import SendMessageRequest
from outcome import Outcome
from own_postgres import own_postgres
from served import Site, open_site

WAIT_S: Final = 30.0
STREAMS: Final = frozenset({"/api/v1/events", "/api/v1/chats/{chat_id}/stream"})
# Said by a server that works: its agent is not connected, or an administrator paused pushes.
SOUND_503: Final = frozenset({"agent_offline", "sync_paused"})
# Whatever of these a caller names that it may not see looks as if it were not there.
OF_THE_OWNER: Final = frozenset({"chat_id", "workspace_id", "agent_id", "token_id"})
CHECKS: Final = (
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
)


@dataclass(slots=True)
class World:
    """A served server, who calls it, and what is there to be named."""

    site: Site
    loop: asyncio.AbstractEventLoop
    callers: dict[str, dict[str, str]] = field(default_factory=dict)
    places: dict[str, object] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make everything anew that a call may have removed."""
        asyncio.run_coroutine_threadsafe(self._prepare(), self.loop).result(WAIT_S)

    async def _prepare(self) -> None:
        client = self.site.client
        # The bad tokens of the last operation would keep a new agent out, as they should.
        self.site.server.services.gate._bad_credentials._buckets.clear()
        # So would a sync that an administrator paused keep its push out.
        await client.set_sync(is_paused=False)
        if not self.callers:
            await self._make_callers()
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="fuzzed"))
        enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
        async with AgentClient(self.site.url, enrolled.token) as agent:
            await agent.hello(HelloRequest(run_id="run"))
            body = push_body(seq=1, AGENTS="be kind")
            await agent.push(PushRequest.model_validate(body, strict=False))
        self.callers["agent"] = _bearer(enrolled.token)
        chat = await client.create_chat(CreateChatRequest(workspace_id=workspace.id))
        await client.send_message(chat.id, SendMessageRequest(text="hello"))
        spare = await client.create_token(CreateTokenRequest(label="spare"))
        context = await client.get_context(chat.id)
        assert context.snapshot is not None
        self.places = {
            "chat_id": chat.id,
            "workspace_id": workspace.id,
            "agent_id": enrolled.id,
            "user_id": (await client.get_me()).user.id,
            "token_id": spare.id,
            "digest": digest_of(b"be kind"),
            "before": context.snapshot,
            "after": context.snapshot,
            "turn": 1,
        }

    async def _make_callers(self) -> None:
        client = self.site.client
        stranger = await client.create_user(CreateUserRequest(name="stranger"))
        token = await client.create_token(CreateTokenRequest(user_id=stranger.id))
        path = (await client.create_login_link()).path
        async with httpx2.AsyncClient(base_url=self.site.url, trust_env=False) as http:
            signed_in = await http.post(path, headers={"Origin": self.site.url})
        cookie = signed_in.headers["set-cookie"].partition(";")[0]
        self.callers = {
            "administrator": _bearer(self.site.token),
            "session": {"Cookie": cookie, "Origin": self.site.url},
            "stranger": _bearer(token.token),
            "nobody": {},
            "a bad token": _bearer("dp_u_" + "a" * 48),
        }


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def served_world(database_url: str) -> Iterator[World]:
    """Give a server that runs in a thread of its own, since the callers here block."""
    ready: Future[World] = Future()

    async def hold() -> None:
        async with open_site(database_url) as site:
            leave = asyncio.Event()
            loop = asyncio.get_running_loop()
            ready.set_result(World(site, loop))
            leaving.append(partial(loop.call_soon_threadsafe, leave.set))
            await leave.wait()

    def serve() -> None:
        try:
            asyncio.run(hold())
        except BaseException as failure:  # noqa: BLE001 whoever waits for the world raises it
            if not ready.done():
                ready.set_exception(failure)

    leaving: list[Callable[[], object]] = []
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield ready.result(WAIT_S)
    finally:
        for leave in leaving:
            leave()
        thread.join(WAIT_S)


def _without_cookies() -> requests.Session:
    """Return what sends calls and keeps no cookie that an answer sets."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


@dataclass(slots=True)
class Fuzzer:
    """One server's operations, tried with calls that are made up."""

    world: World
    outcome: Outcome
    count: int
    seed: int
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(trust_env=False))
    session: requests.Session = field(default_factory=_without_cookies)

    def close(self) -> None:
        """Close every connection."""
        self.http.close()
        self.session.close()

    def description(self) -> dict[str, Any]:
        """Return the server's own description."""
        document: dict[str, Any] = self.http.get(
            f"{self.world.site.url}/api/v1/openapi.json"
        ).json()
        return document

    def operations(self, document: dict[str, Any]) -> list[Any]:
        """Return every operation of a description."""
        schema = schemathesis.openapi.from_dict(document)
        return [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]

    def try_out(self, operation: Any) -> None:
        """Call an operation as often as was asked for, and note what broke."""
        self.world.prepare()

        @seeded(self.seed)
        @settings(
            max_examples=self.count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            case=operation.as_strategy(),
            caller=st.sampled_from(sorted(self.world.callers)),
            is_real=st.booleans(),
        )
        def attempt(case: Any, caller: str, *, is_real: bool) -> None:
            self._attempt(operation, case, caller, is_real=is_real)

        attempt()
        self.outcome.seen["operations"] += 1

    def _attempt(self, operation: Any, case: Any, caller: str, *, is_real: bool) -> None:
        if is_real:
            known = self.world.places
            case.path_parameters = {
                name: known.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        case.headers = {
            name: value
            for name, value in (case.headers or {}).items()
            if name.lower() not in ("authorization", "cookie", "last-event-id")
        }
        case.cookies = {}
        headers = self.world.callers[caller]
        if operation.path in STREAMS:
            self._listen(case, headers, caller, is_real=is_real)
            return
        response = case.call(
            base_url=self.world.site.url, headers=headers, session=self.session, timeout=WAIT_S
        )
        self._judge(operation, case, response, caller, is_real=is_real)

    def _listen(self, case: Any, headers: Mapping[str, str], caller: str, *, is_real: bool) -> None:
        wanted = case.as_transport_kwargs(base_url=self.world.site.url, headers=headers)
        with self.http.stream(
            "GET", wanted["url"], params=wanted.get("params"), headers=dict(wanted["headers"])
        ) as response:
            media_type = response.headers["content-type"].partition(";")[0]
            wished = "text/event-stream" if response.is_success else "application/problem+json"
            if response.status_code >= 500 or media_type != wished:
                self._broke(case.operation, f"{response.status_code} {media_type}", caller)
            self._note(case.operation, response.status_code, caller, is_real=is_real)

    def _judge(
        self, operation: Any, case: Any, response: Any, caller: str, *, is_real: bool
    ) -> None:
        status = response.status_code
        if status >= 500 and not (status == 503 and response.json().get("code") in SOUND_503):
            self._broke(operation, f"{status} {response.text[:200]}", caller)
        try:
            case.validate_response(response, checks=list(CHECKS))
        except BaseExceptionGroup as group:
            told = "; ".join(str(failure) for failure in group.exceptions)
            self._broke(operation, f"{status} {told[:600]}", caller)
        self._note(operation, status, caller, is_real=is_real)

    def _note(self, operation: Any, status: int, caller: str, *, is_real: bool) -> None:
        self.outcome.seen["calls"] += 1
        self.outcome.seen[f"status_{status // 100}xx"] += 1
        is_private = bool(operation.definition.raw.get("security"))
        names = {parameter.name for parameter in operation.path_parameters}
        is_foreign = caller == "stranger" and is_real and names & OF_THE_OWNER
        if status < 400 and (is_foreign or (is_private and caller in ("nobody", "a bad token"))):
            self._broke(operation, f"let {caller} in with {status}", caller)
        if status < 400:
            self.outcome.seen[f"let_in_{caller.replace(' ', '_')}"] += 1

    def _broke(self, operation: Any, what: str, caller: str) -> None:
        text = f"{operation.label} as {caller}, seed {self.seed}: {what}"
        if len(self.outcome.broken) < 50:
            self.outcome.broken.append(text)


def fuzz(database_url: str, count: int, seed: int, share: tuple[int, int] = (0, 1)) -> Outcome:
    """Return what calls to every `share[1]`-th operation from `share[0]` on came to."""
    outcome = Outcome()
    with served_world(database_url) as world:
        fuzzer = Fuzzer(world, outcome, count, seed)
        for operation in fuzzer.operations(fuzzer.description())[share[0] :: share[1]]:
            fuzzer.try_out(operation)
        fuzzer.close()
    outcome.require("calls", "operations", "status_2xx", "status_4xx", "let_in_administrator")
    return outcome


def run(count: int, seed: int) -> Outcome:
    """Return what `count` calls per operation came to, on both databases together."""
    whole = Outcome()
    with tempfile.TemporaryDirectory() as folder, own_postgres() as server:
        for url in (f"sqlite:///{Path(folder) / 'driftpin.db'}", server.url):
            part = fuzz(url, count, seed)
            whole.seen += part.seen
            whole.broken += part.broken
    return whole


__all__ = ["Fuzzer", "fuzz", "run", "served_world"]
