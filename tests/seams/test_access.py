"""Every door, tried by every caller, on both engines; a door without a row fails."""

import importlib
import inspect
import pkgutil

import pytest

import driftpin.operations
from driftpin.errors import DriftpinError
from driftpin.store.store import Store
from driftpin.store.values import Page
from people import People
from seams.access_table import ROWS as ACCOUNTS_AND_CHATS
from seams.access_table_pins import ROWS as PINS
from seams.access_table_replicas import ROWS as REPLICAS
from seams.access_table_turns import ROWS as TURNS
from seams.access_world import Caller, Row, World, build_world
from stepping import SteppedClock

ROWS = (*ACCOUNTS_AND_CHATS, *PINS, *TURNS, *REPLICAS)


@pytest.fixture
async def world(store: Store, people: People, clock: SteppedClock) -> World:
    return await build_world(store, people, clock)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_every_caller_finds_what_the_table_says(row: Row, world: World) -> None:
    found = {caller: await _outcome(row, world, caller) for caller in Caller}
    assert found == dict(row.outcomes)


def test_every_door_has_exactly_one_row() -> None:
    names = [row.name for row in ROWS]
    assert sorted(names) == sorted(_methods() | _operations())


def _methods() -> set[str]:
    return {
        f"Store.{name}"
        for name, _ in inspect.getmembers(Store, inspect.isfunction)
        if not name.startswith("_")
    }


def _operations() -> set[str]:
    found = set()
    for module in pkgutil.iter_modules(driftpin.operations.__path__):
        loaded = importlib.import_module(f"driftpin.operations.{module.name}")
        for name in loaded.__all__:
            parameters = _parameters(getattr(loaded, name))
            if parameters[:1] == ["store"]:
                assert parameters[1] == "actor", f"{name} does not ask who acts"
                found.add(name)
    return found


def _parameters(member: object) -> list[str]:
    return list(inspect.signature(member).parameters) if inspect.isfunction(member) else []


async def _outcome(row: Row, world: World, caller: Caller) -> str:
    try:
        answer = await row.attempt(world, world.actor_of(caller))
    except DriftpinError as refusal:
        return refusal.code
    items = answer.items if isinstance(answer, Page) else answer
    return "nothing" if items in (None, (), {}, []) else "ok"
