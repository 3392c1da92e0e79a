import os
from pathlib import Path

from agent.workspace import ordinary_user
from driftpin.agent.git_state import find_index_lock


def test_no_repository_holds_no_lock(tmp_path: Path) -> None:
    assert find_index_lock(tmp_path) is None


def test_the_index_lock_is_seen_until_git_removes_it(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert find_index_lock(tmp_path) is None
    lock = tmp_path / ".git" / "index.lock"
    lock.touch()
    assert find_index_lock(tmp_path) is not None
    lock.unlink()
    assert find_index_lock(tmp_path) is None


def test_the_lock_of_a_linked_working_tree_is_found_through_its_pointer(tmp_path: Path) -> None:
    real = tmp_path / "repository" / "worktrees" / "one"
    real.mkdir(parents=True)
    (real / "index.lock").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {real}\n", encoding="utf-8")
    assert find_index_lock(tree) is not None


def test_a_named_pipe_in_the_place_of_the_repository_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    assert find_index_lock(tmp_path) is None


def test_a_pointer_that_is_no_path_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / ".git").write_bytes(b"gitdir: a\0b")
    assert find_index_lock(tmp_path) is None


def test_a_workspace_that_was_closed_holds_nothing_up(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        with ordinary_user(closed):
            assert find_index_lock(closed) is None
    finally:
        closed.chmod(0o700)
