"""How many bytes a workspace keeps: one row each, so that a push need not count its blobs.

The row is the last lock that a transaction takes, but for its owner's near a quota: whoever stores
bytes has looked at its blobs before, and the collector comes with rows that are gone already.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import BigInteger, bindparam, func, select, update

from driftpin import limits
from driftpin.errors import TooLarge
from driftpin.identity import WorkspaceId
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.tables import users, workspace_usage, workspaces

ADVICE: Final = (
    "Remove what is not needed from the workspace, wait until old snapshots are collected, or ask "
    "whoever runs the server for more."
)
COUNT: Final = (
    update(workspace_usage)
    .where(
        workspace_usage.c.workspace_id
        == bindparam("its_workspace_id", type_=workspace_usage.c.workspace_id.type)
    )
    .values(blob_bytes=workspace_usage.c.blob_bytes + bindparam("more_bytes", type_=BigInteger()))
)
# While a quota has more room than this, what is stored at one moment is not added up: every push
# that is let in at a time, on each of four servers, as large as it may be.
ROOM_UNLOCKED_BYTES: Final = 4 * limits.ADMITTED_AT_ONCE_MAX * limits.SNAPSHOT_BYTES_MAX


async def count_usage(transaction: Transaction, changes: Mapping[WorkspaceId, int]) -> None:
    """Add these bytes to what the workspaces keep; fewer are negative."""
    connection = transaction.connection
    for workspace_id in sorted(changes):
        added = {"its_workspace_id": workspace_id, "more_bytes": changes[workspace_id]}
        if (await connection.execute(COUNT, added)).rowcount == 0:
            row = {"workspace_id": workspace_id, "blob_bytes": changes[workspace_id]}
            await dialect_of(connection).insert_rows(connection, workspace_usage, [row])


async def check_quotas(transaction: Transaction, workspace_id: WorkspaceId, new_bytes: int) -> None:
    """Refuse bytes that were counted just now and are too many for the workspace or its owner.

    Raises TooLarge (`quota_exceeded`) with the name of the limit, what it is, and what was used
    before. What is stored at the same moment in another workspace of the owner is not seen before
    its commit: near the limit, one such transaction waits for the other.
    """
    quotas = transaction.quotas
    if quotas.workspace_bytes_max is not None:
        used = await _bytes_of_workspace(transaction, workspace_id)
        _refuse_over("workspace_bytes_max", quotas.workspace_bytes_max, used, new_bytes)
    if quotas.user_bytes_max is not None:
        used = await _bytes_of_owner(transaction, workspace_id)
        if used > quotas.user_bytes_max - ROOM_UNLOCKED_BYTES:
            await _lock_owner(transaction, workspace_id)
            used = await _bytes_of_owner(transaction, workspace_id)
        _refuse_over("user_bytes_max", quotas.user_bytes_max, used, new_bytes)


def _refuse_over(name: str, limit_bytes: int, used_bytes: int, new_bytes: int) -> None:
    if used_bytes <= limit_bytes:
        return
    used_before = used_bytes - new_bytes
    whose = "This workspace" if name == "workspace_bytes_max" else "Its owner"
    raise TooLarge(
        f"{whose} keeps {used_before} of {limit_bytes} bytes, and this would add {new_bytes}. "
        f"{ADVICE}",
        code="quota_exceeded",
        limit=name,
        limit_bytes=limit_bytes,
        used_bytes=used_before,
    )


async def _bytes_of_workspace(transaction: Transaction, workspace_id: WorkspaceId) -> int:
    statement = select(workspace_usage.c.blob_bytes).where(
        workspace_usage.c.workspace_id == workspace_id
    )
    return int((await transaction.connection.execute(statement)).scalar_one_or_none() or 0)


async def _lock_owner(transaction: Transaction, workspace_id: WorkspaceId) -> None:
    """Wait for whoever stores bytes for the same owner, until the end of the transaction."""
    owner = select(workspaces.c.owner_id).where(workspaces.c.id == workspace_id).scalar_subquery()
    statement = select(users.c.id).where(users.c.id == owner).with_for_update(key_share=True)
    await transaction.connection.execute(statement)


async def _bytes_of_owner(transaction: Transaction, workspace_id: WorkspaceId) -> int:
    owner = select(workspaces.c.owner_id).where(workspaces.c.id == workspace_id).scalar_subquery()
    statement = (
        select(func.coalesce(func.sum(workspace_usage.c.blob_bytes), 0))
        .join(workspaces, workspaces.c.id == workspace_usage.c.workspace_id)
        .where(workspaces.c.owner_id == owner)
    )
    return int((await transaction.connection.execute(statement)).scalar_one())


__all__ = ["check_quotas", "count_usage"]
