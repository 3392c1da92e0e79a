"""What is kept in the state directory between two commands, and how it is kept.

    server.json              where the local server answers, and the token of its first user; 0600
    login.json               the server that `driftpin login` checked, and your token; 0600
    server.lock              held for as long as `driftpin up` serves from here
    directories/<name>/      one per directory that an agent ran on:
        directory.json           its path, and its workspace and agent on the server
        agent.token              the agent's own token; 0600
        sources.json             the sources that were declared for it

A file is replaced whole. One that cannot be read as what it should be counts as absent: everything
here can be made again.
"""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from driftpin.identity import AgentId, UserId, WorkspaceId

_NAME_CHARACTERS: Final = 24


@dataclass(frozen=True, slots=True)
class KnownServer:
    """A server and a token that it took. `pid` is 0 for one that runs elsewhere."""

    url: str
    token: str
    user_id: UserId
    pid: int = 0


@dataclass(frozen=True, slots=True)
class KnownDirectory:
    """A directory's workspace and agent on a server."""

    path: Path
    workspace_id: WorkspaceId
    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class Remembered:
    """The state directory. Made, for its owner only, when something is first written."""

    directory: Path

    def find_server(self) -> KnownServer | None:
        """Return the server that was last started from here; it may have stopped since."""
        return _server_in(self.directory / "server.json")

    def keep_server(self, server: KnownServer) -> None:
        """Remember the server that was just started."""
        _write_private(self.directory / "server.json", json.dumps(asdict(server)))

    def find_login(self) -> KnownServer | None:
        """Return the server that was signed in to."""
        return _server_in(self.directory / "login.json")

    def keep_login(self, server: KnownServer) -> None:
        """Remember a server that took the token."""
        _write_private(self.directory / "login.json", json.dumps(asdict(server)))

    def forget_login(self) -> None:
        """Forget the server that was signed in to, if there is one."""
        (self.directory / "login.json").unlink(missing_ok=True)

    def find_directory(self, path: Path) -> KnownDirectory | None:
        """Return the workspace and agent of exactly this directory."""
        kept = _read_object(self._folder_of(path) / "directory.json")
        try:
            return KnownDirectory(
                path, WorkspaceId(str(kept["workspace_id"])), AgentId(str(kept["agent_id"]))
            )
        except KeyError:
            return None

    def find_nearest_directory(self, path: Path) -> KnownDirectory | None:
        """Return what is known of this directory, or of the nearest one above it."""
        candidates = (self.find_directory(place) for place in (path, *path.parents))
        return next((known for known in candidates if known is not None), None)

    def keep_directory(self, known: KnownDirectory, agent_token: str | None = None) -> None:
        """Remember a directory's workspace and agent, and the agent's token where it is ours."""
        folder = self._folder_of(known.path)
        if agent_token is not None:
            _write_private(folder / "agent.token", agent_token)
        kept = {**asdict(known), "path": str(known.path)}
        _write_private(folder / "directory.json", json.dumps(kept))

    def find_agent_token(self, path: Path) -> str | None:
        """Return the token of the directory's agent."""
        try:
            return (self._folder_of(path) / "agent.token").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None

    def sources_file(self, path: Path) -> Path:
        """Return where the sources are kept that were declared for a directory."""
        return self._folder_of(path) / "sources.json"

    def agent_state(self, path: Path) -> Path:
        """Return the folder in which the directory's agent keeps its own state."""
        return self._folder_of(path)

    def try_to_serve(self) -> int | None:
        """Take the right to serve from here until the returned handle is closed.

        None when another process has it. The system gives it back when its holder dies.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
        lock = os.open(self.directory / "server.lock", flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def _folder_of(self, path: Path) -> Path:
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:_NAME_CHARACTERS]
        return self.directory / "directories" / name


def _server_in(file: Path) -> KnownServer | None:
    kept = _read_object(file)
    try:
        pid = kept.get("pid", 0)
        return KnownServer(
            url=str(kept["url"]),
            token=str(kept["token"]),
            user_id=UserId(str(kept["user_id"])),
            pid=pid if isinstance(pid, int) else 0,
        )
    except KeyError:
        return None


def _read_object(file: Path) -> Mapping[str, object]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _write_private(file: Path, text: str) -> None:
    """Put a file that only its owner may read in place of what stands there."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


__all__ = ["KnownDirectory", "KnownServer", "Remembered"]
