"""The tools of a chat that its workspace's agent carries out: those of MCP servers, and its files.

What is offered comes out of the pin alone, whether the agent is there or not. A call goes over the
agent's link from whichever replica the turn runs on; an agent or a server that is away is an error
of the tool, never the end of a turn. No transaction is open meanwhile.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from driftpin import limits
from driftpin.chat.attachments import Attachment
from driftpin.chat.mcp_tools import McpTool, mcp_tools
from driftpin.chat.messages import ToolCallPart
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.skill_tools import TOOLS
from driftpin.chat.tools import OnProgress, ToolDefinition, ToolResult
from driftpin.chat.workspace_tools import CALLS, WORKSPACE_TOOLS
from driftpin.context.schema_rules import check_arguments
from driftpin.context.tool_check import MCP_CALL, ChangePolicy, Verdict
from driftpin.errors import DriftpinError, Malformed, NotFound, Rejected, Unavailable
from driftpin.identity import WORKER, Actor, AgentId, ChatId, Digest
from driftpin.operations.record_tool_verdict import record_tool_verdict
from driftpin.runner.pins import CONTEXTS_KEPT
from driftpin.runner.toolbox import ToolSource
from driftpin.store.store import Store
from driftpin.store.values import PinnedRead

WARNING: Final = "[warning: this tool is not the one that the chat is pinned to any more]"
# No MCP tool may take the name of one of ours.
OWN_NAMES: Final = frozenset(tool.name for tool in (*TOOLS, *WORKSPACE_TOOLS))
_VERDICTS: Final = frozenset(verdict.value for verdict in Verdict) - {Verdict.SAME.value}


class AgentCaller(Protocol):
    """Whoever can ask agents, wherever their links are."""

    async def call(
        self,
        actor: Actor,
        agent_id: AgentId,
        method: str,
        params: Mapping[str, Any],
        *,
        about: Mapping[str, str],
        on_progress: OnProgress | None = None,
    ) -> Any:
        """Return what the agent answers; `about` is for the audit. Raises a DriftpinError."""


@dataclass(frozen=True, slots=True)
class ToolRules:
    """What whoever runs the server decided about calls of MCP tools."""

    changes: ChangePolicy = ChangePolicy.REFUSE
    timeout_s: float = limits.MCP_CALL_TIMEOUT_S


class ChatAgent:
    """The agent of one chat, as the read of a pin names it."""

    def __init__(
        self, caller: AgentCaller, pin: PinnedRead, on_progress: OnProgress | None = None
    ) -> None:
        """Ask the agent that this pin is bound to; `on_progress` hears how far calls have come."""
        self._caller = caller
        self._pin = pin
        self._on_progress = on_progress

    @property
    def is_followed(self) -> bool:
        """Whether anybody wants to hear how far calls have come."""
        return self._on_progress is not None

    async def ask(self, method: str, params: Mapping[str, Any], tool: str) -> dict[str, Any]:
        """Return the agent's answer; raises a DriftpinError."""
        agent_id = self._pin.agent_id
        if agent_id is None:
            raise Unavailable("No agent serves this chat's workspace.", code="agent_offline")
        about = {"chat": self._pin.chat.id, "tool": tool}
        try:
            answer = await self._caller.call(
                WORKER, agent_id, method, params, about=about, on_progress=self._on_progress
            )
        except NotFound as refusal:
            # An agent that was deleted is not there, as one that is away; a tool's own is told.
            if refusal.code != NotFound.default_code:
                raise
            raise Unavailable("The agent of this chat is gone.", code="agent_gone") from None
        if not isinstance(answer, dict):
            raise Unavailable("The agent's answer cannot be read.", code="bad_answer")
        return answer


class McpTools:
    """The tools of the MCP servers in a pin."""

    def __init__(
        self,
        store: Store,
        agent: ChatAgent,
        pin: PinnedRead,
        tools: tuple[McpTool, ...],
        rules: ToolRules,
    ) -> None:
        """Offer exactly these, and call them through `agent`."""
        self._store = store
        self._agent = agent
        self._pin = pin
        self._tools = {tool.offered.name: tool for tool in tools}
        self._rules = rules
        self.tools = tools
        self.definitions: tuple[ToolDefinition, ...] = tuple(tool.offered for tool in tools)

    async def call(self, call: ToolCallPart, arguments: Mapping[str, object]) -> ToolResult:
        """Check the arguments against the pinned schema, and have the agent call the tool once."""
        tool = self._tools[call.name]
        params = await asyncio.to_thread(self._params, tool, call.call_id, arguments)
        try:
            answer = await self._agent.ask(MCP_CALL, params, call.name)
        except DriftpinError as refusal:
            await self._note(tool, refusal.code)
            raise
        verdict = str(answer.get("verdict"))
        await self._note(tool, verdict)
        return _result(answer, "" if verdict == Verdict.SAME else verdict, self._rules.changes)

    def _params(
        self, tool: McpTool, call_id: str, arguments: Mapping[str, object]
    ) -> dict[str, Any]:
        written = _written(arguments)
        fault = check_arguments(tool.schema, json.loads(written))
        if fault is not None:
            raise Rejected(
                f"The arguments break the tool's schema at {fault or '/'!r}.",
                code="invalid_arguments",
                pointer=fault,
            )
        pinned = tool.pinned
        return {
            "source": tool.source,
            "tool": tool.name,
            "server_digest": pinned.server,
            "tool_digest": pinned.tool,
            "meaning_digest": pinned.meaning,
            "policy": self._rules.changes.value,
            "timeout_s": self._rules.timeout_s,
            "arguments": written,
            "call": name_of_call(self._pin.chat.id, call_id),
            "progress": self._agent.is_followed,
        }

    async def _note(self, tool: McpTool, code: str) -> None:
        """Write down whatever the comparison with the pin found but that all is the same."""
        if code in _VERDICTS:
            await record_tool_verdict(
                self._store,
                WORKER,
                self._pin.chat.id,
                tool=f"{tool.source}/{tool.name}",
                verdict=code,
                policy=self._rules.changes.value,
            )


class WorkspaceTools:
    """The tools that look into the workspace as it is now."""

    definitions = WORKSPACE_TOOLS

    def __init__(self, agent: ChatAgent) -> None:
        """Look through `agent`."""
        self._agent = agent

    async def call(self, call: ToolCallPart, arguments: Mapping[str, object]) -> ToolResult:
        """Have the agent read, list or search."""
        params = json.loads(_written(arguments))
        answer = await self._agent.ask(CALLS[call.name], params, call.name)
        return _result(answer, "", ChangePolicy.REFUSE)


class AgentTools:
    """Makes the sources of the tools that a chat's agent carries out, out of one read of a pin."""

    def __init__(self, store: Store, caller: AgentCaller, rules: ToolRules | None = None) -> None:
        """Ask agents through `caller`; the newest few catalogues are kept, which never change."""
        self._store = store
        self._caller = caller
        self._rules = rules or ToolRules()
        self._kept: OrderedDict[Digest, tuple[McpTool, ...]] = OrderedDict()

    def sources(self, pin: PinnedRead, context: PinnedContext | None) -> tuple[ToolSource, ...]:
        """Return the sources; the files of a workspace are offered where an agent serves it."""
        pinned = self.pinned(pin, context)
        if pin.agent_id is None:
            return (pinned,)
        return (pinned, WorkspaceTools(ChatAgent(self._caller, pin)))

    def pinned(
        self,
        pin: PinnedRead,
        context: PinnedContext | None,
        on_progress: OnProgress | None = None,
    ) -> McpTools:
        """Return the tools of MCP servers alone."""
        tools = () if context is None else self._tools_of(context)
        agent = ChatAgent(self._caller, pin, on_progress)
        return McpTools(self._store, agent, pin, tools, self._rules)

    def _tools_of(self, context: PinnedContext) -> tuple[McpTool, ...]:
        if context.snapshot not in self._kept:
            self._kept[context.snapshot] = mcp_tools(context, reserved=OWN_NAMES)
        self._kept.move_to_end(context.snapshot)
        while len(self._kept) > CONTEXTS_KEPT:
            self._kept.popitem(last=False)
        return self._kept[context.snapshot]


def name_of_call(chat_id: ChatId, call_id: str) -> str:
    """Return by what an agent knows a call while it is under way."""
    return f"{chat_id}/{call_id}"


def _written(arguments: Mapping[str, object]) -> str:
    try:
        return json.dumps(dict(arguments), allow_nan=False)
    except (ValueError, RecursionError):
        raise Malformed("The arguments hold a number that is none.", code="bad_arguments") from None


def _result(answer: Mapping[str, Any], code: str, policy: ChangePolicy) -> ToolResult:
    """Return the answer for the model; what is wrong with the tool comes before what is cut."""
    is_changed = code not in ("", Verdict.NOTATION)
    text = str(answer.get("text", ""))
    if is_changed and policy is ChangePolicy.WARN:
        text = f"{WARNING}\n{text}"
    is_error = answer.get("is_error") is True
    told = code or ("tool_error" if is_error else "truncated" if answer.get("is_cut") else "")
    attachments = tuple(
        Attachment(str(each["media_type"]), str(each["content"]))
        for each in answer.get("attachments", ())
    )
    structured = answer.get("structured")
    return ToolResult(
        text,
        is_error=is_error,
        code=told,
        attachments=attachments,
        structured=json.loads(structured) if isinstance(structured, str) else None,
    )


__all__ = [
    "AgentCaller",
    "AgentTools",
    "ChatAgent",
    "McpTools",
    "ToolRules",
    "WorkspaceTools",
    "name_of_call",
]
