"""driftpin's requests in the words of pydantic-ai. Imported only once a provider is asked."""

import base64
from collections.abc import Iterator

from pydantic_ai import messages as library
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition as LibraryTool

from driftpin.chat.messages import Message, Role, TextPart, ToolCallPart, ToolResultPart
from driftpin.models.port import ModelRequest


def library_messages(request: ModelRequest) -> list[library.ModelMessage]:
    """Return the history; volatile text follows it, with a cache mark in between."""
    history: list[library.ModelMessage] = []
    for message in request.messages:
        if message.role is Role.ASSISTANT:
            # An interrupted answer may be empty, which providers refuse to be sent.
            if spoken := list(_spoken(message)):
                history.append(library.ModelResponse(parts=spoken))
        else:
            _asked(history).extend(_heard(message))
    if request.volatile:
        _asked(history).append(library.UserPromptPart([library.CachePoint(), request.volatile]))
    return history


def library_parameters(request: ModelRequest) -> ModelRequestParameters:
    """Return the tools in their order, and the prompt as the instruction that stands first."""
    return ModelRequestParameters(
        function_tools=[
            LibraryTool(
                name=tool.name,
                description=tool.description,
                parameters_json_schema={**tool.parameters},
            )
            for tool in request.tools
        ],
        instruction_parts=[library.InstructionPart(content=request.prompt.text)],
    )


def _asked(history: list[library.ModelMessage]) -> list[library.ModelRequestPart]:
    """Return the parts of the last request, after adding one if a model spoke last."""
    last = history[-1] if history else None
    if not isinstance(last, library.ModelRequest):
        last = library.ModelRequest(parts=[])
        history.append(last)
    parts = last.parts
    assert isinstance(parts, list)
    return parts


def _heard(message: Message) -> Iterator[library.ModelRequestPart]:
    for part in message.parts:
        match part:
            case TextPart(text=text):
                yield library.UserPromptPart(text)
            case ToolResultPart():
                yield library.ToolReturnPart(
                    part.name,
                    _content(part),
                    part.call_id,
                    outcome="failed" if part.is_error else "success",
                )
            case ToolCallPart():
                raise AssertionError("only a model calls tools")


def _content(part: ToolResultPart) -> library.ToolReturnContent:
    """Return the words, with the files behind them; the library hands on what a provider takes."""
    if not part.attachments:
        return part.content
    files = [
        library.BinaryContent(base64.b64decode(each.content), media_type=each.media_type)
        for each in part.attachments
    ]
    return [part.content, *files]


def _spoken(message: Message) -> Iterator[library.ModelResponsePart]:
    for part in message.parts:
        match part:
            case TextPart(text=text):
                if text:
                    yield library.TextPart(text)
            case ToolCallPart(call_id=call_id, name=name, arguments=arguments):
                yield library.ToolCallPart(name, arguments or "{}", call_id)
            case ToolResultPart():
                raise AssertionError("a model does not answer its own calls")


__all__ = ["library_messages", "library_parameters"]
