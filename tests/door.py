"""The server's HTTP door, in process: the real application over the real store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI

from driftpin.clock import Clock
from driftpin.identity import WORKER, Actor, digest_of
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.prepare_deployment import (
    RESTORE_EPOCH,
    SIGNING_KEY,
    prepare_deployment,
)
from driftpin.operations.rotate_agent_token import rotate_agent_token
from driftpin.server.app import build_app, compose_services
from driftpin.server.cursors import Cursors, Sealer
from driftpin.server.services import ServerOptions, Services, TurnWorkers
from driftpin.store.store import Store
from driftpin.wire.push import inline_blob
from people import People
from pushing import snapshot_with

JSON = "application/json"
V1 = "/api/v1"


@dataclass(slots=True)
class Door:
    """Calls into the application. A caller is an actor that holds a token, or None."""

    services: Services
    app: FastAPI
    http: httpx2.AsyncClient
    people: People
    tokens: dict[Actor, str] = field(default_factory=dict)

    async def token_of(self, actor: Actor) -> str:
        """Return a token of a user or agent; always the same one."""
        if actor not in self.tokens:
            self.tokens[actor] = await self._mint(actor)
        return self.tokens[actor]

    async def _mint(self, actor: Actor) -> str:
        store = self.services.store
        if actor.user_id is not None:
            return (await create_user_token(store, WORKER, actor.user_id, "test"))[1]
        assert actor.agent_id is not None
        owner = self.people.owner if actor == self.people.agent else self.people.administrator
        return (await rotate_agent_token(store, owner, actor.agent_id))[1]

    async def call(
        self,
        actor: Actor | None,
        method: str,
        path: str,
        body: object = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Send one request; `body` is written as JSON, `content` is sent as it stands."""
        sent = dict(headers or {})
        if actor is not None:
            sent["Authorization"] = f"Bearer {await self.token_of(actor)}"
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", JSON)
        return await self.http.request(method, f"{V1}{path}", content=content, headers=sent)

    async def get(self, actor: Actor | None, path: str) -> httpx2.Response:
        """Send a GET."""
        return await self.call(actor, "GET", path)

    async def post(self, actor: Actor | None, path: str, body: object = None) -> httpx2.Response:
        """Send a POST with a JSON body."""
        return await self.call(actor, "POST", path, {} if body is None else body)

    async def hello(self, run_id: str = "run") -> httpx2.Response:
        """Say hello as the owner's agent."""
        return await self.post(self.people.agent, "/agent/hello", {"run_id": run_id})

    async def push(self, *, seq: int = 1, incarnation: int = 1, **texts: str) -> httpx2.Response:
        """Push these instruction files as the owner's agent, bytes included."""
        body = push_body(seq=seq, incarnation=incarnation, **texts)
        return await self.post(self.people.agent, "/agent/snapshots", body)

    async def chat(self, **fields: object) -> dict[str, Any]:
        """Create a chat of the owner."""
        body = {"workspace_id": self.people.workspace_id, **fields}
        response = await self.post(self.people.owner, "/chats", body)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created


def push_body(*, seq: int = 1, incarnation: int = 1, **texts: str) -> dict[str, Any]:
    """Return the body of a push of `NAME.md` files with these texts."""
    snapshot, blobs = snapshot_with(**texts)
    return {
        "incarnation": incarnation,
        "seq": seq,
        "manifest": json.loads(snapshot.manifest),
        "digest": snapshot.digest,
        "blobs": [inline_blob(digest, content).model_dump() for digest, content in blobs.items()],
    }


def file_entry(text: str = "be kind", source: str = "workspace:AGENTS.md") -> dict[str, Any]:
    """Return the manifest's entry of an ok instruction file."""
    return {
        "kind": "instruction_file",
        "source": source,
        "status": "ok",
        "reason": "",
        "digest": digest_of(text.encode()),
    }


def problem_of(response: httpx2.Response) -> tuple[int, str]:
    """Return status and code of a refusal, which must be problem+json."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem = response.json()
    assert problem["status"] == response.status_code
    return response.status_code, str(problem["code"])


async def open_services(
    store: Store,
    clock: Clock,
    options: ServerOptions | None = None,
    workers: TurnWorkers | None = None,
) -> Services:
    """Return the services of a server whose loops do not run."""
    await prepare_deployment(store, WORKER)
    key = await store.get_deployment(WORKER, SIGNING_KEY)
    epoch = await store.get_deployment(WORKER, RESTORE_EPOCH)
    assert key is not None
    assert epoch is not None
    services = compose_services(
        store,
        clock,
        Cursors(Sealer(bytes.fromhex(key)), clock, int(epoch)),
        options=options or ServerOptions(),
        make_workers=None if workers is None else lambda *_: workers,
    )
    store.database.announce_commits_to(services.tailer.wake)
    return services


def open_door(services: Services, people: People) -> Door:
    """Return a door into an application over the services."""
    app = build_app(services)
    http = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://driftpin.test"
    )
    return Door(services, app, http, people)
