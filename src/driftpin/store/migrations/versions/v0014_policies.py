"""Policies for single kinds of resources, and the last move of a person's, quickly found."""

from typing import Final

from alembic import op
from sqlalchemy import Column, Text, text

revision: Final = "0014"
down_revision: Final = "0013"


def upgrade() -> None:
    op.add_column("workspaces", Column("kind_policies", Text))
    op.add_column("chats", Column("kind_policies", Text))
    by_persons = text("verb IN ('refresh', 'roll_back')")
    op.create_index(
        "ix_chat_pin_history_by_persons",
        "chat_pin_history",
        ["chat_id", "revision"],
        postgresql_where=by_persons,
        sqlite_where=by_persons,
    )
