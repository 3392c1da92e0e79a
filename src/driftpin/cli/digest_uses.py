"""Which chats run on some bytes, shown."""

from pathlib import Path
from typing import Final

from driftpin.cli import output
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.errors import UsageError
from driftpin.identity import Digest, digest_of, is_digest
from driftpin.wire.api import UseShape

COLUMNS: Final = ("chat", "title", "source", "path")


def show(reach: Reach, what: str, *, as_json: bool) -> None:
    """Show every chat of the caller that runs on the bytes of a digest, or of a file as it is."""
    digest = _digest_of(what)

    async def read(session: Session) -> tuple[UseShape, ...]:
        return await session.client.list_uses(digest)

    uses = in_session(reach, read)
    if as_json:
        output.write_json({"digest": digest, "uses": uses})
        return
    output.write_table(COLUMNS, ((use.chat_id, use.title, use.source, use.path) for use in uses))
    chats = len({use.chat_id for use in uses})
    say(f"{digest}: {output.counted(chats, 'chat')}")


def _digest_of(what: str) -> Digest:
    if is_digest(what):
        return Digest(what)
    if not Path(what).is_file():
        raise UsageError(
            f"{what!r} is neither a digest (`sha256:` and 64 hex digits) nor a file.",
            code="bad_hash",
        )
    return digest_of(Path(what).read_bytes())


__all__ = ["show"]
