"""Commands of whoever runs a deployment; they need an administrator's token."""

import typer

from driftpin.cli.options import JsonFlag, Reach, reaching

sync_app = typer.Typer(no_args_is_help=True, help="Pause the context sync of all agents.")


@sync_app.command("status")
@reaching
def sync_status(reach: Reach, as_json: JsonFlag = False) -> None:
    """Tell whether pushes of all agents are paused."""
    from driftpin.cli import sync_switch

    sync_switch.show(reach, as_json=as_json)


@sync_app.command("pause")
@reaching
def pause_sync(reach: Reach, as_json: JsonFlag = False) -> None:
    """Take no pushes of any agent until `resume`; everything that is pinned stays readable."""
    from driftpin.cli import sync_switch

    sync_switch.switch(reach, is_paused=True, as_json=as_json)


@sync_app.command("resume")
@reaching
def resume_sync(reach: Reach, as_json: JsonFlag = False) -> None:
    """Take pushes again; every agent sends its newest state."""
    from driftpin.cli import sync_switch

    sync_switch.switch(reach, is_paused=False, as_json=as_json)


__all__ = ["sync_app"]
