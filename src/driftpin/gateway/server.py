"""The MCP server that one request is answered by: its handlers over one pin."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import mcp_types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)

from driftpin import __version__, limits
from driftpin.chat.mcp_tools import McpTool, ToolListing, listing_of
from driftpin.chat.messages import ToolCallPart
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.tools import OnProgress, ToolDefinition, sorted_tools
from driftpin.errors import Conflict, DriftpinError, Forbidden, Malformed, NotFound, Rejected
from driftpin.gateway import context_tools, files, pinned_tools, skill_prompts
from driftpin.gateway.following import following
from driftpin.gateway.paging import Item, PageCursors, page_of
from driftpin.gateway.visitor import Visitor
from driftpin.identity import AgentId, ChatId
from driftpin.runner.agent_tools import AgentTools, McpTools
from driftpin.runner.pins import PinReader
from driftpin.store.store import Store
from driftpin.store.values import PinnedRead

INSTRUCTIONS: Final = (
    "This is the context that a driftpin chat is pinned to. Resources are its instruction files and"
    " the files of its skills, prompts its skills, tools those of its MCP servers. It changes only"
    " when somebody moves the pin: context_status and context_diff tell whether the workspace has"
    " moved on."
)
# Faults of whoever asked; every other refusal is one of the moment.
OF_THE_ASKER: Final = (Conflict, Forbidden, Malformed, NotFound, Rejected)

Context = ServerRequestContext[Any, Any]
Moves = Callable[[], AsyncIterator[object]]
NameCall = Callable[[object], str]
TakeBack = Callable[[AgentId | None, ChatId, str], None]


@dataclass(frozen=True, slots=True)
class Gateway:
    """What every request of one process is answered out of."""

    store: Store
    pins: PinReader
    tools: AgentTools
    verbs: context_tools.ContextVerbs
    cursors: PageCursors
    take_back: TakeBack

    def open(self, visitor: Visitor, moves: Moves, name_call: NameCall) -> Server[Any]:
        """Return a server for one visitor.

        `moves` gives something at each move of the pin; `name_call` names the call of a request.
        """
        visit = _Visit(self, visitor, moves, name_call)
        server = _PinServer(
            "driftpin",
            version=__version__,
            instructions=INSTRUCTIONS,
            # A pinned schema is not asked which of its arguments stand in headers too.
            get_tool_input_schema=lambda _name: None,
            on_list_resources=visit.list_resources,
            on_read_resource=visit.read_resource,
            on_list_prompts=visit.list_prompts,
            on_get_prompt=visit.get_prompt,
            on_list_tools=visit.list_tools,
            on_call_tool=visit.call_tool,
            on_subscriptions_listen=visit.listen,
        )
        server.middleware.append(_translate)
        return server


class _PinServer(Server[Any]):
    """A server that says that its lists change."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        every = NotificationOptions(
            prompts_changed=True, resources_changed=True, tools_changed=True
        )
        return super().create_initialization_options(
            notification_options or every, experimental_capabilities, extensions
        )


@dataclass(frozen=True, slots=True)
class _Visit:
    """The handlers of one request."""

    gateway: Gateway
    visitor: Visitor
    moves: Moves
    name_call: NameCall

    async def list_resources(
        self, _: Context, params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListResourcesResult:
        listed = [
            files.resource_of(self.visitor, entry)
            for entry in await files.list_files(self.gateway.store, self.visitor)
        ]
        page, following = self._page(
            listed,
            lambda each: each.uri,
            "resources",
            params,
            items_max=limits.GATEWAY_RESOURCES_PER_PAGE,
        )
        return mcp_types.ListResourcesResult(resources=page, next_cursor=following)

    async def read_resource(
        self, _: Context, params: mcp_types.ReadResourceRequestParams
    ) -> mcp_types.ReadResourceResult:
        contents = await files.read_file(self.gateway.store, self.visitor, str(params.uri))
        return mcp_types.ReadResourceResult(contents=[contents])

    async def list_prompts(
        self, _: Context, params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListPromptsResult:
        _pin, context = await self._read()
        page, following = self._page(
            skill_prompts.prompts_of(context),
            lambda each: each.name,
            "prompts",
            params,
            items_max=limits.GATEWAY_PROMPTS_PER_PAGE,
        )
        return mcp_types.ListPromptsResult(prompts=page, next_cursor=following)

    async def get_prompt(
        self, _: Context, params: mcp_types.GetPromptRequestParams
    ) -> mcp_types.GetPromptResult:
        pin, context = await self._read()
        return await skill_prompts.get_prompt(
            self.gateway.pins, self.visitor, pin, context, params.name
        )

    async def list_tools(
        self, _: Context, params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        own = context_tools.definitions_for(self.visitor)
        pinned = {tool.offered.name: tool for tool in self._tools_of(*await self._read()).tools}
        offered = sorted_tools((*own, *(tool.offered for tool in pinned.values())))
        page, following = self._page(
            offered,
            lambda each: each.name,
            "tools",
            params,
            items_max=limits.GATEWAY_TOOLS_PER_PAGE,
        )
        listed = [
            pinned_tools.tool_of(each, _listing_of(each, pinned.get(each.name))) for each in page
        ]
        return mcp_types.ListToolsResult(tools=listed, next_cursor=following)

    async def call_tool(
        self, context: Context, params: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        visitor, name, arguments = self.visitor, params.name, params.arguments or {}
        own = _named(context_tools.definitions_for(visitor), name)
        if own is None:
            return await self._call_pinned(context, name, arguments)
        result = await context_tools.call_context_tool(self.gateway.verbs, visitor, own, arguments)
        return pinned_tools.result_of(result, _listing_of(own, None))

    async def _call_pinned(
        self, context: Context, name: str, arguments: Mapping[str, Any]
    ) -> mcp_types.CallToolResult:
        """Have a pinned tool called; if the client leaves meanwhile, have the call taken back."""
        pin, pinned = await self._read()
        call_id = self.name_call(context.request_id)
        async with following(context) as on_progress:
            tools = self._tools_of(pin, pinned, on_progress)
            tool = next((each for each in tools.tools if each.offered.name == name), None)
            if tool is None:
                raise NotFound("There is no such tool in this pin.", code="no_tool")
            call = ToolCallPart(call_id, name, json.dumps(dict(arguments)))
            try:
                result = await pinned_tools.call_pinned_tool(
                    self.gateway.store, self.visitor, tools, call
                )
            except asyncio.CancelledError:
                self.gateway.take_back(pin.agent_id, self.visitor.chat_id, call_id)
                raise
        return pinned_tools.result_of(result, listing_of(tool))

    async def listen(
        self, context: Context, params: mcp_types.SubscriptionsListenRequestParams
    ) -> mcp_types.SubscriptionsListenResult:
        """Tell of moves until the client leaves or may listen no more."""
        bus = InMemorySubscriptionBus()
        handler = ListenHandler(bus)
        uris = params.notifications.resource_subscriptions or ()
        watching = asyncio.create_task(self._watch(bus, handler, uris))
        try:
            return await handler(context, params)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _watch(self, bus: InMemorySubscriptionBus, handler: ListenHandler, uris: Any) -> None:
        try:
            async for _ in self.moves():
                for event in (ResourcesListChanged(), PromptsListChanged(), ToolsListChanged()):
                    await bus.publish(event)
                for uri in uris:
                    await bus.publish(ResourceUpdated(uri))
        finally:
            handler.close()

    async def _read(self) -> tuple[PinnedRead, PinnedContext | None]:
        pin = await self.gateway.store.read_pin(self.visitor.actor, self.visitor.chat_id)
        return await self.gateway.pins.with_context(pin)

    def _tools_of(
        self,
        pin: PinnedRead,
        pinned: PinnedContext | None,
        on_progress: OnProgress | None = None,
    ) -> McpTools:
        """Return the tools of the pin; none for whoever may not have them called."""
        offered = pinned if self.visitor.may_update else None
        return self.gateway.tools.pinned(pin, offered, on_progress)

    def _page(
        self,
        items: Sequence[Item],
        key_of: Callable[[Item], str],
        kind: str,
        params: mcp_types.PaginatedRequestParams | None,
        *,
        items_max: int,
    ) -> tuple[list[Item], str | None]:
        return page_of(
            items,
            key_of,
            self.gateway.cursors,
            f"mcp {kind} {self.visitor.actor.name} {self.visitor.chat_id}",
            cursor=None if params is None else params.cursor,
            items_max=items_max,
        )


def _listing_of(definition: ToolDefinition, pinned: McpTool | None) -> ToolListing:
    return context_tools.listing_of(definition) if pinned is None else listing_of(pinned)


def _named(tools: tuple[ToolDefinition, ...], name: str) -> ToolDefinition | None:
    return next((tool for tool in tools if tool.name == name), None)


async def _translate(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Make a refusal an error of the protocol, with its stable code beside it."""
    try:
        return await call_next(ctx)
    except DriftpinError as refusal:
        is_askers = isinstance(refusal, OF_THE_ASKER)
        code = mcp_types.INVALID_PARAMS if is_askers else mcp_types.INTERNAL_ERROR
        raise MCPError(code, refusal.message, {"code": refusal.code, **refusal.fields}) from None


__all__ = ["Gateway"]
