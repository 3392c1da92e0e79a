"""Every filter, sort key and cursor of every route, asked with texts that try to become SQL."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from reference import described_services

from door import Door
from driftpin.operations.create_chat import create_chat
from driftpin.server.app import build_app
from seams.access_table_routes import ROWS, RouteRow
from seams.access_world import World
from seams.asgi_caller import Answer, ask
from seams.hostile_text import INJECTIONS, MARK

# What a value that is no value of the parameter may be answered with.
REFUSALS = frozenset(
    {"bad_cursor", "bad_flag", "bad_id", "bad_limit", "bad_sort", "control_char", "too_long"}
)
PARTS = 3
PARAMETERS_MIN = 20


def _questions() -> Iterator[tuple[RouteRow, str]]:
    """Give every route with each parameter of its query, as the API describes itself."""
    paths = build_app(described_services()).openapi()["paths"]
    for row in ROWS:
        called = paths.get(row.path, {}).get(row.method.lower(), {})
        for parameter in called.get("parameters", ()):
            if parameter["in"] == "query":
                yield row, parameter["name"]


QUESTIONS = list(_questions())


def test_there_are_parameters_to_ask() -> None:
    assert len(QUESTIONS) >= PARAMETERS_MIN
    assert {"q", "sort", "cursor", "limit", "workspace", "dirty"} <= {name for _, name in QUESTIONS}


async def _ask(world: World, door: Door, row: RouteRow, query: str) -> tuple[Answer, list[str]]:
    places = {"chat": world.chat_id, "workspace": world.workspace_id, "agent": world.agent_id}
    path = row.tried.partition("?")[0].format(**places, head=world.head, blob=world.blob)
    token = await door.token_of(world.people.owner)
    with world.recorder.on() as statements:
        answer = await ask(
            door.app, row.method, f"{path}?{query}", headers={"Authorization": f"Bearer {token}"}
        )
    return answer, [each.text for each in statements]


@pytest.mark.parametrize("part", range(PARTS))
async def test_f16_a_hostile_value_never_becomes_a_statement(
    part: int, world: World, door: Door
) -> None:
    for row, parameter in QUESTIONS[part::PARTS]:
        asked: set[tuple[str, ...]] = set()
        for text in INJECTIONS:
            answer, statements = await _ask(world, door, row, f"{parameter}={quote(text)}")
            assert answer.status in (200, 400, 422), (row.name, text, answer)
            if answer.status != 200:
                assert json.loads(answer.body)["code"] in REFUSALS, (row.name, text, answer)
            assert MARK.encode() not in answer.body, f"{row.name} repeats {text!r}"
            assert not [each for each in statements if MARK in each], text
            asked.add(tuple(statements))
        assert len(asked) <= 2, "the value decides at most whether anything is asked"
    assert (await world.store.get_chat(world.people.owner, world.chat_id)).chat.title == "a chat"


async def test_f16_quote_tricks_in_a_filter_find_themselves_and_nothing_else(
    world: World, door: Door
) -> None:
    row = next(row for row in ROWS if row.name == "GET /api/v1/chats")
    titles = [text for text in INJECTIONS if text.isprintable()]
    for title in titles:
        await create_chat(world.store, world.people.owner, world.workspace_id, title=title)
    for title in titles:
        answer, _ = await _ask(world, door, row, f"limit=100&q={quote(title)}")
        found = _titles(answer)
        assert title in found
        assert all(title.casefold() in each.casefold() for each in found), (title, found)


def _titles(answer: Answer) -> list[str]:
    return [chat["title"] for chat in json.loads(answer.body)["items"]]


@pytest.mark.parametrize("key", ["title", "owner_id", "id", "+created", "--created", "Created", ""])
async def test_f16_an_unknown_sort_key_is_refused(key: str, world: World, door: Door) -> None:
    row = next(row for row in ROWS if row.name == "GET /api/v1/chats")
    answer, _ = await _ask(world, door, row, f"sort={quote(key)}")
    assert answer.status == 400
    assert b'"bad_sort"' in answer.body
