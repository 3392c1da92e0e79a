"""Passwords of users who sign in without a token."""

from typing import Final

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, Text

from driftpin.store.column_types import Id, Instant

revision: Final = "0006"
down_revision: Final = "0005"


def upgrade() -> None:
    op.create_table(
        "passwords",
        Column("user_id", Id(), nullable=False),
        Column("password_hash", Text(), nullable=False),
        Column("changed_at", Instant(), nullable=False),
        ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_passwords_user_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("user_id", name="pk_passwords"),
        sqlite_strict=True,
    )
