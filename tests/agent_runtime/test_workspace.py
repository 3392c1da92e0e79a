from pathlib import Path

from driftpin.agent.sources import SourceFile
from driftpin.agent.workspace import Workspace
from driftpin.clock import SystemClock
from driftpin.context.resource import Status


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
    workspace = Workspace(directory, sources, home=None, clock=SystemClock())
    workspace.resolve()
    replace_by_link(directory, outside)
    replace_by_link(first, outside)
    sources.add("second", second)
    found = workspace.resolve()
    assert set(found.observations.errors) == {"root_replaced:workspace", "root_replaced:first"}
    assert [each.source for each in found.snapshot.resources] == ["second:AGENTS.md"]


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
