"""What a chat keeps as it is although its head has something else."""

from typing import Final

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, Text

from driftpin.store.column_types import Id, Instant

revision: Final = "0012"
down_revision: Final = "0011"


def upgrade() -> None:
    op.create_table(
        "chat_holds",
        Column("chat_id", Id(), nullable=False),
        Column("source", Text, nullable=False),
        Column("digest", Text),
        Column("held_by", Text, nullable=False),
        Column("held_at", Instant(), nullable=False),
        PrimaryKeyConstraint("chat_id", "source", name="pk_chat_holds"),
        ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_chat_holds_chat_id", ondelete="CASCADE"
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
