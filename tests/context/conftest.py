import pytest

from context.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def shared_world() -> World:
    """One world for every example of a property; blobs are named by content, so none collide."""
    return World()
