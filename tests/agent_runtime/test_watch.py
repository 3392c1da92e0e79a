import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agent.workspace import ordinary_user
from agent_runtime.signals import Signals, replace_file
from driftpin.agent.watch import Watcher, plan_watch


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.fixture
def watcher(signals: Signals) -> Iterator[Watcher]:
    watcher = Watcher(signals)
    yield watcher
    watcher.close()


def test_an_edit_in_a_watched_directory_is_signalled(
    tmp_path: Path, watcher: Watcher, signals: Signals
) -> None:
    assert watcher.arm(frozenset({tmp_path}))
    (tmp_path / "AGENTS.md").write_text("one", encoding="utf-8")
    signals.wait_for(lambda: signals.count >= 1)


def test_edits_after_an_atomic_save_are_still_signalled(
    tmp_path: Path, watcher: Watcher, signals: Signals
) -> None:
    watcher.arm(frozenset({tmp_path}))
    for text in ("one", "two", "three"):
        seen = signals.count
        replace_file(tmp_path / "AGENTS.md", text)
        signals.wait_for(partial(signals.has_risen, seen))


def test_the_same_directories_are_not_armed_again(tmp_path: Path, watcher: Watcher) -> None:
    assert watcher.arm(frozenset({tmp_path}))
    assert not watcher.arm(frozenset({tmp_path}))


def test_a36_a_directory_made_again_is_armed_again(
    tmp_path: Path, watcher: Watcher, signals: Signals
) -> None:
    directory = tmp_path / "skills"
    directory.mkdir()
    watcher.arm(frozenset({directory}))
    shutil.rmtree(directory)
    signals.wait_for(lambda: signals.count >= 1)
    assert watcher.arm(frozenset({directory}))
    seen = signals.count
    directory.mkdir()
    signals.wait_for(partial(signals.has_risen, seen))
    assert watcher.arm(frozenset({directory}))
    seen = signals.count
    (directory / "x").touch()
    signals.wait_for(partial(signals.has_risen, seen))


def test_foreign_writes_beside_a_missing_directory_do_not_count(tmp_path: Path) -> None:
    plan = plan_watch({tmp_path / ".agents" / "skills"})
    assert list(plan.directories) == [tmp_path]
    assert plan.is_relevant(tmp_path / ".agents")
    assert not plan.is_relevant(tmp_path / ".bash_history")


def test_what_is_wanted_and_stands_in_as_well_counts_wholly(tmp_path: Path) -> None:
    plan = plan_watch({tmp_path, tmp_path / "skills"})
    assert plan.is_relevant(tmp_path / "AGENTS.md")
    assert plan.is_relevant(tmp_path / "skills")


def test_changes_that_are_not_relevant_are_not_signalled(tmp_path: Path, signals: Signals) -> None:
    watcher = Watcher(signals, lambda path: path.name == "AGENTS.md")
    watcher.arm(frozenset({tmp_path}))
    (tmp_path / "noise").touch()
    (tmp_path / "AGENTS.md").touch()
    signals.wait_for(lambda: signals.count == 1)
    watcher.close()
    assert signals.count == 1


def test_x45_watching_that_fails_is_said_and_recovers(tmp_path: Path, watcher: Watcher) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        assert not watcher.arm(frozenset({tmp_path}))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert watcher.degraded == "watch_failed"
    assert watcher.arm(frozenset({tmp_path}))
    assert watcher.degraded == ""


def test_no_signal_comes_after_closing(tmp_path: Path, watcher: Watcher, signals: Signals) -> None:
    watcher.arm(frozenset({tmp_path}))
    watcher.close()
    (tmp_path / "x").touch()
    assert signals.count == 0


def test_a23_a_directory_whose_name_is_not_utf_8_does_not_end_the_watching(
    tmp_path: Path, watcher: Watcher, signals: Signals
) -> None:
    unfit = tmp_path / os.fsdecode(b"bad\xff")
    unfit.mkdir()
    assert watcher.arm(frozenset({tmp_path, unfit}))
    assert watcher.degraded == "watch_bad_name"
    (tmp_path / "AGENTS.md").touch()
    signals.wait_for(lambda: signals.count >= 1)


def test_a23_a_changed_name_that_is_not_utf_8_is_signalled_and_watching_goes_on(
    tmp_path: Path, watcher: Watcher, signals: Signals
) -> None:
    watcher.arm(frozenset({tmp_path}))
    (tmp_path / os.fsdecode(b"bad\xff")).touch()
    signals.wait_for(lambda: signals.count >= 1)
    assert watcher.arm(frozenset({tmp_path}))
    seen = signals.count
    (tmp_path / "AGENTS.md").touch()
    signals.wait_for(partial(signals.has_risen, seen))


def test_a20_a_closed_directory_stands_in_for_what_lies_behind_it() -> None:
    with tempfile.TemporaryDirectory() as directory:
        closed = Path(directory) / "closed"
        inner = closed / "middle" / "inner"
        inner.mkdir(parents=True)
        closed.chmod(0)
        try:
            with ordinary_user(Path(directory), closed):
                plan = plan_watch({inner})
        finally:
            closed.chmod(0o700)
    assert list(plan.directories) == [closed]
