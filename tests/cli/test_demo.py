"""`driftpin demo`: the whole story, on a copy, and only a whole one is a success."""

from pathlib import Path

import pytest

from cli.machine import Machine

STEPS = 12


def files_of(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_every_step_holds_and_the_directory_is_not_touched(machine: Machine) -> None:
    before = files_of(machine.workspace)
    ended = machine.run("demo", "--json")
    assert ended.code == 0, ended.err
    steps = ended.json["steps"]
    assert len(steps) == STEPS
    assert all(step["ok"] for step in steps)
    assert files_of(machine.workspace) == before
    assert not machine.state.exists()
    answers = [step["evidence"]["answer"] for step in steps if "answer" in step["evidence"]]
    assert answers[0] == answers[1] != answers[2]
    assert "an example is added" not in ended.err


def test_examples_are_added_where_there_is_nothing_and_it_says_so(machine: Machine) -> None:
    empty = machine.root / "empty"
    empty.mkdir()
    ended = machine.run("demo", str(empty))
    assert ended.code == 0, ended.err
    assert ended.err.count("an example is added") == 2
    assert "Every step held." in ended.err
    assert ended.out.count(" ok ") == STEPS
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("arguments", [["demo", "/nowhere"]])
def test_demo_of_nothing_is_refused(machine: Machine, arguments: list[str]) -> None:
    assert machine.run(*arguments).code == 2
