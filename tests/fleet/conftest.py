from collections.abc import AsyncIterator

import pytest

from driftpin.store.database import EngineKind
from fleet.pair import Pair, open_pair


@pytest.fixture(params=[EngineKind.POSTGRESQL], ids=str)
def engine_kind(request: pytest.FixtureRequest) -> EngineKind:
    """The one engine that several servers may share."""
    kind: EngineKind = request.param
    return kind


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[Pair]:
    """Two servers on one database."""
    async with open_pair(database_url) as opened:
        yield opened
