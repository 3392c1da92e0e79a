"""`driftpin usage`: how much is kept of what may be kept."""

from driftpin.cli import output
from driftpin.cli.options import Reach
from driftpin.cli.resource_rows import size_text
from driftpin.cli.session import Session, in_session
from driftpin.wire.api import WhoAmIShape, WorkspaceShape

COLUMNS = ("workspace", "id", "used", "of")


def show(reach: Reach, *, as_json: bool) -> None:
    """Show the bytes of each workspace of the caller, and of all of them together."""

    async def read(session: Session) -> tuple[WhoAmIShape, tuple[WorkspaceShape, ...]]:
        me = await session.client.get_me()
        seen = await session.client.list_workspaces()
        return me, tuple(each for each in seen if each.owner_id == me.user.id)

    me, own = in_session(reach, read)
    used_bytes = sum(each.used_bytes for each in own)
    if as_json:
        whole = {"used_bytes": used_bytes, "used_bytes_max": me.used_bytes_max}
        output.write_json({**whole, "workspaces": own})
        return
    rows = [(each.name, each.id, each.used_bytes, each.used_bytes_max) for each in own]
    rows.append(("all of yours", "", used_bytes, me.used_bytes_max))
    output.write_table(
        COLUMNS,
        ((name, key, size_text(used), size_text(most)) for name, key, used, most in rows),
    )


__all__ = ["show"]
