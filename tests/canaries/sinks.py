"""Where a secret could have gone: everything outside the agent, gathered, and searched."""

import binascii
import gzip
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tcp_proxy import Plan

BASE64_WORD = re.compile(rb'"([A-Za-z0-9+/]{8,}={0,2})"')
QUERY = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


@dataclass(slots=True)
class Sinks:
    """Bytes by the name of where they were found."""

    found: dict[str, bytearray] = field(default_factory=dict)

    def add(self, name: str, content: bytes | str) -> None:
        """Add what was found there."""
        encoded = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        self.found.setdefault(name, bytearray()).extend(encoded + b"\n")

    def add_tree(self, name: str, root: Path) -> None:
        """Add every file below a directory, and the names."""
        for path in sorted(root.rglob("*")):
            self.add(name, str(path))
            if path.is_file() and not path.is_symlink():
                self.add(name, path.read_bytes())

    def add_backup(self, path: Path) -> None:
        """Add what a backup holds, its values decoded too."""
        text = gzip.decompress(path.read_bytes())
        self.add("backup", text)
        for word in BASE64_WORD.findall(text):
            with suppress(binascii.Error):
                self.add("backup", binascii.a2b_base64(word))

    def add_process(self, name: str, process_id: int) -> None:
        """Add what everybody on the machine can see of a process: how it was called."""
        self.add(name, Path(f"/proc/{process_id}/cmdline").read_bytes())

    async def add_postgres(self, url: str) -> None:
        """Add every row of every table, bytes as they are."""
        connection = await asyncpg.connect(url)
        try:
            for (table,) in await connection.fetch(QUERY):
                for row in await connection.fetch(f'SELECT t.* FROM "{table}" t'):
                    for value in row.values():
                        self.add("database", value if isinstance(value, bytes) else str(value))
        finally:
            await connection.close()

    def hits(self, traces: Mapping[str, Iterable[bytes]]) -> list[str]:
        """Return `secret in sink` for everything that was found where it must not be."""
        return [
            f"{secret} in {name}"
            for name, content in sorted(self.found.items())
            for secret, each in sorted(traces.items())
            if any(trace in content for trace in each)
        ]


@dataclass(slots=True)
class Tap(Plan):
    """Passes everything on, and keeps a copy of both directions."""

    sinks: Sinks
    name: str

    async def to_server(self, chunk: bytes) -> bytes:
        """Keep what the agent sent."""
        self.sinks.add(f"{self.name}, sent", chunk)
        return chunk

    async def to_client(self, chunk: bytes) -> bytes:
        """Keep what it was answered."""
        self.sinks.add(f"{self.name}, answered", chunk)
        return chunk


__all__ = ["Sinks", "Tap"]
