import stat
from pathlib import Path

import pytest

from driftpin.agent.roots import DeclaredSource
from driftpin.agent.sources import SourceFile
from driftpin.errors import DriftpinError
from driftpin.limits import DECLARED_SOURCES_MAX


@pytest.fixture
def sources(tmp_path: Path) -> SourceFile:
    return SourceFile(tmp_path / "state/sources.json")


def refused_code(error: pytest.ExceptionInfo[DriftpinError]) -> str:
    return error.value.code


def test_sources_survive_in_their_order_and_for_their_owner_only(
    sources: SourceFile, tmp_path: Path
) -> None:
    assert sources.list() == ()
    for label in ("team", "alpha"):
        (tmp_path / label).mkdir()
        sources.add(label, tmp_path / label)
    file = tmp_path / "state/sources.json"
    assert SourceFile(file).list() == (
        DeclaredSource("team", tmp_path / "team"),
        DeclaredSource("alpha", tmp_path / "alpha"),
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    sources.remove("team")
    assert [source.label for source in sources.list()] == ["alpha"]


def test_refused_changes_leave_the_file_as_it_is(sources: SourceFile, tmp_path: Path) -> None:
    sources.add("team", tmp_path)
    for label, path, code in (
        ("team", tmp_path, "source_taken"),
        ("user", tmp_path, "bad_source_name"),
        ("gone", tmp_path / "gone", "not_a_directory"),
    ):
        with pytest.raises(DriftpinError) as refused:
            sources.add(label, path)
        assert refused_code(refused) == code
    with pytest.raises(DriftpinError) as unknown:
        sources.remove("gone")
    assert refused_code(unknown) == "no_such_source"
    assert [source.label for source in sources.list()] == ["team"]


def test_one_source_too_many_is_refused(sources: SourceFile, tmp_path: Path) -> None:
    for number in range(DECLARED_SOURCES_MAX):
        sources.add(f"team-{number}", tmp_path)
    with pytest.raises(DriftpinError) as refused:
        sources.add("more", tmp_path)
    assert refused_code(refused) == "too_many_sources"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v": 2}', '{"v": 1, "sources": [1]}'])
def test_broken_file_is_said_and_not_overwritten(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sources.json"
    file.write_text(text)
    with pytest.raises(DriftpinError) as refused:
        SourceFile(file).add("team", tmp_path)
    assert refused_code(refused) == "bad_state_file"
    assert file.read_text() == text
