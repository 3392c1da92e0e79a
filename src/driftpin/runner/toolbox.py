"""The tools of one request, from every source that a chat has, and how a call finds its own.

A toolbox is made of one read of the pin and thrown away with it, so that what a model may call is
what it was offered. A failing call is a result for the model, never the end of a turn.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from driftpin.chat.messages import ToolCallPart, parse_arguments
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.skill_tools import TOOLS, blobs_for_call, call_skill_tool
from driftpin.chat.tools import ToolDefinition, ToolResult, sorted_tools
from driftpin.errors import DriftpinError, StorageTrouble
from driftpin.runner.pins import PinReader
from driftpin.store.values import PinnedRead


class ToolSource(Protocol):
    """Tools of one kind."""

    @property
    def definitions(self) -> tuple[ToolDefinition, ...]:
        """The tools as they are offered; their names are this source's alone."""

    async def call(self, call: ToolCallPart, arguments: Mapping[str, object]) -> ToolResult:
        """Carry out a call of one of them; a refusal (DriftpinError) becomes its result."""


class Toolbox:
    """What one request offers."""

    def __init__(self, sources: Sequence[ToolSource]) -> None:
        """Offer the tools of these sources; where two have one name, the first has it."""
        self._sources: dict[str, ToolSource] = {}
        definitions: list[ToolDefinition] = []
        for source in sources:
            for tool in source.definitions:
                if tool.name not in self._sources:
                    self._sources[tool.name] = source
                    definitions.append(tool)
        self.definitions = sorted_tools(definitions)

    async def carry_out(self, call: ToolCallPart) -> ToolResult:
        """Return what the call gave, or why it gave nothing.

        Trouble with the storage is none of the call's: it is raised (StorageTrouble).
        """
        source = self._sources.get(call.name)
        if source is None:
            return ToolResult(f"There is no tool {call.name!r}.", is_error=True, code="no_tool")
        try:
            return await source.call(call, parse_arguments(call))
        except StorageTrouble:
            raise
        except DriftpinError as refusal:
            return ToolResult(refusal.message, is_error=True, code=refusal.code)


class SkillTools:
    """The tools that read skills out of the pin."""

    definitions = TOOLS

    def __init__(self, pins: PinReader, pin: PinnedRead, context: PinnedContext | None) -> None:
        """Read from this pin; bodies that are needed are fetched through `pins`."""
        self._pins = pins
        self._pin = pin
        self._context = context

    async def call(self, call: ToolCallPart, arguments: Mapping[str, object]) -> ToolResult:
        """Carry out `read_skill` or `read_skill_file`."""
        context = self._context
        if context is not None:
            needed = blobs_for_call(context, call.name, arguments)
            context = await self._pins.with_bodies(self._pin, context, needed)
        return call_skill_tool(context, call.name, arguments)


__all__ = ["SkillTools", "ToolSource", "Toolbox"]
