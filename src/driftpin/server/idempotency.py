"""Creating calls that may be sent again: with an `Idempotency-Key` they are carried out once."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from driftpin import limits
from driftpin.errors import Conflict, Malformed
from driftpin.identity import Actor, Digest, digest_of
from driftpin.operations.idempotency import run_once
from driftpin.server.replies import JSON_MEDIA_TYPE, reply
from driftpin.server.services import services_of
from driftpin.store.store import Store

Outcome = TypeVar("Outcome")
KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{limits.IDEMPOTENCY_KEY_CHARACTERS_MAX}}}")
# What is kept of an answer that held a secret.
WITHHELD: Final = "withheld"
REPLAYED: Final = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, slots=True)
class Once:
    """One creating call; `key` is None when the caller does not mind creating twice."""

    store: Store
    route: str
    key: str | None

    async def reply(
        self,
        actor: Actor,
        asked: BaseModel,
        perform: Callable[[Store], Awaitable[Outcome]],
        shape_of: Callable[[Outcome], BaseModel],
        *,
        is_secret: bool = False,
    ) -> Response:
        """Run one operation on the store that `perform` is given; answer 201 with its shape.

        The same call again gets the same answer. One that holds a secret is not kept: the second
        call is refused as Conflict (`already_created`). Raises Rejected (`idempotency_mismatch`).
        """
        if self.key is None:
            return reply(shape_of(await perform(self.store)), status=201)
        performed: list[Outcome] = []

        async def noted(store: Store) -> Outcome:
            performed.append(await perform(store))
            return performed[-1]

        answer = await run_once(
            self.store,
            actor,
            key=self.key,
            request_digest=self._digest(asked),
            perform=noted,
            respond=(lambda _: WITHHELD)
            if is_secret
            else lambda outcome: shape_of(outcome).model_dump_json(by_alias=True),
        )
        if not answer.is_replay:
            return reply(shape_of(performed[-1]), status=201)
        if is_secret:
            raise Conflict(
                "This was created before, and its token was shown then.", code="already_created"
            )
        return Response(
            answer.response, status_code=201, media_type=JSON_MEDIA_TYPE, headers=REPLAYED
        )

    def _digest(self, asked: BaseModel) -> Digest:
        return digest_of(f"{self.route}\n{asked.model_dump_json()}".encode())


async def _once(
    request: Request,
    key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> Once:
    if key is not None and KEY.fullmatch(key) is None:
        raise Malformed(
            "An Idempotency-Key has 1 to 200 visible ASCII characters.", code="bad_idempotency_key"
        )
    return Once(services_of(request).store, f"{request.method} {request.url.path}", key)


Repeatable = Annotated[Once, Depends(_once)]

__all__ = ["Once", "Repeatable"]
