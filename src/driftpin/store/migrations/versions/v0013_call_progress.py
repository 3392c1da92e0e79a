"""How far a call to an agent has come, for whoever waits for it on another replica."""

from typing import Final

from alembic import op
from sqlalchemy import Column, Text

revision: Final = "0013"
down_revision: Final = "0012"


def upgrade() -> None:
    op.add_column("agent_calls", Column("progress", Text))
