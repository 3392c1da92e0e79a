"""A process that raises children, each of which works on the store until it is killed."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from replicas import START_S

NURSERY: Final = Path(__file__).parent / "nursery_main.py"


async def ordered(nursery: Process, order: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Have a child do as ordered, and give what it says, up to how it ended."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write((json.dumps(order) + "\n").encode())
    while True:
        async with asyncio.timeout(START_S):
            line = await nursery.stdout.readline()
        said: dict[str, Any] = json.loads(line)
        yield said
        if "ended" in said:
            return


@asynccontextmanager
async def nursery() -> AsyncIterator[Process]:
    """Give the process that raises children; it ends with its standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(NURSERY), stdin=PIPE, stdout=PIPE, env=child_environment()
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def child_environment() -> dict[str, str]:
    """Return this process's environment, with the tests where a child finds them."""
    return {**os.environ, "PYTHONPATH": str(NURSERY.parents[1])}


__all__ = ["nursery", "ordered"]
