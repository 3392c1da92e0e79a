from sqlalchemy import text

from driftpin.identity import digest_of
from driftpin.operations.create_chat import create_chat
from driftpin.store.store import Store
from people import People
from pushing import Pusher


async def test_the_view_shows_people_what_a_chat_has_pinned(store: Store, people: People) -> None:
    await Pusher(store, people.agent).push(AGENTS="be kind")
    view = await create_chat(store, people.owner, people.workspace_id)
    async with store.database.read() as connection:
        rows = (await connection.execute(text("SELECT * FROM chat_context_resources"))).all()
    (row,) = rows
    assert str(row.chat_id) == view.chat.id
    assert (row.source, row.kind, row.status) == ("workspace:AGENTS.md", "instruction_file", "ok")
    assert (row.digest, row.size_bytes) == (digest_of(b"be kind"), 7)
    assert bytes(row.body) == b"be kind"
