"""`backup` and `restore`: a deployment's rows in one file, and back."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from driftpin.cli import output
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.serving import get_database
from driftpin.clock import SystemClock
from driftpin.errors import UsageError
from driftpin.identity import WORKER
from driftpin.operations.check_store import StoreFinding, check_store
from driftpin.operations.restore_backup import Restored, restore_backup
from driftpin.operations.write_backup import write_backup
from driftpin.server.logs import configure_logs
from driftpin.settings import Settings, load_settings
from driftpin.store.archive.format import Summary
from driftpin.store.database import sqlite_path
from driftpin.store.store import Store


def backup(target: Path, flags: Mapping[str, object], *, may_replace: bool, as_json: bool) -> None:
    """Write a backup; a directory as target gets a file named by the present time."""
    settings = load_settings(flags).settings
    configure_logs(settings.log_level.value)
    database = get_database(settings)
    path = sqlite_path(database.url)
    if path is not None and not path.is_file():
        raise UsageError(f"There is no database at {str(path)!r}.", code="no_database")
    file = _file_at(target)

    async def run() -> Summary:
        try:
            return await write_backup(Store(database), WORKER, file, may_replace=may_replace)
        finally:
            await database.close()

    with output.progress("Writing a backup …"):
        summary = asyncio.run(run())
    if as_json:
        output.write_json({"file": str(file), **_facts_of(summary)})
    else:
        output.write_text(str(file))
        say(f"backed up: {sum(summary.rows.values())} rows, whole and on the disk.")


def restore(source: Path, flags: Mapping[str, object], *, may_replace: bool, as_json: bool) -> None:
    """Restore a backup, and check what came of it."""
    settings = load_settings(flags).settings
    configure_logs(settings.log_level.value)
    if not source.is_file():
        raise UsageError(f"There is no backup at {str(source)!r}.", code="no_backup")
    with output.progress("Restoring, and checking every pin and every byte …"):
        restored, findings = asyncio.run(_restore(source, settings, may_replace=may_replace))
    listed = [{"rule": each.rule.value, "subject": each.subject} for each in findings]
    if as_json:
        facts = _facts_of(restored.backup)
        output.write_json({**facts, "epoch": restored.epoch, "findings": listed})
    else:
        say(
            f"restored: the state of {restored.backup.header.made_at}. Start the server: clients "
            "read everything anew, and agents push their newest state."
        )
        for each in findings:
            say(f"  damaged before it was backed up: {each.rule.value} {each.subject}")
    if findings:
        raise Finished(ExitCode.FINDINGS)


async def _restore(
    source: Path, settings: Settings, *, may_replace: bool
) -> tuple[Restored, tuple[StoreFinding, ...]]:
    database = get_database(settings)
    path = sqlite_path(database.url)
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(database)
    try:
        restored = await restore_backup(store, WORKER, source, may_replace=may_replace)
        return restored, await check_store(store, WORKER)
    finally:
        await database.close()


def _file_at(target: Path) -> Path:
    if target.is_dir():
        return target / f"driftpin-{SystemClock().now():%Y%m%dT%H%M%SZ}.backup"
    if not target.parent.is_dir():
        raise UsageError(
            f"{str(target.parent)!r} is not a directory; make it first.", code="no_such_directory"
        )
    return target


def _facts_of(summary: Summary) -> dict[str, object]:
    header = summary.header
    return {"revision": header.revision, "made_at": header.made_at, "rows": summary.rows}


__all__ = ["backup", "restore"]
