"""Which messages of a chat its model is no longer shown, and what stands in their place."""

from typing import Final

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Text

from driftpin.store.column_types import Id, Instant, Number

revision: Final = "0011"
down_revision: Final = "0010"


def upgrade() -> None:
    op.create_table(
        "compactions",
        Column("chat_id", Id(), nullable=False),
        Column("turn", Integer, nullable=False),
        Column("message_count", Integer, nullable=False),
        Column("tokens", Number, nullable=False),
        Column("summary", Text, nullable=False),
        Column("at", Instant(), nullable=False),
        PrimaryKeyConstraint("chat_id", "turn", "message_count", name="pk_compactions"),
        ForeignKeyConstraint(
            ["chat_id", "turn"],
            ["turns.chat_id", "turns.number"],
            name="fk_compactions_chat_id_turn",
            ondelete="CASCADE",
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
