"""X16: a COMMIT whose reply is lost is looked for, and answered as what it was."""

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from driftpin.clock import SystemClock
from driftpin.errors import Unavailable
from driftpin.identity import WORKER, AgentId, RandomIds
from driftpin.operations.create_user import create_user
from driftpin.operations.create_user_token import create_user_token
from driftpin.store.database import Database
from driftpin.store.store import Store
from faults.commit_cutting import CommitCutter, Moment
from faults.deeds import MOVES, Deed, StoreHands, Verb
from faults.driver import Driver
from faults.looks import ADDS, Ledger, audit, take_census
from faults.places import Place, fresh_postgres, opened, settle
from tcp_proxy import TcpProxy, proxied


@pytest.fixture
def own_url(postgres_server: str) -> Iterator[str]:
    with fresh_postgres(postgres_server) as url:
        yield url


@pytest.fixture(params=list(Moment), ids=str)
def cutter(request: pytest.FixtureRequest) -> CommitCutter:
    return CommitCutter(request.param)


@pytest.fixture
async def place(own_url: str) -> Place:
    return await settle(own_url)


@pytest.fixture
def socket(own_url: str) -> Path:
    directory = Path(str(make_url(own_url).query["host"]))
    return next(directory.glob(".s.PGSQL.*[0-9]"))


@pytest.fixture
async def proxy(socket: Path, cutter: CommitCutter) -> AsyncIterator[TcpProxy]:
    async with proxied(socket, cutter.plan) as proxy:
        yield proxy


@pytest.fixture
async def cut_store(own_url: str, proxy: TcpProxy, place: Place) -> AsyncIterator[Store]:
    """The store behind the proxy."""
    url = make_url(own_url).set(host="127.0.0.1", port=proxy.port, query={})
    async with opened(url.render_as_string(hide_password=False)) as store:
        yield store


@pytest.mark.parametrize("verb", [Verb.PUSH, Verb.FIRST_PUSH, Verb.CREATE, *MOVES])
async def test_x16_a_deed_is_answered_as_what_became_of_it(
    own_url: str, place: Place, cut_store: Store, cutter: CommitCutter, verb: Verb
) -> None:
    ledger = Ledger()
    async with opened(own_url) as store:
        hands = StoreHands(cut_store, place.world.owner)
        quiet = Driver(
            store, StoreHands(store, place.world.owner), place.world, random.Random(1), print
        )
        await quiet.do(Verb.REFRESH)
        deed = await quiet._prepare(verb)
        before = await take_census(store)
        cutter.is_armed = True
        done = await hands.perform(deed)
        ledger.keep(deed, done)
        assert cutter.cuts[cutter.moment] == 1
        assert done.result in ("accepted", "created", "moved")
        assert (await take_census(store)).less(before) == ADDS[verb]
        assert await audit(store, ledger) == []


async def test_x16_what_records_no_event_is_answered_as_what_became_of_it(
    own_url: str, place: Place, cut_store: Store, cutter: CommitCutter
) -> None:
    async with opened(own_url) as store:
        deed = Deed(
            Verb.PUSH, place.world.workspace_id, place.world.agent_ids[0], seq=2, text="first"
        )
        cutter.is_armed = True
        done = await StoreHands(cut_store, place.world.owner).perform(deed)
        assert done.result == "unchanged"
        agent = await store.get_agent(WORKER, AgentId(place.world.agent_ids[0]))
        assert agent.head_seq == 2
        cutter.is_armed = True
        user = await create_user(cut_store, WORKER, "somebody")
        cutter.is_armed = True
        await create_user_token(cut_store, WORKER, user.id, "a token")
        listed = await store.list_users(WORKER, limit=10)
        assert [each.name for each in listed.items].count("somebody") == 1
        assert cutter.cuts[cutter.moment] == 3


class HastyClock(SystemClock):
    """A clock on which a second passes at every look, so that deadlines come at once."""

    def __init__(self) -> None:
        self.looks = 0.0

    def monotonic_s(self) -> float:
        self.looks += 1
        return self.looks


async def test_x16_where_nobody_can_be_asked_the_outcome_is_said_to_be_unknown(
    own_url: str, place: Place, proxy: TcpProxy, cutter: CommitCutter
) -> None:
    url = make_url(own_url).set(host="127.0.0.1", port=proxy.port, query={})
    database = Database(
        url.render_as_string(hide_password=False), clock=HastyClock(), ids=RandomIds()
    )

    def refuse() -> None:
        proxy.is_refusing = True

    cutter.on_cut = refuse
    cutter.is_armed = True
    with pytest.raises(Unavailable) as refusal:
        await create_user(Store(database), WORKER, "somebody")
    assert refusal.value.code == "outcome_unknown"
    await database.close()
