import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from served import Site, open_site


@pytest.fixture
async def site(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Site]:
    database = tmp_path / "driftpin.db"
    shutil.copyfile(sqlite_template, database)
    async with open_site(f"sqlite:///{database}") as opened:
        yield opened


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "workspace"
    directory.mkdir()
    (directory / "AGENTS.md").write_text("first\n", encoding="utf-8")
    return directory


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    # The path of a test's own directory is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="dp-") as runtime:
        yield {"XDG_RUNTIME_DIR": runtime}
