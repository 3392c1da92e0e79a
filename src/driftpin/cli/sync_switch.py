"""The operator's switch that pauses context sync, from the command line."""

from driftpin.cli import output
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.wire.transfer import SyncShape


def show(reach: Reach, *, as_json: bool) -> None:
    """Tell how the switch stands."""

    async def act(session: Session) -> SyncShape:
        return await session.client.get_sync()

    _tell(in_session(reach, act), as_json=as_json)


def switch(reach: Reach, *, is_paused: bool, as_json: bool) -> None:
    """Pause or resume, and tell how the switch stands then."""

    async def act(session: Session) -> SyncShape:
        return await session.client.set_sync(is_paused=is_paused)

    _tell(in_session(reach, act), as_json=as_json)


def _tell(state: SyncShape, *, as_json: bool) -> None:
    if as_json:
        output.write_json(state)
        return
    since = "" if state.since is None else f", since {state.since:%Y-%m-%d %H:%M:%S} UTC"
    say(f"Context sync {'is paused' if state.paused else 'runs'}{since}.")


__all__ = ["show", "switch"]
