"""The pinned MCP tools, offered and called as a turn's model has them."""

from typing import Final

import mcp_types

from driftpin.chat.attachments import Attachment
from driftpin.chat.mcp_tools import ToolListing
from driftpin.chat.messages import ToolCallPart
from driftpin.chat.tools import ToolDefinition, ToolResult
from driftpin.gateway.visitor import Visitor
from driftpin.operations.permit_tool_call import permit_tool_call
from driftpin.runner.agent_tools import McpTools
from driftpin.runner.toolbox import Toolbox
from driftpin.store.store import Store

CODE_FIELD: Final = "driftpin/code"
IMAGES: Final = "image/"


def tool_of(definition: ToolDefinition, listing: ToolListing) -> mcp_types.Tool:
    """Return how a tool is listed: cleaned as for a model, since a model will read it."""
    hints = dict(listing.hints)
    return mcp_types.Tool(
        name=definition.name,
        title=listing.title,
        description=definition.description,
        input_schema=definition.parameters,
        output_schema=listing.output_schema,
        annotations=mcp_types.ToolAnnotations.model_validate(hints) if hints else None,
    )


async def call_pinned_tool(
    store: Store, visitor: Visitor, tools: McpTools, call: ToolCallPart
) -> ToolResult:
    """Have one of the tools called, once, with every check that a call of a turn has.

    Raises what the caller may not do; whatever else fails is the call's result.
    """
    await permit_tool_call(store, visitor.actor, visitor.chat_id, call.name)
    return await Toolbox([tools]).carry_out(call)


def result_of(result: ToolResult, listing: ToolListing) -> mcp_types.CallToolResult:
    """Return a result as the protocol writes it; the stable code of a failure is beside it.

    A tool that says what its results look like may not succeed without one of that look, so a
    result whose structured content was left out is an error that says what it can in words.
    """
    text = mcp_types.TextContent(type="text", text=result.content)
    structured = result.structured if isinstance(result.structured, dict) else None
    is_lacking = structured is None and listing.output_schema is not None
    return mcp_types.CallToolResult(
        content=[text, *(_block_of(each) for each in result.attachments)],
        structured_content=structured,
        is_error=result.is_error or is_lacking,
        _meta={CODE_FIELD: result.code} if result.code else None,
    )


def _block_of(attachment: Attachment) -> mcp_types.ContentBlock:
    media_type, content = attachment.media_type, attachment.content
    if media_type.startswith(IMAGES):
        return mcp_types.ImageContent(type="image", data=content, mime_type=media_type)
    return mcp_types.EmbeddedResource(
        type="resource",
        resource=mcp_types.BlobResourceContents(
            uri=f"data:{media_type}", mime_type=media_type, blob=content
        ),
    )


__all__ = ["call_pinned_tool", "result_of", "tool_of"]
