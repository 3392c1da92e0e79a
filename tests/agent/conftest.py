from pathlib import Path

import pytest

from agent.workspace import Workspace
from driftpin.agent.beneath import KernelOpener, Opener, WalkingOpener


@pytest.fixture(params=[KernelOpener, WalkingOpener])
def opener(request: pytest.FixtureRequest) -> Opener:
    made: Opener = request.param()
    return made


@pytest.fixture
def workspace(tmp_path: Path, opener: Opener) -> Workspace:
    path = tmp_path / "workspace"
    path.mkdir()
    return Workspace(path, opener)
