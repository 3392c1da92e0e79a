from pathlib import Path

from driftpin.agent.sources import SourceFile
from driftpin.agent.workspace import Workspace
from driftpin.clock import SystemClock
from driftpin.context.resource import Status
from driftpin.identity import digest_of
from driftpin.limits import ROOT_HELD_S
from stepping import SteppedClock


def replace_by_link(directory: Path, target: Path) -> None:
    directory.rename(directory.with_name(f"{directory.name}-moved"))
    directory.symlink_to(target)


def made(directory: Path, text: str) -> Path:
    directory.mkdir()
    (directory / "AGENTS.md").write_text(text, encoding="utf-8")
    return directory


def test_a12_a_replaced_root_is_not_followed_when_a_source_is_declared_later(
    tmp_path: Path,
) -> None:
    directory, outside = made(tmp_path / "workspace", "mine"), made(tmp_path / "out", "secret")
    first, second = made(tmp_path / "first", "one"), made(tmp_path / "second", "two")
    sources = SourceFile(tmp_path / "sources.json")
    sources.add("first", first)
    workspace = Workspace(directory, sources, home=None, clock=SteppedClock())
    seen_first = workspace.resolve()
    workspace.hand_on()
    replace_by_link(directory, outside)
    replace_by_link(first, outside)
    sources.add("second", second)
    found = workspace.resolve()
    assert set(found.observations.errors) == {"root_replaced:workspace", "root_replaced:first"}
    assert {*seen_first.snapshot.resources} < {*found.snapshot.resources}
    assert digest_of(b"secret") not in found.blobs


def test_a_source_declared_anew_at_another_place_is_read_there(tmp_path: Path) -> None:
    directory = made(tmp_path / "workspace", "mine")
    sources = SourceFile(tmp_path / "sources.json")
    sources.add("more", made(tmp_path / "before", "before"))
    workspace = Workspace(directory, sources, home=None, clock=SystemClock())
    before = workspace.resolve()
    sources.remove("more")
    sources.add("more", made(tmp_path / "after", "after"))
    after = workspace.resolve()
    assert {each.status for each in after.snapshot.resources} == {Status.OK}
    assert before.snapshot.digest != after.snapshot.digest


def sources_in(workspace: Workspace) -> tuple[list[str], tuple[str, ...]]:
    found = workspace.resolve()
    workspace.hand_on()
    return [each.source for each in found.snapshot.resources], found.observations.errors


def test_a36_a_root_that_is_gone_is_held_for_a_while_and_then_given_up(tmp_path: Path) -> None:
    directory, clock = made(tmp_path / "workspace", "mine"), SteppedClock()
    sources = SourceFile(tmp_path / "sources.json")
    workspace = Workspace(directory, sources, home=None, clock=clock)
    there = sources_in(workspace)
    directory.rename(tmp_path / "away")
    gone = (there[0], ("root_missing:workspace",))
    assert sources_in(workspace) == gone
    clock.step(ROOT_HELD_S - 1)
    assert sources_in(workspace) == gone
    clock.step(1)
    assert sources_in(workspace) == ([], ("root_missing:workspace",))
    (tmp_path / "away").rename(directory)
    assert sources_in(workspace) == there


def test_a36_absences_do_not_add_up(tmp_path: Path) -> None:
    directory, clock = made(tmp_path / "workspace", "mine"), SteppedClock()
    workspace = Workspace(directory, SourceFile(tmp_path / "s.json"), home=None, clock=clock)
    there = sources_in(workspace)
    for _ in range(3):
        directory.rename(tmp_path / "away")
        assert sources_in(workspace)[0] == there[0]
        clock.step(ROOT_HELD_S - 1)
        assert sources_in(workspace)[0] == there[0]
        (tmp_path / "away").rename(directory)
        assert sources_in(workspace) == there


def test_a36_what_an_agent_finds_gone_at_its_start_is_not_held(tmp_path: Path) -> None:
    directory, sources = made(tmp_path / "workspace", "mine"), SourceFile(tmp_path / "s.json")
    first = Workspace(directory, sources, home=None, clock=SteppedClock())
    sources_in(first)
    directory.rename(tmp_path / "away")
    again = Workspace(directory, sources, home=None, clock=SteppedClock())
    assert sources_in(again) == ([], ("root_missing:workspace",))


def test_a36_a_look_that_was_thrown_away_is_not_held_to(tmp_path: Path) -> None:
    """A tree that is being removed loses its files before its root."""
    directory, sources = made(tmp_path / "workspace", "mine"), SourceFile(tmp_path / "s.json")
    workspace = Workspace(directory, sources, home=None, clock=SteppedClock())
    there = sources_in(workspace)
    (directory / "AGENTS.md").unlink()
    assert not workspace.resolve().snapshot.resources
    directory.rmdir()
    assert sources_in(workspace)[0] == there[0]


def test_a36_what_is_held_ends_when_its_bytes_are_asked_for(tmp_path: Path) -> None:
    directory, sources = made(tmp_path / "workspace", "mine"), SourceFile(tmp_path / "s.json")
    workspace = Workspace(directory, sources, home=None, clock=SteppedClock())
    sources_in(workspace)
    directory.rename(tmp_path / "away")
    assert sources_in(workspace)[0]
    workspace.let_go()
    assert not sources_in(workspace)[0]
