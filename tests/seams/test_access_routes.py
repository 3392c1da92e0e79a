"""Every route, tried by every kind of caller, on both engines; a route without a row fails."""

import json
from collections.abc import AsyncIterator

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Route, WebSocketRoute

from door import Door, open_door, open_services
from driftpin.operations.create_user_token import create_user_token
from driftpin.store.store import Store
from people import People
from seams.access_table_routes import CALLERS, ROWS, SOCKETS, RouteRow
from seams.access_world import Caller, World, build_world
from stepping import SteppedClock


@pytest.fixture
async def world(store: Store, people: People, clock: SteppedClock) -> World:
    return await build_world(store, people, clock)


@pytest.fixture
async def door(world: World) -> AsyncIterator[Door]:
    services = await open_services(world.store, world.clock)
    opened = open_door(services, world.people)
    yield opened
    await opened.http.aclose()


CASES = [
    *((row, CALLERS) for row in ROWS if not row.uses_up),
    *((row, (caller,)) for row in ROWS if row.uses_up for caller in CALLERS),
]


async def _places(world: World, row: RouteRow) -> dict[str, str]:
    """Return what stands for the names in a row; made anew where the row may use it up."""
    owner = world.people.owner
    spare, _ = await create_user_token(world.store, owner, world.people.owner_id, "spare")
    return {
        "chat": await world.fresh_chat() if row.method == "DELETE" else world.chat_id,
        "workspace": world.workspace_id,
        "agent": world.agent_id,
        "head": world.head,
        "blob": world.blob,
        "reader": world.reader_id,
        "token": spare.id,
    }


def _content(row: RouteRow, places: dict[str, str]) -> bytes | None:
    if row.body is None:
        return None
    written = json.dumps(row.body)
    for name, place in places.items():
        written = written.replace(f'"{{{name}}}"', f'"{place}"')
    return written.encode()


@pytest.mark.parametrize(
    ("row", "callers"),
    CASES,
    ids=[f"{row.name} {callers[0] if row.uses_up else ''}" for row, callers in CASES],
)
async def test_every_caller_gets_what_the_table_says(
    row: RouteRow, callers: tuple[Caller, ...], world: World, door: Door
) -> None:
    found = {}
    for caller in callers:
        places = await _places(world, row)
        token = None if caller is Caller.NOBODY else await door.token_of(world.actor_of(caller))
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        response = await door.http.request(
            row.method,
            row.tried.format(**places),
            content=_content(row, places),
            headers=headers,
        )
        found[caller] = response.status_code
    assert found == {caller: row.statuses[CALLERS.index(caller)] for caller in callers}


async def test_every_route_has_exactly_one_row(door: Door) -> None:
    found = [context.original_route for context in iter_route_contexts(door.app.routes)]
    routes = {
        f"{method} {route.path}"
        for route in found
        if isinstance(route, APIRoute | Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    sockets = {route.path for route in found if isinstance(route, WebSocketRoute)}
    assert sorted(row.name for row in ROWS) == sorted(routes)
    assert sockets == SOCKETS
