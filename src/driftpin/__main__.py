"""The command `driftpin`. The version is told before anything else is imported."""

import sys

from driftpin import __version__


def main() -> None:
    """Run the command line and end the process with its exit code."""
    if sys.argv[1:] in (["--version"], ["version"]):
        sys.stdout.write(f"driftpin {__version__}\n")
        return
    from driftpin.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

__all__ = ["main"]
