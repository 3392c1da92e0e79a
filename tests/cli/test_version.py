"""`--version` costs next to nothing: the interpreter and one small package."""

import subprocess
import sys

import pytest

from driftpin import __version__


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_version_imports_nothing_heavy(arguments: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "driftpin", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout == f"driftpin {__version__}\n"
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    before = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "__hello__"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    bare = {line.rpartition("|")[2].strip() for line in before.stderr.splitlines()}
    assert imported - bare <= {"driftpin", "driftpin.__main__"}


def test_help_lists_every_command_without_importing_a_server() -> None:
    source = (
        "import sys\nfrom driftpin.cli.app import build_app\nimport typer.main\n"
        "print(*sorted(typer.main.get_command(build_app()).commands))\n"
        "heavy = {'sqlalchemy', 'fastapi', 'uvicorn', 'httpx2', 'pydantic', 'asyncio'}\n"
        "sys.exit(bool(heavy & set(sys.modules)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0
    assert set(ended.stdout.split()) == {
        *("up", "serve", "agent", "scan", "explain", "sources", "resync", "ready", "login"),
        *("chat", "status", "show", "diff", "refresh", "rollback", "rebind", "history"),
        *(
            "receipt",
            "receipts",
            "export",
            "fsck",
            "config",
            "demo",
            "version",
            "approvals",
            "sync",
        ),
        *("holds", "release", "policies", "used-by", "lock", "verify", "mcp"),
        *("backup", "restore", "doctor", "password", "login-link", "usage", "review"),
    }
