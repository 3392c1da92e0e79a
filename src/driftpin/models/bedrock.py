"""The library's model of Bedrock, with a client of our own. Imported only once one is asked."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

from anyio.to_thread import current_default_thread_limiter
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import Session
from botocore.tokens import FrozenAuthToken
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.providers.bedrock import BedrockProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from driftpin import model_limits
from driftpin.models.aws import AwsAccess

# What decides where botocore looks: name in files, name in the environment, default, conversion.
_WITHOUT_FILES: Final = {
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "profile": (None, None, None, None),
}


class BedrockModel(BedrockConverseModel):
    """A model that owns its client. The client blocks, so the library waits for it in threads."""

    def __init__(self, name: str, access: AwsAccess, url: str | None, *, retries_max: int) -> None:
        """Make the client, which reads files of its package; nothing is contacted."""
        client = _client(access, url, retries_max)
        super().__init__(name, provider=BedrockProvider(bedrock_client=client))

    async def __aenter__(self) -> Self:
        """Let the loop have a thread for every answer that is waited for.

        With the usual forty, the forty-first chat would wait for another chat's whole silence.
        """
        limiter = current_default_thread_limiter()
        limiter.total_tokens = max(limiter.total_tokens, model_limits.MODEL_THREADS_MAX)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await asyncio.to_thread(self.client.close)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Ask; what the client will not send, such as a key over plain HTTP, is a refusal too."""
        asking = super().request_stream(
            messages, model_settings, model_request_parameters, run_context
        )
        try:
            async with asking as answer:
                yield answer
        except BotoCoreError as error:
            raise UserError(type(error).__name__) from error


class _KeyedSession(Session):  # type: ignore[misc] # botocore has no types
    """A session that knows one API key and looks for no other."""

    def __init__(self, api_key: str) -> None:
        super().__init__(session_vars=_WITHOUT_FILES)
        self._api_key = api_key

    def get_auth_token(self, **_about: object) -> FrozenAuthToken:
        return FrozenAuthToken(self._api_key)

    def get_credentials(self) -> None:
        return None


def _client(access: AwsAccess, url: str | None, retries_max: int) -> BaseClient:
    """Return a client with just this access; no file of `~/.aws` has a say.

    It retries throttling, 5xx and lost connections, and obeys the wait that Amazon hints at.
    """
    session = (
        _KeyedSession(access.api_key) if access.api_key else Session(session_vars=_WITHOUT_FILES)
    )
    return session.create_client(
        "bedrock-runtime",
        region_name=access.region,
        endpoint_url=url,
        aws_access_key_id=access.key_id or None,
        aws_secret_access_key=access.secret or None,
        aws_session_token=access.session_token or None,
        config=Config(
            signature_version="bearer" if access.api_key else None,
            retries={"mode": "standard", "total_max_attempts": retries_max + 1},
            read_timeout=model_limits.MODEL_READ_WAIT_S,
            connect_timeout=model_limits.MODEL_CONNECT_WAIT_S,
            max_pool_connections=model_limits.MODEL_THREADS_MAX,
        ),
    )


__all__ = ["BedrockModel"]
