"""Tools of a chat's client, chats that may start sub-chats, and calls answered from elsewhere."""

from typing import Final

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, Text, false

from driftpin.store.column_types import Flag, Id

revision: Final = "0010"
down_revision: Final = "0009"


def upgrade() -> None:
    op.add_column("chats", Column("may_spawn", Flag(), nullable=False, server_default=false()))
    op.add_column("chats", Column("role", Text))
    op.add_column("tool_calls", Column("result", Text))
    op.add_column("tool_calls", Column("sub_chat_id", Id()))
    op.create_table(
        "chat_tools",
        Column("chat_id", Id(), nullable=False),
        Column("name", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("parameters", Text, nullable=False),
        PrimaryKeyConstraint("chat_id", "name", name="pk_chat_tools"),
        ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_chat_tools_chat_id", ondelete="CASCADE"
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
