import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from served import Site, open_site


@pytest.fixture
async def site(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Site]:
    database = tmp_path / "driftpin.db"
    shutil.copyfile(sqlite_template, database)
    async with open_site(f"sqlite:///{database}") as opened:
        yield opened
