"""PostgreSQL restarts under load: nothing acknowledged is lost, and all that is said is 503."""

import asyncio

from faults.postgres_restarts import restart_under_load

SEED = 20260124


def test_x14_a_restart_of_postgresql_under_load_costs_503s_and_nothing_else() -> None:
    outcome = asyncio.run(restart_under_load(2, SEED, down_max_s=1.0))
    assert outcome.broken == []
    assert outcome.seen["restarts, fast"] == outcome.seen["restarts, immediate"] == 1
    assert any(name.startswith("503") for name in outcome.seen)
