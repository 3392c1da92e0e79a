"""Receipts as they are shown: of one turn with its prompt, and of a whole chat as an export."""

import asyncio
from typing import Final, NamedTuple

from driftpin import limits
from driftpin.chat.pinned import PinnedContext, blobs_for_prompt
from driftpin.chat.prompt import RENDERER_VERSION, render_prompt
from driftpin.chat.receipt_export import KeptEntry, write_export
from driftpin.chat.receipt_key import ALGORITHM, ReceiptKey
from driftpin.chat.receipts import Phase, ReceiptEntry, entry_from_json, verify_chain
from driftpin.context.manifest import resources_of, snapshot_of
from driftpin.errors import NotFound, TooLarge
from driftpin.identity import WORKER, Actor, ChatId, WorkspaceId
from driftpin.operations.prepare_deployment import RECEIPT_KEY
from driftpin.server.replies import receipt_shape
from driftpin.store.receipt_values import ReceiptRow
from driftpin.store.store import Store
from driftpin.wire.receipts import ReceiptKeyShape, ReceiptShape
from driftpin.wire.shape import written_instant

EXPIRED: Final = "snapshot_expired"
RENDERER_CHANGED: Final = "renderer_changed"
MISMATCH: Final = "digest_mismatch"


class _Prompt(NamedTuple):
    """A prefix that was rendered again, or why there is none."""

    text: str | None
    missing: str | None


async def show_receipt(
    store: Store, actor: Actor, chat_id: ChatId, turn: int, *, has_prompt: bool
) -> ReceiptShape:
    """Return the receipt of one turn; the chain is verified from the chat's first entry.

    The prompt is rendered again from the pinned bytes, and shown only if it has the digest that
    the receipt names. Raises NotFound for a turn without a receipt.
    """
    rows = await store.list_receipts(actor, chat_id, None)
    of_turn = tuple(row for row in rows if row.turn == turn)
    if not of_turn:
        raise NotFound
    entries = tuple(entry_from_json(row.content) for row in rows)
    prompt = await _prompt_of(store, actor, of_turn[0]) if has_prompt else _Prompt(None, None)
    return ReceiptShape.model_validate(
        {
            "chat_id": chat_id,
            "turn": turn,
            "entries": tuple(receipt_shape(row) for row in of_turn),
            "is_chain_whole": not verify_chain(entries),
            "prompt": prompt.text,
            "prompt_missing": prompt.missing,
        }
    )


async def export_receipts(store: Store, actor: Actor, chat_id: ChatId) -> bytes:
    """Return every entry of the chat's chain, signed with the server's key.

    Raises NotFound, and TooLarge for a chat of more entries than one document holds.
    """
    rows = await store.list_receipts(actor, chat_id, None)
    if len(rows) > limits.RECEIPT_EXPORT_ENTRIES_MAX:
        raise TooLarge("Too many receipts for one export.", limit="RECEIPT_EXPORT_ENTRIES_MAX")
    entries = [
        KeptEntry(row.number, row.digest, written_instant(row.at), row.content) for row in rows
    ]
    key = await _key_of(store)
    exported_at = written_instant(store.database.clock.now())
    return await asyncio.to_thread(write_export, chat_id, entries, key, exported_at=exported_at)


async def show_receipt_key(store: Store) -> ReceiptKeyShape:
    """Return the public half of the key that signs exports."""
    public = (await _key_of(store)).public
    return ReceiptKeyShape(
        algorithm=ALGORITHM, public=public.text, pem=public.pem, fingerprint=public.fingerprint
    )


async def _key_of(store: Store) -> ReceiptKey:
    seed = await store.get_deployment(WORKER, RECEIPT_KEY)
    assert seed is not None, "the deployment is prepared"
    return ReceiptKey(bytes.fromhex(seed))


async def _prompt_of(store: Store, actor: Actor, row: ReceiptRow) -> _Prompt:
    entry = entry_from_json(row.content)
    assert entry.phase is Phase.SENT, "a turn's first entry is what was sent"
    chat = (await store.get_chat(actor, row.chat_id)).chat
    try:
        context = await _context_of(store, actor, chat.workspace_id, entry)
    except NotFound:
        # Past its retention a receipt keeps the digest of a snapshot and lets go of its bytes.
        return _Prompt(None, EXPIRED)
    rendered = render_prompt(context, budget_tokens=entry.request.budget_tokens, role=chat.role)
    if rendered.digest == entry.request.prefix:
        return _Prompt(rendered.text, None)
    is_same = entry.request.renderer_version == RENDERER_VERSION
    return _Prompt(None, MISMATCH if is_same else RENDERER_CHANGED)


async def _context_of(
    store: Store, actor: Actor, workspace_id: WorkspaceId, entry: ReceiptEntry
) -> PinnedContext | None:
    snapshot = entry.request.snapshot
    if snapshot is None:
        return None
    resources = resources_of(await store.get_snapshot_manifest(actor, snapshot))
    wanted = blobs_for_prompt(resources)
    bodies = await store.read_blobs(actor, workspace_id, wanted)
    if len(bodies) < len(set(wanted)):
        raise NotFound
    return PinnedContext(
        snapshot=snapshot,
        prompt_digest=snapshot_of(resources).prompt_digest,
        revision=0,
        resources=resources,
        bodies=bodies,
    )


__all__ = ["export_receipts", "show_receipt", "show_receipt_key"]
