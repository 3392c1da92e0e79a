"""Real providers, through pydantic-ai's request interface; the turn loop stays ours.

The library and the provider's own are imported when a model is first asked, and in a thread: they
cost seconds and tens of megabytes that a server without a key never pays. Nothing of theirs leaves
this module and `provider_messages`: requests, events and errors are driftpin's own.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from driftpin import model_limits
from driftpin.chat.messages import ToolCallPart
from driftpin.chat.tokens import TokenCounts
from driftpin.errors import DriftpinError, Rejected, Unavailable
from driftpin.models.aws import AwsAccess
from driftpin.models.port import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
    Usage,
)

if TYPE_CHECKING:
    from pydantic_ai.exceptions import AgentRunError, UserError
    from pydantic_ai.messages import ModelResponse, ModelResponseStreamEvent
    from pydantic_ai.messages import ToolCallPart as LibraryCall
    from pydantic_ai.models import Model as LibraryModel
    from pydantic_ai.settings import ModelSettings as LibrarySettings


class ProviderKind(StrEnum):
    """The families of providers, as they are named before the colon."""

    ANTHROPIC = "anthropic"
    BEDROCK = "bedrock"
    OPENAI = "openai"
    GOOGLE = "google"
    OLLAMA = "ollama"


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """Where a model is and what opens it; never shown, so it has no readable form.

    `aws` is there for Bedrock alone, which has it instead of a key.
    """

    kind: ProviderKind
    model: str
    key: str
    url: str | None
    aws: AwsAccess | None = None

    def __repr__(self) -> str:
        return f"ProviderAccess({self.kind.value}:{self.model})"


class ProviderModel:
    """One model of one provider. Connections open at the first request and close with `close`."""

    def __init__(
        self,
        access: ProviderAccess,
        *,
        context_budget_tokens: int,
        retries_max: int = model_limits.MODEL_RETRIES_MAX,
    ) -> None:
        """Remember the access; nothing is imported or opened yet.

        The provider's client retries 429, 5xx and lost connections, and obeys `Retry-After`.
        """
        self._access = access
        self._budget_tokens = context_budget_tokens
        self._retries_max = retries_max
        self._opening = asyncio.Lock()
        self._opened: LibraryModel | None = None

    @property
    def name(self) -> str:
        """`provider:model`."""
        return f"{self._access.kind.value}:{self._access.model}"

    @property
    def context_budget_tokens(self) -> int:
        """How many tokens of its window the prompt's stable front may take."""
        return self._budget_tokens

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `port.Model`; words come as they arrive, calls whole and at the end."""
        model = await self._open()
        from pydantic_ai.direct import model_request_stream
        from pydantic_ai.exceptions import AgentRunError, UserError

        from driftpin.models.provider_messages import library_messages, library_parameters

        try:
            async with model_request_stream(
                model,
                library_messages(request),
                model_settings=self._settings(request),
                model_request_parameters=library_parameters(request),
                instrument=False,
            ) as answer:
                async for event in answer:
                    if words := _words_of(event):
                        yield TextDelta(words)
                response = answer.get()
        except (AgentRunError, UserError) as error:
            raise _translated(error, self.name) from error
        if _broke_off(response):
            raise _unreadable(self.name)
        for ending in _endings(response):
            yield ending

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        async with self._opening:
            opened, self._opened = self._opened, None
            if opened is not None:
                await opened.__aexit__(None, None, None)

    def _settings(self, request: ModelRequest) -> "LibrarySettings":
        """Return settings for one request; Bedrock's client got its retries when it was made."""
        settings = _library_settings(request)
        if self._access.kind is not ProviderKind.BEDROCK:
            settings["max_retries"] = self._retries_max
        return settings

    async def _open(self) -> "LibraryModel":
        async with self._opening:
            if self._opened is None:
                built = await asyncio.to_thread(self._build)
                await built.__aenter__()
                self._opened = built
            return self._opened

    def _build(self) -> "LibraryModel":
        try:
            return _library_model(self._access, self._retries_max)
        except ImportError as error:
            text = f"{self.name} needs the extra `llm`: install `driftpin[llm]`."
            raise Rejected(text, code="model_library_missing", model=self.name) from error


def _library_model(access: ProviderAccess, retries_max: int) -> "LibraryModel":
    match access.kind:
        case ProviderKind.ANTHROPIC:
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            anthropic = AnthropicProvider(api_key=access.key, base_url=access.url)
            return AnthropicModel(access.model, provider=anthropic)
        case ProviderKind.BEDROCK:
            from driftpin.models.bedrock import BedrockModel

            assert access.aws is not None, "the registry gives one"
            return BedrockModel(access.model, access.aws, access.url, retries_max=retries_max)
        case ProviderKind.OPENAI:
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai import OpenAIProvider

            openai = OpenAIProvider(api_key=access.key, base_url=access.url)
            return OpenAIChatModel(access.model, provider=openai)
        case ProviderKind.GOOGLE:
            from pydantic_ai.models.google import GoogleModel
            from pydantic_ai.providers.google import GoogleProvider

            google = GoogleProvider(api_key=access.key, base_url=access.url)
            return GoogleModel(access.model, provider=google)
        case ProviderKind.OLLAMA:
            from pydantic_ai.models.ollama import OllamaModel
            from pydantic_ai.providers.ollama import OllamaProvider

            ollama = OllamaProvider(api_key=access.key or None, base_url=access.url)
            return OllamaModel(access.model, provider=ollama)


def _library_settings(request: ModelRequest) -> "LibrarySettings":
    """Return settings with the provider's prompt cache switched on.

    Where volatile text is sent, the conversation is cached up to the mark that `provider_messages`
    sets before it: a cache that ended behind that text would never be read again.
    """
    from pydantic_ai.settings import CacheConfig
    from pydantic_ai.settings import ModelSettings as LibrarySettings

    settings = request.settings
    cache = CacheConfig(messages=not request.volatile)
    chosen = LibrarySettings(cache=cache)
    if settings.max_output_tokens is not None:
        chosen["max_tokens"] = settings.max_output_tokens
    if settings.temperature is not None:
        chosen["temperature"] = settings.temperature
    return chosen


def _words_of(event: "ModelResponseStreamEvent") -> str:
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    match event:
        case PartStartEvent(part=TextPart(content=words)):
            return _without_surrogates(words)
        case PartDeltaEvent(delta=TextPartDelta(content_delta=words)):
            return _without_surrogates(words)
        case _:
            return ""


def _broke_off(response: "ModelResponse") -> bool:
    """Whether the provider never said why it stopped: a cut connection may look like an end.

    What it said itself is among its details; without it the library makes a good end up.
    """
    told = (response.provider_details or {}).get("finish_reason")
    return not told and response.finish_reason in {None, "stop", "tool_call"}


def _endings(response: "ModelResponse") -> list[ModelEvent]:
    """Return the whole calls, the usage and the end of an answer."""
    calls = [
        ToolCallPart(
            call_id=call.tool_call_id,
            name=_without_surrogates(call.tool_name),
            arguments=_without_surrogates(_arguments_of(call)),
        )
        for call in response.tool_calls
    ]
    usage = response.usage
    counts = TokenCounts(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_written_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    return [
        *(ToolCallRequested(call) for call in calls),
        Usage(counts),
        Finished(_reason(response.finish_reason, has_calls=bool(calls))),
    ]


def _arguments_of(call: "LibraryCall") -> str:
    """Return the arguments as the model wrote them; some providers give them parsed."""
    return call.args if isinstance(call.args, str) else call.args_as_json_str()


def _reason(told: str | None, *, has_calls: bool) -> FinishReason:
    if told == "length":
        return FinishReason.LENGTH
    if told == "content_filter":
        return FinishReason.REFUSED
    return FinishReason.TOOL_CALLS if has_calls else FinishReason.STOP


def _translated(error: "AgentRunError | UserError", name: str) -> DriftpinError:
    """Return driftpin's error for a provider's; their texts stay out, they may quote a key."""
    from pydantic_ai import exceptions as library

    match error:
        case library.ModelAuthenticationError():
            return Rejected(f"{name} refuses the key.", code="model_key_refused", model=name)
        case library.ModelNotFoundError():
            return Rejected(f"{name} does not exist there.", code="model_unknown", model=name)
        case library.ModelContextWindowExceededError():
            text = f"The chat is longer than the window of {name}."
            return Rejected(text, code="model_window_exceeded", model=name)
        case library.ModelRequestRejectedError() | library.UserError():
            return Rejected(f"{name} refuses the request.", code="model_refused", model=name)
        case library.ModelAPIError(retry_after=wait_s):
            return Unavailable(
                f"{name} cannot answer now; the chat can be resumed.",
                code="model_unavailable",
                model=name,
                retry_after_s=None if wait_s is None else round(wait_s),
            )
        case _:
            return _unreadable(name)


def _unreadable(name: str) -> Unavailable:
    text = f"{name} gave an answer that cannot be read to its end."
    return Unavailable(text, code="model_unavailable", model=name)


def _without_surrogates(text: str) -> str:
    """Return the text as UTF-8 can hold it: half a surrogate pair becomes a replacement mark."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


__all__ = ["ProviderAccess", "ProviderKind", "ProviderModel"]
