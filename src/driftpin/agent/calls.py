"""What the agent answers, over the local socket and over the link."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftpin.agent.link import CallHandler
from driftpin.agent.local_protocol import LocalCall
from driftpin.agent.local_socket import LocalHandler
from driftpin.agent.mcp_calls import Teller, call_pinned_tool, read_asked_call
from driftpin.agent.mcp_servers import McpServers
from driftpin.agent.names import shown_name
from driftpin.agent.passes import Passes, WorkspaceState
from driftpin.agent.push import Pusher
from driftpin.agent.readiness import Readiness
from driftpin.agent.report import scan_to_json
from driftpin.agent.sources import SourceFile
from driftpin.agent.under_way import UnderWay
from driftpin.agent.workspace import Workspace
from driftpin.agent.workspace_files import WorkspaceFiles
from driftpin.chat.workspace_tools import LIST_FILES, READ_FILES, SEARCH_FILES
from driftpin.context.manifest import Json
from driftpin.context.tool_check import MCP_CALL, MCP_CANCEL
from driftpin.errors import Malformed, Unavailable
from driftpin.failpoints import Failpoint, Reach, pass_by

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentCalls:
    """The calls of one agent; none of them approves or refreshes anything."""

    directory: Path
    workspace: Workspace
    source_file: SourceFile
    passes: Passes
    pusher: Pusher
    readiness: Readiness
    is_linked: Callable[[], bool]
    stop_agent: Callable[[], None]
    files: WorkspaceFiles
    servers: McpServers | None = None
    reach: Reach = pass_by
    tell: Teller | None = None
    under_way: UnderWay = field(default_factory=UnderWay)

    def local(self) -> dict[LocalCall, LocalHandler]:
        """Return the handlers of the local socket."""
        return {
            LocalCall.STATUS: self.status,
            LocalCall.SCAN: self.scan,
            LocalCall.RESYNC: self.resync,
            LocalCall.READY: self.ready,
            LocalCall.SOURCES_LIST: self.list_sources,
            LocalCall.SOURCES_ADD: self.add_source,
            LocalCall.SOURCES_REMOVE: self.remove_source,
            LocalCall.EXPLAIN: self.explain,
        }

    def linked(self) -> dict[str, CallHandler]:
        """Return the handlers of the link."""
        return {
            "ping": self.ping,
            "resync": self.resync,
            "resume": self.resume,
            "stop": self.stop,
            "mcp.approved": self.learn_approvals,
            MCP_CALL: self.call_tool,
            MCP_CANCEL: self.end_call,
            READ_FILES: self.files.read,
            LIST_FILES: self.files.list,
            SEARCH_FILES: self.files.search,
        }

    async def status(self, _arguments: Arguments) -> Json:
        """Tell how the agent does."""
        agent, head, last = self.pusher.agent, self.pusher.head, self.passes.last
        return {
            "directory": shown_name(str(self.directory)),
            "process_id": os.getpid(),
            "agent_id": agent.agent_id if agent else None,
            "workspace_id": agent.workspace_id if agent else None,
            "incarnation": agent.incarnation if agent else None,
            "head": head.digest if head else None,
            "snapshot": last.snapshot.digest if last else None,
            "passes": last.pass_number if last else 0,
            "ready": self.readiness.state.value if self.readiness.state else None,
            "is_linked": self.is_linked(),
            "degraded": self.passes.watcher.degraded,
            "failure": self.pusher.failure,
            "is_sync_paused": self.pusher.is_sync_paused,
        }

    async def scan(self, arguments: Arguments) -> Json:
        """Return the last pass; with `fresh` one that began after the call."""
        state = await (self._fresh() if arguments.get("fresh") is True else self._last())
        return scan_to_json(state.snapshot, state.observations)

    async def resync(self, _arguments: Arguments) -> Json:
        """Return after a pass that began after the call, and whose push was accepted."""
        pass_number = self.passes.ask()
        await self.passes.seen.wait(pass_number)
        delivered = await self.pusher.delivered.wait(pass_number)
        head = delivered.head
        return {
            "result": delivered.result,
            "head": {"digest": head.digest, "incarnation": head.incarnation, "seq": head.seq},
        }

    async def ready(self, _arguments: Arguments) -> Json:
        """The workspace is set up; let what is there be pushed."""
        self.readiness.say_ready()
        return {"ready": True}

    async def list_sources(self, _arguments: Arguments) -> Json:
        """Return the declared sources, in their order of precedence."""
        declared = await asyncio.to_thread(self.source_file.list)
        return [{"name": source.label, "path": str(source.path)} for source in declared]

    async def add_source(self, arguments: Arguments) -> Json:
        """Declare a source; it counts from the pass on that begins now."""
        name, path = text_of(arguments, "name"), path_of(arguments, "path")
        added = await asyncio.to_thread(self.source_file.add, name, path)
        await self.reach(Failpoint.AGENT_STATE_SAVED)
        self.passes.ask()
        return {"name": added.label, "path": str(added.path)}

    async def remove_source(self, arguments: Arguments) -> Json:
        """Take a source back; it is gone from the pass on that begins now."""
        name = text_of(arguments, "name")
        await asyncio.to_thread(self.source_file.remove, name)
        await self.reach(Failpoint.AGENT_STATE_SAVED)
        self.passes.ask()
        return {"name": name}

    async def explain(self, arguments: Arguments) -> Json:
        """Tell why a path is, or is not, in the context."""
        path = path_of(arguments, "path")
        await self._last()
        explained = await asyncio.to_thread(self.workspace.explain, path)
        return {
            "path": explained.path,
            "rule": explained.rule.value,
            "text": explained.text,
            "is_in_context": explained.is_in_context,
            "source": explained.source,
            "status": explained.status.value if explained.status else None,
            "reason": explained.reason,
            "detail": explained.detail,
        }

    async def ping(self, _arguments: Arguments) -> Json:
        """Answer at once."""
        return {}

    async def resume(self, _arguments: Arguments) -> Json:
        """Pushes are taken again: send what waits."""
        self.pusher.try_again_soon()
        return {}

    async def learn_approvals(self, _arguments: Arguments) -> Json:
        """What MCP servers may run has changed: return once the agent has asked for it."""
        if self.servers is not None:
            await self.servers.learn()
        return {}

    async def call_tool(self, arguments: Arguments) -> Json:
        """Call a pinned tool of an MCP server, once."""
        if self.servers is None:
            raise Unavailable("This agent runs no MCP servers.", code="mcp_server_not_ready")
        asked = read_asked_call(arguments)
        calling = call_pinned_tool(self.servers.engine, asked, self.tell)
        return await self.under_way.run(asked.call, calling)

    async def end_call(self, arguments: Arguments) -> Json:
        """End a call of a tool that is under way, for whoever asked for it."""
        return {"was_under_way": self.under_way.end(text_of(arguments, "call"))}

    async def stop(self, _arguments: Arguments) -> Json:
        """End the agent."""
        self.stop_agent()
        return {}

    async def _fresh(self) -> WorkspaceState:
        return await self.passes.seen.wait(self.passes.ask())

    async def _last(self) -> WorkspaceState:
        return self.passes.last or await self.passes.seen.wait(1)


def text_of(arguments: Arguments, name: str) -> str:
    """Return a text among a call's arguments; raise Malformed if it is not one."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise Malformed(f"expected a text {name!r}")
    return value


def path_of(arguments: Arguments, name: str) -> Path:
    """Return an absolute path among a call's arguments; raise Malformed if it is not one."""
    path = Path(text_of(arguments, name))
    if not path.is_absolute():
        raise Malformed(f"expected an absolute path {name!r}")
    return path


__all__ = ["AgentCalls", "path_of", "text_of"]
