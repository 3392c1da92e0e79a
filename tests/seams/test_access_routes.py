"""Every route, tried by every kind of caller, on both engines; a route without a row fails.

Streams and sockets are opened and left. Where a caller may not see a thing, its name is tried
beside one that names nothing: the answers are the same bytes, and so are the statements.
"""

import json
from urllib.parse import urlencode

import pytest

from door import Door
from driftpin.operations.create_user_token import create_user_token
from seams.access_table_pages import ROWS as PAGES
from seams.access_table_reviews import ROUTES as REVIEWS
from seams.access_table_routes import CALLERS, RouteRow
from seams.access_table_routes import ROWS as CALLS
from seams.access_world import NO_DIGEST, NO_ID, Caller, World
from seams.asgi_caller import Answer, ask
from seams.doors import routes
from seams.ledger import Note

ROWS = CALLS + PAGES + REVIEWS
CASES = [
    *((row, CALLERS) for row in ROWS if not row.uses_up),
    *((row, (caller,)) for row in ROWS if row.uses_up for caller in CALLERS),
]
# Routes that name something which a caller may be unable to see, for each such caller.
HIDDEN = [row for row in ROWS if 404 in row.statuses]
# What a client of MCP takes.
BOTH = "application/json, text/event-stream"
FORM = "application/x-www-form-urlencoded"
NOTHING = dict.fromkeys(
    ("chat", "workspace", "agent", "reader", "token", "review"), NO_ID
) | dict.fromkeys(("head", "blob"), str(NO_DIGEST))


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
        "review": await world.fresh_review(),
    }


def _content(row: RouteRow, places: dict[str, str]) -> bytes | None:
    if row.form is not None:
        return urlencode(
            {name: value.format(**places) for name, value in row.form.items()}
        ).encode()
    if row.body is None:
        return None
    written = json.dumps(row.body)
    for name, place in places.items():
        written = written.replace(f'"{{{name}}}"', f'"{place}"')
    return written.encode()


async def _ask(
    world: World, door: Door, row: RouteRow, caller: Caller, places: dict[str, str]
) -> tuple[Answer, list[str]]:
    """Return the answer, and every statement that it took."""
    headers = {"Content-Type": "application/json" if row.form is None else FORM, "Accept": BOTH}
    if caller is not Caller.NOBODY:
        headers["Authorization"] = f"Bearer {await door.token_of(world.actor_of(caller))}"
    with world.recorder.on() as statements:
        answer = await ask(
            door.app,
            row.method,
            row.tried.format(**places),
            headers=headers,
            content=_content(row, places),
        )
    return answer, [each.text for each in statements]


@pytest.mark.parametrize(
    ("row", "callers"),
    CASES,
    ids=[f"{row.name} {callers[0] if row.uses_up else ''}" for row, callers in CASES],
)
async def test_every_caller_gets_what_the_table_says(
    row: RouteRow, callers: tuple[Caller, ...], world: World, door: Door, note: Note
) -> None:
    found = {}
    for caller in callers:
        answer, _ = await _ask(world, door, row, caller, await _places(world, row))
        found[caller] = answer.status
    note(row.name, *callers)
    assert found == {caller: row.statuses[CALLERS.index(caller)] for caller in callers}


async def test_f7_what_a_caller_may_not_see_answers_like_what_is_not_there(
    world: World, door: Door
) -> None:
    for row in HIDDEN:
        for caller in _hidden_from(row):
            there = await _ask(world, door, row, caller, await _places(world, row))
            nowhere = await _ask(world, door, row, caller, NOTHING)
            assert there == nowhere, f"{caller} is told apart by {row.name}"


def _hidden_from(row: RouteRow) -> list[Caller]:
    """Return who may not see what the row names; if it is not there yet, only who never may."""
    statuses = dict(zip(CALLERS, row.statuses, strict=True))
    if statuses[Caller.OWNER] == 404:
        return [Caller.OTHER]
    return [caller for caller, status in statuses.items() if status == 404]


async def test_every_route_has_exactly_one_row() -> None:
    assert sorted(row.name for row in ROWS) == sorted(routes())
