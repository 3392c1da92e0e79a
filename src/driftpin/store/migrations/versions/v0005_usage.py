"""How many bytes each workspace keeps, counted as they come and go."""

from typing import Final

from alembic import op
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    cast,
    func,
    insert,
    select,
)

from driftpin.store.column_types import Id, Number

revision: Final = "0005"
down_revision: Final = "0004"


def upgrade() -> None:
    op.create_table(
        "workspace_usage",
        Column("workspace_id", Id(), nullable=False),
        Column("blob_bytes", Number, nullable=False),
        PrimaryKeyConstraint("workspace_id", name="pk_workspace_usage"),
        ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name="fk_workspace_usage_workspace_id",
            ondelete="CASCADE",
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    of_now = MetaData()
    blobs = Table("blobs", of_now, Column("workspace_id", Id()), Column("size_bytes", Number))
    usage = Table(
        "workspace_usage", of_now, Column("workspace_id", Id()), Column("blob_bytes", Number)
    )
    counted = select(
        blobs.c.workspace_id, cast(func.sum(blobs.c.size_bytes), Number).label("blob_bytes")
    ).group_by(blobs.c.workspace_id)
    op.execute(insert(usage).from_select(["workspace_id", "blob_bytes"], counted))
