"""About how many tokens each blob takes, counted once."""

from typing import Final

from alembic import op
from sqlalchemy import Column, MetaData, Table, bindparam, select, update

from driftpin.context.tokens import estimate_tokens
from driftpin.store.column_types import Bytes, Number

revision: Final = "0009"
down_revision: Final = "0008"

BLOBS_AT_ONCE: Final = 200


def upgrade() -> None:
    op.add_column("blobs", Column("tokens", Number))
    blobs = Table(
        "blobs",
        MetaData(),
        Column("id", Number),
        Column("content", Bytes),
        Column("tokens", Number),
    )
    connection = op.get_bind()
    counted = update(blobs).where(blobs.c.id == bindparam("blob")).values(tokens=bindparam("count"))
    after = 0
    while True:
        some = select(blobs.c.id, blobs.c.content).where(blobs.c.id > after).order_by(blobs.c.id)
        rows = connection.execute(some.limit(BLOBS_AT_ONCE)).all()
        if not rows:
            return
        values = [{"blob": row.id, "count": estimate_tokens(row.content)} for row in rows]
        connection.execute(counted, values)
        after = rows[-1].id
