"""An event loop in which nothing depends on threads: what would run on one runs at once."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest import mock

import aiosqlite.core


class InlineExecutor(ThreadPoolExecutor):
    """Runs what it is given before it returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 handed on, as by any executor
            future.set_exception(error)
        return future


class _InlineQueue:
    """In place of the driver's queue to its thread."""

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        future, work = item
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 handed on, as by the thread
            if future is not None:
                future.set_exception(error)
        else:
            if future is not None:
                future.set_result(result)


class _NoThread:
    """In place of the driver's thread."""

    daemon = True

    def __init__(self, **_: object) -> None:
        pass

    def start(self) -> None:
        pass


@contextmanager
def without_threads() -> Iterator[None]:
    """Have the SQLite driver work in the thread of the loop."""
    with (
        mock.patch.object(aiosqlite.core, "SimpleQueue", _InlineQueue),
        mock.patch.object(aiosqlite.core, "Thread", _NoThread),
    ):
        yield


__all__ = ["InlineExecutor", "without_threads"]
