import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    # The path of a test's own directory is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="dp-") as runtime:
        yield {"XDG_RUNTIME_DIR": runtime}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "workspace"
    directory.mkdir()
    (directory / "AGENTS.md").write_text("first\n", encoding="utf-8")
    return directory
