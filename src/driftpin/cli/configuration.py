"""`driftpin config`: every setting in force, and where it came from."""

from driftpin.cli import output
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.settings import LoadedSettings, Settings, config_file, load_settings


def show(reach: Reach, *, has_origins: bool, as_json: bool) -> None:
    """Show the settings; what looks like one in the environment and is none is named aside."""
    loaded = load_settings(reach.flags())
    for variable in loaded.unknown_variables:
        say(f"warning: {variable} is set but is no setting of driftpin.")
    if as_json:
        output.write_json({name: _entry(loaded, name) for name in Settings.model_fields})
        return
    columns = ["setting", "value", *(["origin"] if has_origins else []), "meaning"]
    output.write_table(columns, (_row(loaded, name, has_origins) for name in Settings.model_fields))
    say(f"config file: {config_file() or 'none, for want of a home directory'}")


def _entry(loaded: LoadedSettings, name: str) -> dict[str, object]:
    source = loaded.sources[name]
    return {"value": loaded.shown(name), "origin": source.origin.value, "place": source.place}


def _row(loaded: LoadedSettings, name: str, has_origins: bool) -> list[object]:
    shown = loaded.shown(name)
    value = ", ".join(shown) if isinstance(shown, list) else shown
    origin = [str(loaded.sources[name])] if has_origins else []
    return [name, value, *origin, Settings.model_fields[name].description]


__all__ = ["show"]
