"""X47: trees that are deep, wide, or lead back into themselves."""

from pathlib import Path

import pytest

from driftpin.agent.beneath import KernelOpener, Opener, WalkingOpener
from driftpin.agent.resolve import Resolution, Resolver, ScanSettings
from driftpin.agent.roots import list_roots
from driftpin.context.resource import Status
from driftpin.limits import SCAN_DIRECTORY_ENTRIES_MAX

SKILLS = 60
FILES = 10
OPENERS = (KernelOpener(), WalkingOpener())


def make_skill(container: Path, name: str, files: int = 0) -> Path:
    skill = container / name
    skill.mkdir(parents=True)
    header = f"---\nname: {name}\ndescription: x\n---\n"
    (skill / "SKILL.md").write_text(header, encoding="utf-8")
    for number in range(files):
        (skill / f"{number}.txt").write_text(f"{name} {number}", encoding="utf-8")
    return skill


def looked_at(root: Path, opener: Opener, settings: ScanSettings | None = None) -> Resolution:
    return Resolver(list_roots(root), settings, opener=opener).resolve()


def the_same_each_time(root: Path, settings: ScanSettings | None = None) -> Resolution:
    first, *others = [looked_at(root, opener, settings) for opener in (*OPENERS, *OPENERS)]
    for other in others:
        assert other.snapshot.manifest == first.snapshot.manifest
        assert other.observations == first.observations
    return first


def test_x47_a_tree_with_too_many_entries_in_all_is_cut_at_the_same_place_each_time(
    tmp_path: Path,
) -> None:
    (tmp_path / "AGENTS.md").write_text("rules\n", encoding="utf-8")
    for number in range(SKILLS):
        make_skill(tmp_path / "skills", f"skill-{number:02}", FILES)
    listed = SKILLS + 20 * (FILES + 1)
    found = the_same_each_time(tmp_path, ScanSettings(entries_max=listed))
    states = [resource.status for resource in found.snapshot.resources]
    assert states == [Status.OK] * 21 + [Status.OVERSIZE] * (SKILLS - 20)
    assert found.observations.errors == ("scan_budget:workspace",)


def test_x47_what_was_listed_before_counts_the_same_when_it_is_remembered(tmp_path: Path) -> None:
    for number in range(SKILLS):
        make_skill(tmp_path / "skills", f"skill-{number:02}", FILES)
    resolver = Resolver(list_roots(tmp_path), ScanSettings(entries_max=SKILLS + 100))
    first = resolver.resolve()
    (tmp_path / "AGENTS.md").write_text("rules\n", encoding="utf-8")
    again = resolver.resolve()
    assert again.snapshot.resources[1:] == first.snapshot.resources


def test_x47_a_root_with_more_names_than_are_looked_through_loses_nothing_that_counts(
    tmp_path: Path,
) -> None:
    (tmp_path / "AGENTS.md").write_text("rules\n", encoding="utf-8")
    for number in range(SCAN_DIRECTORY_ENTRIES_MAX + 1):
        (tmp_path / f"file-{number}").touch()
    (resource,) = looked_at(tmp_path, OPENERS[0]).snapshot.resources
    assert resource.status is Status.OK


@pytest.mark.parametrize("depth", [100, 400])
def test_x47_a_deep_tree_is_followed_only_so_far(tmp_path: Path, depth: int) -> None:
    skill = make_skill(tmp_path / "skills", "deep")
    innermost = skill
    for _ in range(depth):
        innermost /= "d"
    innermost.mkdir(parents=True)
    found = the_same_each_time(tmp_path)
    (resource,) = found.snapshot.resources
    assert resource.status is Status.OK


def test_x47_links_that_lead_back_end_where_they_began(tmp_path: Path) -> None:
    skill = make_skill(tmp_path / "skills", "loops")
    (skill / "self").symlink_to(".")
    (skill / "up").symlink_to("../..")
    (skill / "a").symlink_to("b")
    (skill / "b").symlink_to("a")
    (tmp_path / "skills" / "again").symlink_to(".")
    (resource,) = the_same_each_time(tmp_path).snapshot.resources
    assert resource.status is Status.OK
