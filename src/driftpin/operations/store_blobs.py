"""Take bytes that an agent is about to name in a push."""

from collections.abc import Iterable

from driftpin import limits
from driftpin.errors import Rejected, TooLarge
from driftpin.identity import Actor, Digest, WorkspaceId, digest_of
from driftpin.operations.agent_lock import meet_agent
from driftpin.store.access import require_agent
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.blobs import (
    add_blobs,
    count_unreferenced_bytes,
    find_blobs,
    renew_blobs,
    require_room,
)


async def store_blobs(store: Store, actor: Actor, offered: Iterable[tuple[Digest, bytes]]) -> None:
    """Keep the blobs for their grace time, in which a push may name them; all of them or none.

    One that the workspace has already begins its grace anew. Raises Rejected (`hash_mismatch`) with
    `digest`, TooLarge with `limit`, Gone (`agent_gone`), Forbidden (`agent_locked`).
    """
    require_agent(actor)
    contents = _checked(list(offered))

    async def keep(transaction: Transaction) -> None:
        workspace_id = (await meet_agent(transaction, actor))[0].id
        present = await find_blobs(transaction, workspace_id, contents)
        await renew_blobs(transaction, workspace_id, present)
        new = {digest: contents[digest] for digest in contents.keys() - present.keys()}
        if new:
            await add_blobs(transaction, workspace_id, new)
            await require_room(transaction, workspace_id, new)
            await _check_cap(transaction, workspace_id)

    await store.database.write(keep)


def _checked(offered: list[tuple[Digest, bytes]]) -> dict[Digest, bytes]:
    if len(offered) > limits.SERVER_BLOBS_PER_REQUEST_MAX:
        raise TooLarge("Too many blobs at once.", limit="SERVER_BLOBS_PER_REQUEST_MAX")
    for digest, content in offered:
        if len(content) > limits.SERVER_BLOB_BYTES_MAX:
            raise TooLarge("A blob is too large.", limit="SERVER_BLOB_BYTES_MAX", digest=digest)
        if digest_of(content) != digest:
            raise Rejected(
                f"These bytes do not have the digest {digest!r}.",
                code="hash_mismatch",
                digest=digest,
            )
    return dict(offered)


async def _check_cap(transaction: Transaction, workspace_id: WorkspaceId) -> None:
    waiting_bytes = await count_unreferenced_bytes(transaction, workspace_id)
    if waiting_bytes > limits.SERVER_UNREFERENCED_BYTES_MAX:
        raise TooLarge(
            "Too many bytes wait for a push that names them; push, or wait for their grace to end.",
            limit="SERVER_UNREFERENCED_BYTES_MAX",
        )


__all__ = ["store_blobs"]
