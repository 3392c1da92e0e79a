"""A hint that something may have changed in the directories that were looked at.

Directories are watched, never files (a watched file goes blind after an atomic save) and never
whole trees. A wanted directory that does not exist is stood in for by its nearest existing parent,
where only the one name on the way to it counts. A signal carries no content: what it leads to is a
look at the truth. Whatever a watcher misses, the rescan finds.
"""

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfiles._rust_notify import RustNotify

from driftpin import limits

ARM_TRIES_MAX: Final = 3
# `watchfiles` offers no other way out of a blocking wait than a flag that it polls.
STOP_TIMEOUT_S: Final = 5.0

Identity = tuple[int, int]
IsRelevant = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """What to watch for a wanted set of directories.

    `directories` maps each existing one, and each stand-in, to its identity, so that a directory
    which was deleted and made again is another plan. `awaited` are the names that count in a
    directory that only stands in for a missing one.
    """

    directories: dict[Path, Identity]
    wanted: frozenset[Path]
    awaited: frozenset[Path]

    def is_relevant(self, changed: Path) -> bool:
        """Whether a change at this path can matter to the wanted directories."""
        return changed in self.wanted or changed.parent in self.wanted or changed in self.awaited


def plan_watch(wanted: Iterable[Path]) -> WatchPlan:
    """Return the plan for these directories as they are right now."""
    directories: dict[Path, Identity] = {}
    existing: set[Path] = set()
    awaited: set[Path] = set()
    for path in sorted(filter(_is_watchable, wanted))[: limits.WATCH_DIRECTORIES_MAX]:
        found, missing = _nearest_existing(path)
        if found is None:
            continue
        directories[found] = _identity(found) or (0, 0)
        if missing is None:
            existing.add(path)
        else:
            awaited.add(missing)
    return WatchPlan(directories, frozenset(existing), frozenset(awaited))


def _is_watchable(path: Path) -> bool:
    """Whether `watchfiles` can be told the path: it takes no bytes that are not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _nearest_existing(path: Path) -> tuple[Path | None, Path | None]:
    """Return the directory to watch, and the first missing name on the way down to `path`."""
    missing: Path | None = None
    for candidate in (path, *path.parents):
        if os.path.isdir(candidate):  # noqa: PTH112 - `Path.is_dir` raises behind a closed one
            return candidate, missing
        missing = candidate
    return None, missing


def _identity(directory: Path) -> Identity | None:
    try:
        status = directory.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Watcher:
    """Watches the newest wanted set. `on_change` is called from a thread of the watcher.

    `degraded` is empty while watching works and else says why it does not; the next `arm` tries
    again. `is_relevant` narrows what counts beyond what the plan knows.
    """

    def __init__(
        self, on_change: Callable[[], None], is_relevant: IsRelevant = lambda _path: True
    ) -> None:
        self._on_change = on_change
        self._is_relevant = is_relevant
        self._armed: _Armed | None = None
        self.degraded = ""

    def arm(self, wanted: frozenset[Path]) -> bool:
        """Watch exactly these directories; return whether anything about the watching changed.

        Blocks for a few system calls per directory. Calls must not overlap. A change made
        before the return of a call that gave True may have gone unseen.
        """
        plan = plan_watch(wanted)
        if self._armed is not None and self._armed.plan == plan and self._armed.is_alive:
            return False
        self.close()
        for _ in range(ARM_TRIES_MAX):
            self._armed = self._try_to_arm(plan)
            if self._armed is not None or not plan.directories:
                break
            plan = plan_watch(wanted)
        self.degraded = self._judge(wanted)
        return self._armed is not None

    def close(self) -> None:
        """Stop watching; no signal comes after the return."""
        if self._armed is not None:
            self._armed.stop()
            self._armed = None

    def _judge(self, wanted: frozenset[Path]) -> str:
        if self._armed is None:
            return "watch_failed" if wanted else ""
        if not all(map(_is_watchable, wanted)):
            return "watch_bad_name"
        return "watch_limit" if len(wanted) > limits.WATCH_DIRECTORIES_MAX else ""

    def _try_to_arm(self, plan: WatchPlan) -> "_Armed | None":
        if not plan.directories:
            return None
        try:
            notify = RustNotify(
                # A closed directory cannot be watched; told to pass over it, the library would pass
                # over a lack of watches too, and nobody would know.
                [str(path) for path in plan.directories if os.access(path, os.R_OK)],
                debug=False,
                force_polling=False,
                poll_delay_ms=0,
                recursive=False,
                ignore_permission_denied=False,
            )
        except (OSError, RuntimeError):
            # A directory went away in between, or the machine has no watches left.
            return None
        return _Armed(plan, notify, self._report, self._on_change)

    def _report(self, changed: Iterable[Path], plan: WatchPlan) -> None:
        if any(plan.is_relevant(path) and self._is_relevant(path) for path in changed):
            self._on_change()


class _Armed:
    """One set of kernel watches and the thread that waits on them."""

    def __init__(
        self,
        plan: WatchPlan,
        notify: RustNotify,
        report: Callable[[Iterable[Path], WatchPlan], None],
        on_failure: Callable[[], None],
    ) -> None:
        self.plan = plan
        self._on_failure = on_failure
        self._has_failed = False
        self._notify = notify
        self._report = report
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftpin-watch", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            notify.close()
            raise

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive() and not self._has_failed

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                found = self._notify.watch(
                    limits.WATCH_GROUP_MS, limits.WATCH_STEP_MS, 0, self._stopping
                )
            except RuntimeError:
                # One changed name that is not UTF-8 ends the watching; a look arms it anew.
                self._has_failed = True
                self._on_failure()
                break
            if isinstance(found, set) and not self._stopping.is_set():
                self._report([Path(path) for _, path in found], self.plan)
        self._notify.close()


__all__ = ["IsRelevant", "WatchPlan", "Watcher", "plan_watch"]
