"""A workspace on disk, and a clock that is ahead so that fresh files count as at rest."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from driftpin.agent.beneath import Opener
from driftpin.agent.mcp_configs import Catalogues
from driftpin.agent.reading import Reader
from driftpin.agent.resolve import Resolution, Resolver, ScanSettings
from driftpin.agent.roots import DeclaredSource, list_roots
from driftpin.clock import SystemClock
from driftpin.context.resource import Observation, Resource

ORDINARY_USER = 65534


class ClockAhead(SystemClock):
    """The machine's clock, a minute ahead."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=1)


@dataclass
class CountingRead:
    """Reads as `os.read` does and counts."""

    calls: int = 0

    def __call__(self, descriptor: int, count: int) -> bytes:
        self.calls += 1
        return os.read(descriptor, count)


@dataclass
class Workspace:
    """A directory and what a resolver makes of it."""

    path: Path
    opener: Opener
    home: Path | None = None
    sources: list[DeclaredSource] = field(default_factory=list)
    read: Callable[[int, int], bytes] = os.read
    settings: ScanSettings = field(default_factory=ScanSettings)

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def link(self, path: str, target: str | Path) -> Path:
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)
        return file

    def skill(self, path: str, *, text: str | None = None) -> Path:
        name = path.rpartition("/")[2]
        header = f"---\nname: {name}\ndescription: What it does.\n---\nBody.\n"
        return self.write(f"{path}/SKILL.md", header if text is None else text).parent

    def resolver(self, catalogues: Callable[[], Catalogues] = dict) -> Resolver:
        roots = list_roots(self.path, sources=self.sources, home=self.home)
        reader = Reader(self.opener, self.settings.is_strict, self.read)
        return Resolver(
            roots, self.settings, clock=ClockAhead(), reader=reader, catalogues=catalogues
        )

    def resolve(self) -> Resolution:
        return self.resolver().resolve()

    def outcome(self, source: str) -> str:
        return outcome_of(self.resolve(), source)


def resource_of(resolution: Resolution, source: str) -> Resource:
    return {each.source: each for each in resolution.snapshot.resources}[source]


def observation_of(resolution: Resolution, source: str) -> Observation:
    return {each.source: each for each in resolution.observations.resources}[source]


def outcome_of(resolution: Resolution, source: str) -> str:
    resource = resource_of(resolution, source)
    return f"{resource.status}/{resource.reason}".rstrip("/")


def warnings_of(resolution: Resolution, source: str) -> list[str]:
    return [finding.code for finding in observation_of(resolution, source).warnings]


@contextmanager
def ordinary_user(*owned: Path) -> Iterator[None]:
    """Act as a user without privileges, who owns these paths."""
    if os.geteuid() != 0:
        yield
        return
    for path in owned:
        os.chown(path, ORDINARY_USER, ORDINARY_USER)
    os.seteuid(ORDINARY_USER)
    try:
        yield
    finally:
        os.seteuid(0)
