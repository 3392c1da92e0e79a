"""From a directory and the settings to what an agent looks at."""

from pathlib import Path

from driftpin.agent.resolve import ScanSettings
from driftpin.agent.sources import SourceFile
from driftpin.agent.workspace import Workspace
from driftpin.cli.places import find_home, get_directory
from driftpin.cli.remembered import Remembered
from driftpin.clock import SystemClock
from driftpin.settings import Settings, load_settings, state_directory


def build_workspace(directory: Path, settings: Settings) -> Workspace:
    """Return the workspace at a directory; UsageError (`no_such_directory`) if there is none."""
    return Workspace(
        get_directory(directory),
        source_file(directory, settings),
        home=find_home() if settings.user_roots else None,
        clock=SystemClock(),
        settings=scan_settings(settings),
    )


def scan_settings(settings: Settings) -> ScanSettings:
    """Return what is looked for."""
    names = settings.instruction_files
    return ScanSettings() if names is None else ScanSettings(instruction_names=names)


def source_file(directory: Path, settings: Settings) -> SourceFile:
    """Return where the sources are kept that were declared for a directory."""
    remembered = Remembered(state_directory(settings))
    return SourceFile(remembered.sources_file(get_directory(directory)))


def settings_of(state: str | None) -> Settings:
    """Return the settings of a command that takes the state directory only."""
    return load_settings({"state_dir": state}).settings


__all__ = ["build_workspace", "scan_settings", "settings_of", "source_file"]
