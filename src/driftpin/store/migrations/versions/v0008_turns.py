"""Which revision of its pin a turn holds, and by which turn it was replaced."""

from typing import Final

from alembic import op
from sqlalchemy import Column, Integer

from driftpin.store.column_types import Number

revision: Final = "0008"
down_revision: Final = "0007"


def upgrade() -> None:
    op.add_column("turns", Column("held_revision", Number))
    op.add_column("turns", Column("replaced_by", Integer))
