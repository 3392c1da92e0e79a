"""A turn's receipt as it is shown: its entries, whether their chain is whole, and the prompt."""

from driftpin.chat.pinned import PinnedContext, blobs_for_prompt
from driftpin.chat.prompt import render_prompt
from driftpin.chat.receipts import Phase, entry_from_json, verify_chain
from driftpin.context.manifest import resources_of, snapshot_of
from driftpin.errors import NotFound
from driftpin.identity import Actor, ChatId
from driftpin.server.replies import receipt_shape
from driftpin.store.store import Store
from driftpin.store.values import ReceiptRow
from driftpin.wire.api import ReceiptShape


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
    prompt = await _prompt_of(store, actor, of_turn[0]) if has_prompt else None
    return ReceiptShape(
        chat_id=chat_id,
        turn=turn,
        entries=tuple(receipt_shape(row) for row in of_turn),
        is_chain_whole=not verify_chain(entries),
        prompt=prompt,
    )


async def _prompt_of(store: Store, actor: Actor, row: ReceiptRow) -> str | None:
    entry = entry_from_json(row.content)
    assert entry.phase is Phase.SENT, "a turn's first entry is what was sent"
    context = await _context_of(store, actor, row)
    rendered = render_prompt(context, budget_tokens=entry.request.budget_tokens)
    return rendered.text if rendered.digest == entry.request.prefix else None


async def _context_of(store: Store, actor: Actor, row: ReceiptRow) -> PinnedContext | None:
    if row.snapshot_digest is None:
        return None
    manifest = await store.get_snapshot_manifest(actor, row.snapshot_digest)
    resources = resources_of(manifest)
    chat = (await store.get_chat(actor, row.chat_id)).chat
    return PinnedContext(
        snapshot=row.snapshot_digest,
        prompt_digest=snapshot_of(resources).prompt_digest,
        revision=0,
        resources=resources,
        bodies=await store.read_blobs(actor, chat.workspace_id, blobs_for_prompt(resources)),
    )


__all__ = ["show_receipt"]
