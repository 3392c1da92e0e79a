"""When an agent's runs took over from each other, and since when it is locked."""

from typing import Final

from alembic import op
from sqlalchemy import Column

from driftpin.store.column_types import Instant

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    op.add_column("agents", Column("locked_at", Instant()))
    op.add_column("agent_runs", Column("took_over_at", Instant()))
