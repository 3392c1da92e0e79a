from collections.abc import Callable
from pathlib import Path
from threading import Condition
from typing import Final

WAIT_S: Final = 5.0


class Signals:
    """Counts signals; a test waits for the next one."""

    def __init__(self) -> None:
        self.count = 0
        self._arrived = Condition()

    def __call__(self) -> None:
        with self._arrived:
            self.count += 1
            self._arrived.notify_all()

    def has_risen(self, seen: int) -> bool:
        return self.count > seen

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        with self._arrived:
            assert self._arrived.wait_for(is_so, WAIT_S)


def replace_file(path: Path, text: str) -> None:
    """Save as an editor does: write beside it, then rename over it."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
