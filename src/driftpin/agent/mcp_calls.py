"""A call of a pinned MCP tool, checked against the live server at the moment it is made.

The server of driftpin says what the pin says of the tool; here the live server is asked what it
offers now. What differs is decided by the policy that came with the call, and told either way. The
call is made once. A failure has a code of its own; after one that came too late to know what the
tool did, the text says so.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from driftpin import limits
from driftpin.agent.mcp_egress import TOO_LARGE
from driftpin.agent.mcp_engine import McpEngine
from driftpin.agent.mcp_keeper import ServerKeeper
from driftpin.agent.mcp_results import ToolAnswer, read_answer
from driftpin.agent.mcp_session import OnProgress, ServerFailure
from driftpin.context.manifest import Json
from driftpin.context.tool_check import (
    MCP_PROGRESS,
    ChangePolicy,
    PinnedIdentity,
    Verdict,
    compare_with_pin,
)
from driftpin.errors import Conflict, DriftpinError, Malformed, NotFound, Unavailable
from driftpin.identity import Digest

Teller = Callable[[str, Mapping[str, Any]], Awaitable[None]]

NOT_KNOWN: Final = "It is not known what the tool did."
_REFUSALS: Final[Mapping[Verdict, str]] = {
    Verdict.CHANGED: "The tool is not the one that this chat is pinned to any more.",
    Verdict.SERVER_CHANGED: "The server is not the one that this chat is pinned to any more.",
    Verdict.GONE: "The server does not offer this tool any more.",
}


@dataclass(frozen=True, slots=True)
class AskedCall:
    """One call as it came over the link."""

    source: str
    name: str
    pinned: PinnedIdentity
    policy: ChangePolicy
    timeout_s: float
    arguments: dict[str, Any]
    # By what it can be ended; and whether anybody wants to hear how far it has come.
    call: str = ""
    is_followed: bool = False


async def call_pinned_tool(
    engine: McpEngine, asked: AskedCall, tell: Teller | None = None
) -> dict[str, Json]:
    """Return the answer with the verdict of the comparison; `tell` hears how far it has come.

    Raises Conflict or NotFound with the verdict's code for a tool that may not be called, and
    Unavailable for a server that did not answer.
    """
    keeper = engine.keeper_of(asked.source)
    try:
        verdict, answer = await _within_time(keeper, asked, tell)
    except ServerFailure as failure:
        raise Unavailable(
            f"The MCP server went away in the middle of it. {NOT_KNOWN}", code=failure.reason
        ) from None
    return {"verdict": verdict.value, **answer.to_json()}


async def _within_time(
    keeper: ServerKeeper, asked: AskedCall, tell: Teller | None
) -> tuple[Verdict, ToolAnswer]:
    now_s = asyncio.get_running_loop().time
    ends_s = now_s() + limits.MCP_CALL_LONGEST_S
    try:
        async with asyncio.timeout(asked.timeout_s) as patience:
            follower = _Follower(keeper, asked, tell)

            async def on_progress(done: float, total: float | None, text: str | None) -> None:
                patience.reschedule(min(now_s() + asked.timeout_s, ends_s))
                await follower.hear(done, total, text)

            verdict = await _check(keeper, asked)
            answer = await _call(keeper, asked, on_progress=on_progress)
    except TimeoutError:
        await keeper.end_if_silent()
        raise Unavailable(
            f"The MCP server did not answer within {asked.timeout_s:g} s. {NOT_KNOWN}",
            code="mcp_timeout",
        ) from None
    return verdict, answer


@dataclass(slots=True)
class _Follower:
    """Tells of progress, and no more often than somebody can look."""

    keeper: ServerKeeper
    asked: AskedCall
    tell: Teller | None
    _told_at_s: float = -limits.MCP_PROGRESS_GAP_S

    async def hear(self, done: float, total: float | None, text: str | None) -> None:
        now_s = asyncio.get_running_loop().time()
        is_soon = now_s - self._told_at_s < limits.MCP_PROGRESS_GAP_S
        if self.tell is None or not self.asked.is_followed or is_soon:
            return
        self._told_at_s = now_s
        shown = None if text is None else self.keeper.clean(text)
        if shown is not None:
            shown = shown[: limits.MCP_PROGRESS_CHARACTERS_MAX]
        await self.tell(
            MCP_PROGRESS,
            {"call": self.asked.call, "progress": done, "total": total, "message": shown},
        )


async def _check(keeper: ServerKeeper, asked: AskedCall) -> Verdict:
    live = await _translated(keeper, keeper.find_tool(asked.name))
    verdict = compare_with_pin(asked.pinned, keeper.identity, live)
    if verdict is not Verdict.SAME:
        keeper.look_again()
    if verdict.is_passed_by(asked.policy):
        return verdict
    kind = NotFound if verdict is Verdict.GONE else Conflict
    raise kind(_REFUSALS[verdict], code=verdict.value)


async def _call(keeper: ServerKeeper, asked: AskedCall, *, on_progress: OnProgress) -> ToolAnswer:
    calling = keeper.call(asked.name, asked.arguments, on_progress=on_progress)
    return read_answer(await _translated(keeper, calling))


async def _translated(keeper: ServerKeeper, asking: Any) -> Any:
    """Return what the SDK returns; raise what it raises as one of our refusals."""
    from mcp.shared.exceptions import MCPError

    try:
        return await asking
    except MCPError as error:
        raise _refusal(error, keeper) from None
    except (ValueError, RuntimeError) as error:
        # The SDK's words for an answer of another shape than was agreed.
        raise Unavailable(
            f"The MCP server's answer cannot be read ({type(error).__name__}). {NOT_KNOWN}",
            code="bad_mcp_reply",
        ) from None


def _refusal(error: Any, keeper: ServerKeeper) -> DriftpinError:
    import mcp_types

    said = keeper.clean(error.message)
    match error.code:
        case mcp_types.REQUEST_TIMEOUT:
            return Unavailable(f"The MCP server did not answer. {NOT_KNOWN}", code="mcp_timeout")
        case mcp_types.PARSE_ERROR:
            is_large = TOO_LARGE in error.message
            code = "result_too_large" if is_large else "bad_mcp_reply"
            return Unavailable(f"The answer cannot be read: {said}. {NOT_KNOWN}", code=code)
        case _:
            return Unavailable(f"The MCP server refuses: {said}", code="mcp_error")


def read_asked_call(params: Mapping[str, Any]) -> AskedCall:
    """Return the call that the parameters describe; raises Malformed."""
    try:
        arguments = json.loads(str(params["arguments"]))
        timeout_s = float(params["timeout_s"])
        call = AskedCall(
            source=str(params["source"]),
            name=str(params["tool"]),
            pinned=PinnedIdentity(
                Digest(str(params["server_digest"])),
                Digest(str(params["tool_digest"])),
                Digest(str(params["meaning_digest"])),
            ),
            policy=ChangePolicy(str(params["policy"])),
            timeout_s=min(timeout_s, limits.MCP_CALL_LONGEST_S),
            arguments=arguments,
            call=str(params.get("call", "")),
            is_followed=params.get("progress") is True,
        )
    except (KeyError, ValueError) as error:
        raise Malformed("This is no call of a tool.") from error
    if not isinstance(arguments, dict) or not timeout_s > 0:
        raise Malformed("This is no call of a tool.")
    return call


__all__ = ["AskedCall", "call_pinned_tool", "read_asked_call"]
