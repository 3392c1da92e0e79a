"""Every door that somebody could come through, found by looking at the code itself."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from fastapi.routing import APIRoute, iter_route_contexts
from reference import described_services
from starlette.routing import Route, WebSocketRoute

import driftpin.operations
from agent_runtime.running import no_link
from agent_runtime.world import RuleKeepingServer
from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.server.app import build_app
from driftpin.store.store import Store
from seams.access_table_routes import CALLERS
from seams.access_world import Caller

HERE = Path(__file__).parent
SOCKET = "WS"


def store_methods() -> frozenset[str]:
    """Return the public methods of the store."""
    return frozenset(
        f"Store.{name}"
        for name, _ in inspect.getmembers(Store, inspect.isfunction)
        if not name.startswith("_")
    )


def operations() -> frozenset[str]:
    """Return the operations; each must ask who acts before anything else."""
    found = set()
    for module in pkgutil.iter_modules(driftpin.operations.__path__):
        loaded = importlib.import_module(f"driftpin.operations.{module.name}")
        for name in loaded.__all__:
            parameters = _parameters(getattr(loaded, name))
            if parameters[:1] == ["store"]:
                assert parameters[1] == "actor", f"{name} does not ask who acts"
                found.add(name)
    return frozenset(found)


def routes() -> frozenset[str]:
    """Return the routes of the application as `METHOD /path`, sockets under `WS`."""
    contexts = iter_route_contexts(build_app(described_services()).routes)
    return frozenset(name for each in contexts for name in _names_of(each.original_route))


def _names_of(route: object) -> Iterator[str]:
    if isinstance(route, WebSocketRoute):
        yield f"{SOCKET} {route.path}"
    else:
        assert isinstance(route, APIRoute | Route), f"{route!r} is a kind of door unheard of"
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield f"{method} {route.path}"


def link_calls() -> frozenset[str]:
    """Return what an agent's dispatcher answers over its link."""
    return frozenset(_resting_agent().calls.linked())


def local_calls() -> frozenset[str]:
    """Return what it answers over its local socket."""
    return frozenset(call.value for call in _resting_agent().calls.local())


def _resting_agent() -> WorkspaceAgent:
    """Return an agent that is put together and never started."""
    settings = AgentSettings(directory=HERE, sources_path=HERE / "no-sources.json")
    return WorkspaceAgent(settings, RuleKeepingServer(), no_link, environment={})


def every_attempt() -> frozenset[tuple[str, str]]:
    """Return every pair of a door and a caller that must be tried in a whole session."""
    inner = store_methods() | operations()
    links = {f"link {name}" for name in link_calls()}
    sockets = {f"local {name}" for name in local_calls()}
    return frozenset(
        {(name, caller) for name in inner for caller in Caller}
        | {(name, caller) for name in routes() | links | sockets for caller in CALLERS}
    )


def _parameters(member: object) -> list[str]:
    return list(inspect.signature(member).parameters) if inspect.isfunction(member) else []


__all__ = [
    "SOCKET",
    "every_attempt",
    "link_calls",
    "local_calls",
    "operations",
    "routes",
    "store_methods",
]
