"""A git repository, read by running git with its options pinned. Nothing in it is ever run.

Whatever a round reviews is brought to two names of trees first: a staged or a changed work tree
and a patch file are written as a tree of their own, beside every branch.
"""

import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from driftpin import review_limits
from driftpin.errors import Rejected, UsageError

_PINNED: Final = (
    "-c",
    "core.quotepath=off",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "diff.suppressBlankEmpty=false",
    "-c",
    "color.ui=false",
)
# What a look into objects must not take from the configuration either.
_LOOKING: Final = (
    "--literal-pathspecs",
    "-c",
    "blame.ignoreRevsFile=",
    "-c",
    "grep.column=false",
    "-c",
    "grep.fallbackToNoIndex=false",
    "-c",
    "grep.threads=1",
    "-c",
    "submodule.recurse=false",
)
_DIFF: Final = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--full-index",
    "--find-renames=50%",
    "--diff-algorithm=histogram",
    "--ignore-submodules=none",
    "--no-relative",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)
_PROMISED: Final = r"^(extensions\.partialclone|remote\..*\.(promisor|partialclonefilter))$"
# Who makes a commit of a bare tree: always the same, so that the same tree is the same commit.
_NOBODY: Final = {
    f"GIT_{who}_{what}": said
    for who in ("AUTHOR", "COMMITTER")
    for what, said in (("NAME", "nobody"), ("EMAIL", "nobody"), ("DATE", "@0 +0000"))
}
CONTEXT_LINES: Final = 8
MESSAGES_MAX: Final = 50
_LINK_MODE: Final = "120000"
_COMMIT_MODE: Final = "160000"


@dataclass(frozen=True, slots=True)
class Range:
    """What is reviewed, as object names. `text` is how it was asked for, `target` names it."""

    base: str
    merge_base: str
    head: str
    text: str
    target: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What git wrote about objects, up to a maximum, and the code that it ended with.

    `is_cut` when it had more to write, `is_late` when its time ran out; both were ended.
    """

    content: bytes
    code: int
    is_cut: bool
    is_late: bool


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file of a tree: its mode and the name of its bytes."""

    mode: str
    blob: str
    path: str


class Repository:
    """The repository that a directory belongs to."""

    def __init__(self, directory: Path) -> None:
        """Find it; UsageError (`no_repository`) where there is none."""
        self._directory = directory
        try:
            top = self.run("rev-parse", "--show-toplevel").strip()
        except Rejected:
            raise UsageError(
                f"{str(directory)!r} is not in a git repository.", code="no_repository"
            ) from None
        self._directory = Path(top)

    @property
    def directory(self) -> Path:
        """Its top directory."""
        return self._directory

    def run(self, *arguments: str, said: bytes = b"", index: Path | None = None) -> str:
        """Return what git writes, as text; Rejected `git_failed` with its complaint."""
        return self.run_bytes(*arguments, said=said, index=index).decode("utf-8", "replace")

    def run_bytes(self, *arguments: str, said: bytes = b"", index: Path | None = None) -> bytes:
        """Return what git writes; Rejected `git_failed` with its complaint."""
        return self._run(arguments, self._directory, _environment(index), said)

    def _run(
        self, arguments: Sequence[str], place: Path, environment: Mapping[str, str], said: bytes
    ) -> bytes:
        ended = subprocess.run(  # noqa: S603 options are pinned, names stand behind them
            ["git", "--no-pager", *_PINNED, *arguments],  # noqa: S607 the user's git
            cwd=place,
            env=environment,
            input=said,
            capture_output=True,
            timeout=review_limits.REVIEW_GIT_TIMEOUT_S,
            check=False,
        )
        if ended.returncode != 0:
            told = ended.stderr.decode("utf-8", "replace").strip()
            raise Rejected(f"git {arguments[0]}: {told[:500]}", code="git_failed")
        return ended.stdout

    def look(self, *arguments: str | bytes, bytes_max: int, timeout_s: float) -> Looked:
        """Return what git writes about objects alone: no index, no work tree and no network.

        So no attribute of a file that is checked out says what may be seen. Paths are literal.
        """
        process = subprocess.Popen(  # noqa: S603 options are pinned, names stand behind them
            ["git", "--no-pager", *_PINNED, *_LOOKING, *arguments],  # noqa: S607 the user's git
            cwd=self._objects,
            env={**self._objects_alone(), "GIT_ALLOW_PROTOCOL": "none"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        _limit_memory(process.pid)
        late = threading.Event()
        timer = threading.Timer(timeout_s, _end_late, (process, late))
        timer.start()
        with process:
            assert process.stdout is not None
            content = process.stdout.read(bytes_max + 1)
            is_cut = len(content) > bytes_max
            if is_cut:
                process.kill()
            process.wait()
            timer.cancel()
        return Looked(content[:bytes_max], process.returncode, is_cut, late.is_set())

    @cached_property
    def _objects(self) -> Path:
        return Path(self.run("rev-parse", "--absolute-git-dir").strip())

    def _objects_alone(self) -> dict[str, str]:
        no_index = self._objects / "driftpin-has-no-index"
        alone = {"GIT_DIR": str(self._objects), "GIT_IMPLICIT_WORK_TREE": "0"}
        return {**_environment(no_index), **alone}

    def resolve(self, name: str) -> str:
        """Return the object name of a commit; UsageError (`unknown_revision`) if there is none."""
        try:
            return self.run(
                "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}"
            ).strip()
        except Rejected:
            raise UsageError(f"{name!r} names no commit here.", code="unknown_revision") from None

    def has(self, name: str) -> bool:
        """Whether an object is there."""
        try:
            self.run("cat-file", "-e", name)
        except Rejected:
            return False
        return True

    @property
    def is_partial(self) -> bool:
        """Whether git would fetch objects that it lacks when they are read."""
        try:
            self.run("config", "--get-regexp", _PROMISED)
        except Rejected:
            return False
        return True

    def branch(self) -> str:
        """Return the name of the branch that is checked out, or `detached`."""
        try:
            return self.run("symbolic-ref", "--short", "-q", "HEAD").strip()
        except Rejected:
            return "detached"

    def range_of(self, text: str) -> Range:
        """Return what `BASE..HEAD` or `BASE...HEAD` means; HEAD may be left out."""
        dots = "..." if "..." in text else ".."
        base_name, found, head_name = text.partition(dots)
        if not found or not base_name:
            raise UsageError(f"{text!r} is no range; write BASE..HEAD.", code="bad_range")
        base, head = self.resolve(base_name), self.resolve(head_name or "HEAD")
        shown = self.branch() if head_name in {"", "HEAD"} else head_name
        return Range(base, self.merge_base(base, head), head, text, f"{base_name}..{shown}")

    def merge_base(self, base: str, head: str) -> str:
        """Return where two commits part; the base itself where they have nothing in common."""
        try:
            return self.run("merge-base", base, head).strip().splitlines()[0]
        except Rejected:
            return base

    def staged(self) -> Range:
        """Return what is staged, against the commit that is checked out."""
        head = self.resolve("HEAD")
        tree = self.run("write-tree").strip()
        return Range(head, head, tree, "--staged", f"staged:{self.branch()}")

    def worktree(self) -> Range:
        """Return what is in the work tree, ignored files left out."""
        head = self.resolve("HEAD")
        with _own_index() as index:
            self.run("read-tree", head, index=index)
            self.run("add", "--all", "--", ".", index=index)
            tree = self.run("write-tree", index=index).strip()
        return Range(head, head, tree, "--worktree", f"worktree:{self.branch()}")

    def patched(self, patch: Path) -> Range:
        """Return what a patch file makes of the commit that is checked out."""
        head = self.resolve("HEAD")
        content = patch.read_bytes()
        with _own_index() as index:
            self.run("read-tree", head, index=index)
            self.run("apply", "--cached", "--whitespace=nowarn", "-", said=content, index=index)
            tree = self.run("write-tree", index=index).strip()
        return Range(head, head, tree, patch.name, f"patch:{patch.name}")

    def remotes(self) -> Mapping[str, str]:
        """Return the addresses of the remotes by their names."""
        try:
            written = self.run("config", "--get-regexp", r"^remote\..*\.url$")
        except Rejected:
            return {}
        pairs = (line.partition(" ") for line in written.splitlines())
        return {key.removeprefix("remote.").removesuffix(".url"): url for key, _, url in pairs}

    def fetch(self, remote: str, *names: str) -> None:
        """Bring what a remote has under these names, beside every branch and tag of here."""
        self.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", remote, *names)

    def patch(self, base: str, head: str, context: int = CONTEXT_LINES) -> str:
        """Return the difference of two trees, whatever attributes are checked out say of them."""
        arguments = ("diff", *_DIFF, f"--unified={context}", base, head, "--")
        written = self._run(arguments, self._objects, self._objects_alone(), b"")
        return written.decode("utf-8", "replace")

    def messages(self, base: str, head: str) -> tuple[str, ...]:
        """Return the messages of the commits of a range, oldest first; none for a bare tree."""
        if self.run("cat-file", "-t", head).strip() != "commit":
            return ()
        count = f"--max-count={MESSAGES_MAX}"
        written = self.run("log", "-z", "--format=%B", count, "--reverse", f"{base}..{head}")
        return tuple(text.strip() for text in written.split("\0") if text.strip())

    def first_change(self, base: str, tip: str, places: Iterable[str]) -> str:
        """Return the day and name of the first commit of a range that touches one of the places."""
        names = (f":(top,literal){place}" for place in places)
        shown = ("--no-show-signature", "--abbrev=12", "--format=%cs (%h)", "--reverse")
        written = self.run("log", *shown, f"{base}..{tip}", "--", *names)
        return next(iter(written.splitlines()), "")

    def commit_of(self, head: str, parent: str) -> str:
        """Return the commit that a head is; for a bare tree one made of it, on top of a parent."""
        if self.run("cat-file", "-t", head).strip() == "commit":
            return head
        arguments = ("commit-tree", head, "-p", parent, "-m", "not committed")
        environment = {**self._objects_alone(), **_NOBODY}
        return self._run(arguments, self._objects, environment, b"").decode("ascii").strip()

    def list_tree(self, name: str) -> Mapping[str, TreeEntry]:
        """Return the files of a tree by path; links and submodules are left out."""
        written = self.run("ls-tree", "-r", "-z", "--full-tree", name)
        return {entry.path: entry for entry in _entries(written)}

    def read_blobs(self, names: Iterable[str]) -> Mapping[str, bytes]:
        """Return the bytes of blobs; those above the limit are left out."""
        wanted = tuple(dict.fromkeys(names))
        if not wanted:
            return {}
        said = "".join(f"{name}\n" for name in wanted).encode()
        sizes = self.run("cat-file", "--batch-check=%(objectname) %(objectsize)", said=said)
        small = [
            name
            for name, _, size in (line.partition(" ") for line in sizes.splitlines())
            if size.isdigit() and int(size) <= review_limits.REVIEW_FILE_BYTES_MAX
        ]
        written = self.run_bytes(
            "cat-file", "--batch", said="".join(f"{n}\n" for n in small).encode()
        )
        return dict(_blobs(written))


def _entries(written: str) -> Iterator[TreeEntry]:
    for record in written.split("\0"):
        about, _, path = record.partition("\t")
        parts = about.split()
        if len(parts) == 3 and parts[0] not in {_LINK_MODE, _COMMIT_MODE}:
            yield TreeEntry(parts[0], parts[2], path)


def _blobs(written: bytes) -> Iterator[tuple[str, bytes]]:
    position = 0
    while position < len(written):
        end = written.index(b"\n", position)
        name, _, size = written[position:end].split(b" ")
        start = end + 1
        yield name.decode("ascii"), written[start : start + int(size)]
        position = start + int(size) + 1


def _end_late(process: "subprocess.Popen[bytes]", late: threading.Event) -> None:
    late.set()
    process.kill()


def _limit_memory(process_id: int) -> None:
    """Bound what a pattern can make git allocate, where the system lets one process say so."""
    if sys.platform == "linux":
        most = review_limits.REVIEW_READ_MEMORY_BYTES_MAX
        with suppress(ProcessLookupError):
            resource.prlimit(process_id, resource.RLIMIT_DATA, (most, most))


@contextmanager
def _own_index() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="driftpin-index-") as place:
        yield Path(place) / "index"


def _environment(index: Path | None) -> dict[str, str]:
    """Return the environment of git: no prompts, no variables that point it elsewhere."""
    kept = {name: each for name, each in os.environ.items() if not name.startswith("GIT_")}
    own = {"LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    named = {} if index is None else {"GIT_INDEX_FILE": str(index)}
    return {**kept, **own, **named}


__all__ = ["Range", "Repository", "TreeEntry"]
