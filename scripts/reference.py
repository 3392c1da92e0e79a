"""Writes the reference pages that are generated from the code: commands, settings, API, errors.

`./scripts/docs` writes them; a test of the house fails when they are not what the code says.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from evidence_page import evidence_page
from typer.main import get_command

from driftpin import errors, limits, model_limits, review_limits
from driftpin.cli.app import build_app as build_cli
from driftpin.clock import SystemClock
from driftpin.errors import DriftpinError
from driftpin.events.event import EventKind
from driftpin.identity import RandomIds
from driftpin.server.app import build_app, compose_services
from driftpin.server.cursors import Cursors, Sealer
from driftpin.server.services import ServerOptions, Services
from driftpin.settings import ENVIRONMENT_PREFIX, Settings
from driftpin.store.database import Database
from driftpin.store.store import Store
from driftpin.wire.problem import status_of

ROOT: Final = Path(__file__).parents[1]
REFERENCE: Final = ROOT / "docs" / "reference"
MADE: Final = "<!-- written by ./scripts/docs from the code; do not edit -->\n\n"


def commands_page() -> str:
    """Return the page of commands and settings."""
    lines = ["# Commands and settings", ""]
    lines += [
        "Every command takes `--help`. Reads take `--json`.",
        "Exit codes: 0 clean, 1 drift or findings, 2 usage, 3 unreachable, 4 denied.",
        "",
        "| command | does |",
        "| --- | --- |",
    ]
    lines += [f"| `driftpin {name}` | {text} |" for name, text in sorted(_commands())]
    lines += ["", "## Settings", ""]
    lines += [
        "A setting is looked for as a flag, then in the environment, then in the config file",
        "(`driftpin/config.toml` in the user's config directory), then it is the default.",
        "`driftpin config --origin` tells where each came from.",
        "",
        "| setting | environment | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
        lines.append(f"| `{name}` | `{variable}` | {default} | {field.description or ''} |")
    return MADE + "\n".join(lines) + "\n"


def _commands() -> Iterator[tuple[str, str]]:
    root = get_command(build_cli())
    yield from _below(root, "")


def _below(command: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for name, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "commands", None):
            yield from _below(inner, f"{prefix}{name} ")
            continue
        usage = " ".join(
            name_of if parameter.required else f"[{name_of}]"
            for parameter in inner.params
            if parameter.param_type_name == "argument"
            for name_of in [parameter.metavar or parameter.name.upper()]
        )
        text = " ".join((inner.help or "").split())
        yield f"{prefix}{name} {usage}".strip(), text


def api_page() -> str:
    """Return the page of routes and events."""
    document = build_app(described_services()).openapi()
    lines = [
        "# API",
        "",
        "The server describes itself at `/api/v1/openapi.json` (OpenAPI 3.1). Send a user token as",
        "`Authorization: Bearer …`. Refusals are `application/problem+json` with a stable `code`",
        "([error codes](errors.md)). Lists are pages `{items, next}`. Ids are UUIDv7, digests are",
        "`sha256:<hex>`, instants RFC 3339 in UTC. Calls that create take an `Idempotency-Key`.",
        "",
        "| call | does |",
        "| --- | --- |",
    ]
    for path, calls in sorted(document["paths"].items()):
        for method, call in sorted(calls.items()):
            text = call.get("description") or call.get("summary") or ""
            lines.append(f"| `{method.upper()} {path}` | {_first_sentence(text)} |")
    lines += [
        "| `GET /api/v1/agent/link` | WebSocket of a workspace agent: liveness, and calls to it. |",
        "",
        "## Events",
        "",
        "`GET /api/v1/events` is a stream of server-sent events; `Last-Event-ID` resumes it",
        "without gap or repetition, and a cursor that is too old, from the future or from before a",
        "restore is answered with 410 `resync_required`. Events are hints: compare revisions and",
        "read again.",
        "",
    ]
    lines += [f"- `{kind.value}`" for kind in EventKind]
    return MADE + "\n".join(lines) + "\n"


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].rstrip(".") + "."


def described_services() -> Services:
    """Return services that are never started: routes are read from the application alone."""
    clock = SystemClock()
    store = Store(Database("sqlite:///never-opened.db", clock=clock, ids=RandomIds()))
    cursors = Cursors(Sealer(bytes(32)), clock, 1)
    return compose_services(store, clock, cursors, options=ServerOptions())


def errors_page() -> str:
    """Return the page of error codes."""
    lines = [
        "# Error codes",
        "",
        "A code is stable; the text beside it is for people and may be reworded. `stale` and its",
        "like carry what the server holds, `need_blobs` the digests it lacks, `too_large` the",
        "limit.",
        "",
        "| code | HTTP status | raised in |",
        "| --- | --- | --- |",
    ]
    for code, (status, rooms) in sorted(_codes().items()):
        lines.append(f"| `{code}` | {status} | {', '.join(sorted(rooms))} |")
    return MADE + "\n".join(lines) + "\n"


def _codes() -> dict[str, tuple[str, set[str]]]:
    found: dict[str, tuple[str, set[str]]] = {}
    for path in sorted((ROOT / "src" / "driftpin").rglob("*.py")):
        room = path.relative_to(ROOT / "src" / "driftpin").parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for code, status in _codes_at(node):
                statuses, rooms = found.get(code, ("", set()))
                found[code] = (statuses or status, rooms | {room})
    return found


def _codes_at(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "problem_response":
        match node.args[:2]:
            case [ast.Constant(value=int() as status), ast.Constant(value=str() as code)]:
                yield code, str(status)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        family = getattr(errors, node.func.id, None)
        if isinstance(family, type) and issubclass(family, DriftpinError):
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value), _status(family)
    if isinstance(node, ast.ClassDef):
        family = getattr(errors, node.name, None)
        if isinstance(family, type) and issubclass(family, DriftpinError):
            yield family.default_code, _status(family)
        else:
            yield from _own_code(node)


def _own_code(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Give the code of a family that a room defines for itself."""
    parents = [getattr(errors, getattr(parent, "id", ""), None) for parent in node.bases]
    for statement in node.body:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id="default_code")], value=ast.Constant(value=str() as code)
            ) if parents and parents[0] is not None:
                yield code, _status(parents[0])


def _status(family: type[DriftpinError]) -> str:
    status = status_of(family())
    return "" if family in (errors.UsageError, errors.Unreachable) else str(status)


def _sections_of_limits() -> list[str]:
    modules = (
        ROOT / "src" / "driftpin" / name
        for name in ("limits.py", "model_limits.py", "review_limits.py")
    )
    return [part for each in modules for part in each.read_text(encoding="utf-8").split("\n\n")]


def limits_page() -> str:
    """Return the page of every maximum, in the order and under the words of the code."""
    lines = ["# Limits", "", "Exactly at a limit is fine, one more is not."]
    values = {**vars(limits), **vars(model_limits), **vars(review_limits)}
    for section in _sections_of_limits():
        names = re.findall(r"^([A-Z][A-Z0-9_]+): Final = ", section, re.MULTILINE)
        title = re.match(r"# (.+?)[.:]?(?: \(|\n)", section)
        if not names or title is None:
            continue
        lines += ["", f"## {title.group(1).rstrip('.')}", "", "| limit | value |", "| --- | --- |"]
        lines += [f"| `{name}` | {values[name]:,} |" for name in names]
    return MADE + "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Return the page of metrics."""
    lines = [
        "# Metrics",
        "",
        "`GET /metrics` gives the figures of one process in Prometheus' text format, to an",
        "administrator's token. Counters end in `_total`, histograms in `_bucket`, `_sum` and",
        "`_count`. Labels are route templates, methods, statuses, results, codes and states; never",
        "ids, names or texts. [How to watch several servers](../how-to/several-replicas.md).",
        "",
        "| metric | kind | meaning |",
        "| --- | --- | --- |",
    ]
    for name, kind, text in described_services().metrics.described():
        lines.append(f"| `{name}` | {kind} | {text} |")
    return MADE + "\n".join(lines) + "\n"


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "metrics.md": metrics_page,
    "commands.md": commands_page,
    "api.md": api_page,
    "errors.md": errors_page,
    "limits.md": limits_page,
    "evidence.md": lambda: MADE + evidence_page(),
}


def main() -> int:
    """Write every page."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
