"""What random histories found once, as the shortest stories of it."""

import asyncio

from seams import chat_world
from seams.expected_pushes import HONEST
from seams.pin_world import PinWorld, Refusal

DAY_S = 86_400.0


def test_a_fork_of_a_fork_past_the_retention_is_expired_and_not_unpinned(
    database_url: str,
) -> None:
    with asyncio.Runner() as runner:
        world = PinWorld(database_url, runner)
        world.settle_in()
        world.hello(0, "a")
        world.push(0, (1, 1), {"AGENTS": "Be kind."}, HONEST)
        chat_world.create(world, "owner", None)
        chat_world.take_turn(world, "owner", 0)
        chat_world.fork(world, "owner", 0, 1)
        world.clock.step(500 * DAY_S)
        world.collect()
        for chat in (0, 1):
            refused = chat_world.fork(world, "owner", chat, 1)
            assert isinstance(refused, Refusal)
            assert refused.code == "snapshot_expired"
        world.close()
