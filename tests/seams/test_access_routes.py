"""Every route, tried by every kind of caller, on both engines; a route without a row fails."""

import json
from collections.abc import AsyncIterator

import pytest
from fastapi.routing import APIRoute
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


async def _places(world: World) -> dict[str, str]:
    """Return what stands for the names in a row; made anew, since some rows use it up."""
    owner_id = world.people.owner_id
    row, _ = await create_user_token(world.store, world.people.owner, owner_id, "spare")
    return {
        "chat": world.chat_id,
        "workspace": world.workspace_id,
        "agent": world.agent_id,
        "head": world.head,
        "blob": world.blob,
        "reader": world.reader_id,
        "token": row.id,
    }


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_every_caller_gets_what_the_table_says(
    row: RouteRow, caller: Caller, world: World, door: Door
) -> None:
    places = await _places(world)
    headers = {}
    if caller is not Caller.NOBODY:
        headers["Authorization"] = f"Bearer {await door.token_of(world.actor_of(caller))}"
    content = None
    if row.body is not None:
        written = json.dumps(row.body)
        for name, place in places.items():
            written = written.replace(f'"{{{name}}}"', f'"{place}"')
        content = written.encode()
        headers["Content-Type"] = "application/json"
    response = await door.http.request(
        row.method, row.tried.format(**places), content=content, headers=headers
    )
    assert response.status_code == row.statuses[CALLERS.index(caller)], response.text


async def test_every_route_has_exactly_one_row(door: Door) -> None:
    routes = {
        f"{method} {route.path}"
        for route in door.app.routes
        if isinstance(route, APIRoute | Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    sockets = {route.path for route in door.app.routes if isinstance(route, WebSocketRoute)}
    assert sorted(row.name for row in ROWS) == sorted(routes)
    assert sockets == SOCKETS
