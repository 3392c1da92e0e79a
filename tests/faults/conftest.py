from collections.abc import Iterator

import pytest

from driftpin.store.database import EngineKind
from faults.places import fresh_postgres, fresh_sqlite


@pytest.fixture
def empty_url(engine_kind: EngineKind, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database of the test's own, with nothing in it, not even a schema."""
    if engine_kind is EngineKind.SQLITE:
        with fresh_sqlite() as url:
            yield url
        return
    with fresh_postgres(request.getfixturevalue("postgres_server")) as url:
        yield url
