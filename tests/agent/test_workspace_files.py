"""Reading, listing and searching a workspace for its chats: inside the root, bounded, and told."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from driftpin import limits
from driftpin.agent.globs import matches_glob
from driftpin.agent.workspace_files import WorkspaceFiles
from driftpin.clock import SystemClock
from driftpin.errors import DriftpinError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "w"
    for path, text in {
        "a.py": "import os\nx = 1\n",
        "src/b.py": "# import later\n",
        "src/deep/c.txt": "IMPORT\n",
        "node_modules/d.py": "import d\n",
        ".git/config": "secret = import\n",
        ".env": "import = secret\n",
        ".mcp.json": "{}",
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "outside.txt").write_text("import outside\n", encoding="utf-8")
    return root


@pytest.fixture
def files(root: Path) -> WorkspaceFiles:
    return WorkspaceFiles(root, SystemClock())


async def text_of(answering: Any) -> str:
    """Return the text of an answer, or the code of its refusal."""
    try:
        answer = await answering
    except DriftpinError as refusal:
        return refusal.code
    assert isinstance(answer, Mapping)
    return str(answer["text"])


async def test_a_file_is_read_whole_or_by_lines(files: WorkspaceFiles, root: Path) -> None:
    (root / "crlf.txt").write_bytes("\ufeffeins\r\nzwei\r\ndrei".encode())
    assert await text_of(files.read({"path": "a.py"})) == "import os\nx = 1\n"
    assert await text_of(files.read({"path": "crlf.txt"})) == "eins\nzwei\ndrei"
    cut = files.read({"path": "crlf.txt", "first_line": 2, "last_line": 9})
    assert await text_of(cut) == "[lines 2 to 3 of 3]\nzwei\ndrei"
    assert await text_of(files.read({"path": "a.py", "first_line": 9})) == "no_such_lines"
    assert await text_of(files.read({"path": "a.py", "first_line": True})) == "bad_arguments"
    assert await text_of(files.read({})) == "bad_arguments"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/etc/passwd", "path_escape"),
        ("../outside.txt", "path_escape"),
        ("src/../../outside.txt", "path_escape"),
        (".env", "path_escape"),
        (".git/config", "path_escape"),
        (".mcp.json", "path_escape"),
        ("a.py\0", "bad_path"),
        ("src\\b.py", "bad_path"),
        ("src//b.py", "bad_path"),
        ("%2e%2e/outside.txt", "bad_path"),
        ("nowhere.py", "file_not_found"),
        ("src", "not_regular"),
    ],
)
async def test_what_is_not_for_chats_is_refused_by_its_path(
    files: WorkspaceFiles, path: str, code: str
) -> None:
    assert await text_of(files.read({"path": path})) == code


async def test_a_link_is_followed_inside_and_to_nothing_private(
    files: WorkspaceFiles, root: Path
) -> None:
    links = {
        "in.py": ("src/b.py", "# import later\n"),
        "folder": ("src", "not_regular"),
        "out.txt": ("../outside.txt", "path_escape"),
        "absolute.txt": (str(root.parent / "outside.txt"), "path_escape"),
        "parent": ("..", "path_escape"),
        "hidden.txt": (".env", "path_escape"),
        "git.txt": (".git/config", "path_escape"),
        "loop": ("loop", "link_loop"),
        "magic": ("/proc/self/environ", "path_escape"),
    }
    for name, (target, _) in links.items():
        (root / name).symlink_to(target)
    found = {name: await text_of(files.read({"path": name})) for name in links}
    assert found == {name: expected for name, (_, expected) in links.items()}
    assert await text_of(files.read({"path": "parent/outside.txt"})) == "path_escape"
    assert await text_of(files.read({"path": "folder/b.py"})) == "# import later\n"
    # A list and a search follow no link at all.
    assert await text_of(files.list({})) == "a.py\nsrc/b.py\nsrc/deep/c.txt"
    assert "outside" not in await text_of(files.search({"text": "import"}))


async def test_pipes_binaries_and_large_files_are_refused(
    files: WorkspaceFiles, root: Path
) -> None:
    os.mkfifo(root / "pipe")
    (root / "null").write_bytes(b"a\0b")
    (root / "latin").write_bytes(b"caf\xe9")
    with (root / "large").open("wb") as large:
        large.truncate(limits.WORKSPACE_FILE_BYTES_MAX + 1)
    codes = {
        name: await text_of(files.read({"path": name}))
        for name in ("pipe", "null", "latin", "large")
    }
    assert codes == {
        "pipe": "not_regular",
        "null": "not_text",
        "latin": "not_text",
        "large": "too_large",
    }
    assert await text_of(files.search({"text": "caf"})) == "[nothing found]"


async def test_a_long_file_is_cut_and_says_so(files: WorkspaceFiles, root: Path) -> None:
    (root / "long").write_text("x" * (limits.TOOL_RESULT_BYTES_MAX + 1), encoding="utf-8")
    answer = await files.read({"path": "long"})
    assert isinstance(answer, dict)
    assert answer["is_cut"] is True
    assert str(answer["text"]).endswith("bytes are shown]")


async def test_files_are_listed_by_folder_and_glob(
    files: WorkspaceFiles, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await text_of(files.list({"glob": "*.py"})) == "a.py\nsrc/b.py"
    assert await text_of(files.list({"folder": "src/deep"})) == "src/deep/c.txt"
    assert await text_of(files.list({"folder": "src", "glob": "src/**/*.txt"})) == "src/deep/c.txt"
    assert await text_of(files.list({"glob": "*.rs"})) == "[no files]"
    assert await text_of(files.list({"folder": "nowhere"})) == "file_not_found"
    assert await text_of(files.list({"folder": ".git"})) == "path_escape"
    assert await text_of(files.list({"folder": "a.py"})) == "file_not_found"
    assert await text_of(files.list({"glob": "x" * 300})) == "bad_pattern"
    monkeypatch.setattr(limits, "WORKSPACE_FILES_LISTED_MAX", 2)
    assert (
        await text_of(files.list({})) == "a.py\nsrc/b.py\n[cut: only the first 2 files are listed]"
    )


async def test_a_search_finds_texts_and_patterns(
    files: WorkspaceFiles, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await text_of(files.search({"text": "import"})) == (
        "a.py:1: import os\nsrc/b.py:1: # import later"
    )
    assert (
        await text_of(files.search({"text": "^x = [0-9]", "is_pattern": True})) == "a.py:2: x = 1"
    )
    assert await text_of(files.search({"text": "^x"})) == "[nothing found]"
    assert await text_of(files.search({"text": "import", "glob": "src/*"})) == (
        "src/b.py:1: # import later"
    )
    for costly in ("(a+)+b", "(", "a" * 1_001, r"(a)\1"):
        assert await text_of(files.search({"text": costly, "is_pattern": True})) == "bad_pattern"
    monkeypatch.setattr(limits, "SEARCH_MATCHES_MAX", 1)
    assert await text_of(files.search({"text": "import"})) == (
        "a.py:1: import os\n[cut: only the first 1 lines are shown]"
    )
    monkeypatch.setattr(limits, "SEARCH_LONGEST_S", 0.0)
    assert await text_of(files.search({"text": "import"})) == "[cut: the search ended after 0 s]"


async def test_a_workspace_that_is_gone_is_told(files: WorkspaceFiles, root: Path) -> None:
    shutil.move(root, root.with_name("away"))
    assert await text_of(files.read({"path": "a.py"})) == "root_missing"


@pytest.mark.parametrize(
    ("glob", "matching"),
    [
        ("*.py", {"a.py", "s/a.py", "s/t/a.py"}),
        ("**/*.py", {"a.py", "s/a.py", "s/t/a.py"}),
        ("s/*.py", {"s/a.py"}),
        ("s/**", {"s/a.py", "s/t/a.py"}),
        ("s/**/a.py", {"s/a.py", "s/t/a.py"}),
        ("/s/?/[ab].py", {"s/t/a.py"}),
        ("**/**/**/b", set()),
    ],
)
def test_globs(glob: str, matching: set[str]) -> None:
    paths = {"a.py", "s/a.py", "s/t/a.py"}
    assert {path for path in paths if matches_glob(path, glob)} == matching
