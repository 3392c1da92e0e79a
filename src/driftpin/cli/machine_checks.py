"""What `driftpin doctor` looks at on this machine: files, disk, port, server and agent."""

import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from driftpin import __version__, limits
from driftpin.agent.local_client import find_socket
from driftpin.cli.doctor_findings import Code, Finding
from driftpin.cli.remembered import KnownServer, Remembered
from driftpin.client import Client
from driftpin.errors import DriftpinError, UsageError
from driftpin.server.serve import bind
from driftpin.settings import Settings

MIB: Final = 1024 * 1024
DISK_LOW_BYTES: Final = 512 * MIB
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
# Long enough that no process is still writing it.
LEFTOVER_AGE_S: Final = 3_600
INOTIFY: Final = Path("/proc/sys/fs/inotify")
INSTANCES_MIN: Final = 64


def check_disk(directory: Path, *, low_bytes: int = DISK_LOW_BYTES) -> Iterator[Finding]:
    """Find a disk with little space."""
    if directory.is_dir():
        free = shutil.disk_usage(directory).free
        if free < low_bytes:
            yield Finding(Code.DISK_LOW, str(directory), f"{free // MIB} MiB are free.")


def check_modes(state: Path, database: Path | None) -> Iterator[Finding]:
    """Find what others than the owner may open of the state directory."""
    kept = [state, *sorted(state.rglob("*.json")), *sorted(state.rglob("*.token"))]
    if database is not None and not is_inside(database, state):
        kept.append(database)
    for path in kept:
        if path.exists() and path.stat().st_mode & OTHERS:
            mode = stat.S_IMODE(path.stat().st_mode)
            yield Finding(Code.MODE_OPEN, str(path), f"Others have access (mode {mode:04o}).")


def is_inside(path: Path, directory: Path) -> bool:
    """Whether the path is below the directory, which keeps others out already."""
    return path.resolve().is_relative_to(directory.resolve())


def check_leftovers(state: Path, now_s: float | None = None) -> Iterator[Finding]:
    """Find temporary files that a crash left behind."""
    now_s = time.time() if now_s is None else now_s
    names = ("server.json", "login.json", "directory.json", "agent.token")
    found = [path for name in names for path in state.rglob(f".{name}.*")]
    for path in sorted([*found, *state.glob(".*.part")]):
        if now_s - path.stat().st_mtime > LEFTOVER_AGE_S:
            yield Finding(Code.LEFTOVER_FILE, str(path), "A crash left this temporary file.")


def fix(finding: Finding) -> Finding:
    """Do what is safe about the finding, and return it as fixed."""
    path = Path(finding.subject)
    if finding.code is Code.MODE_OPEN:
        path.chmod(0o700 if path.is_dir() else 0o600)
    else:
        path.unlink(missing_ok=True)
    return Finding(finding.code, finding.subject, finding.message, is_fixed=True)


async def check_server(settings: Settings, remembered: Remembered) -> list[Finding]:
    """Find a server that should answer and does not, or one of another release."""
    known = remembered.find_server()
    if known is not None:
        version = await _version_of(known)
        if version is not None:
            return _compared(known, version)
    silent = [] if known is None else [_silent(known)]
    return [*silent, *check_port(settings.host, settings.port)]


def check_port(host: str, port: int) -> Iterator[Finding]:
    """Find another program on the port that a server would take."""
    try:
        bind(host, port).close()
    except UsageError as refusal:
        yield Finding(Code.PORT_IN_USE, f"{host}:{port}", refusal.message)


def check_agent(directory: Path, remembered: Remembered) -> Iterator[Finding]:
    """Find that the agent of this directory, which ran here before, does not run."""
    known = remembered.find_nearest_directory(directory.resolve())
    if known is not None and find_socket(known.path) is None:
        yield Finding(Code.AGENT_SILENT, str(known.path), "No agent runs on this directory.")


def check_watching(inotify: Path = INOTIFY) -> Iterator[Finding]:
    """Find limits of the system below what an agent may need."""
    wanted = {"max_user_watches": limits.WATCH_DIRECTORIES_MAX, "max_user_instances": INSTANCES_MIN}
    for name, least in wanted.items():
        file = inotify / name
        if file.is_file() and int(file.read_text(encoding="ascii")) < least:
            yield Finding(Code.WATCH_LIMIT, f"fs.inotify.{name}", f"It is below {least}.")


async def _version_of(known: KnownServer) -> str | None:
    try:
        async with Client(known.url, known.token) as client:
            return (await client.get_server()).version
    except DriftpinError:
        return None


def _compared(known: KnownServer, version: str) -> list[Finding]:
    if version == __version__:
        return []
    told = f"The server is {version}, this command {__version__}."
    return [Finding(Code.SERVER_VERSION, known.url, told)]


def _silent(known: KnownServer) -> Finding:
    return Finding(Code.SERVER_SILENT, known.url, "The server that was started here is silent.")


__all__ = [
    "check_agent",
    "check_disk",
    "check_leftovers",
    "check_modes",
    "check_port",
    "check_server",
    "check_watching",
    "fix",
]
