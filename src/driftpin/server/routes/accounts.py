"""The caller, users and tokens."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.identity import UserId
from driftpin.operations.create_user import create_user
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.revoke_token import revoke_token
from driftpin.server.access import CurrentUser
from driftpin.server.body import JsonBody
from driftpin.server.idempotency import Repeatable
from driftpin.server.parameters import CursorQuery, LimitQuery, TokenIdPath
from driftpin.server.replies import page_shape, reply, token_fields, user_shape
from driftpin.server.services import services_of
from driftpin.store.store import Store
from driftpin.store.values import TokenRow, UserRow
from driftpin.wire import api

router = APIRouter(prefix="/api/v1", tags=["accounts"])

NewUser = Annotated[api.CreateUserRequest, Depends(JsonBody(api.CreateUserRequest))]
NewToken = Annotated[
    api.CreateTokenRequest, Depends(JsonBody(api.CreateTokenRequest, may_be_empty=True))
]


def _user_id(actor: CurrentUser) -> UserId:
    assert actor.user_id is not None, "a user has an id"
    return actor.user_id


@router.get("/me", response_model=api.WhoAmIShape)
async def get_me(actor: CurrentUser, request: Request) -> Response:
    """Return the caller."""
    store = services_of(request).store
    user = await store.get_user(actor, _user_id(actor))
    quota = store.database.quotas.user_bytes_max
    return reply(api.WhoAmIShape(user=user_shape(user), used_bytes_max=quota))


@router.get("/users", response_model=api.PageShape[api.UserShape])
async def list_users(
    actor: CurrentUser,
    request: Request,
    cursor: CursorQuery = None,
    limit: LimitQuery = limits.API_PAGE_ITEMS_DEFAULT,
) -> Response:
    """Return the users whom the caller may see."""
    services, purpose = services_of(request), f"users {actor.name}"
    after = services.cursors.read_page(purpose, cursor)
    page = await services.store.list_users(actor, after=after, limit=limit)
    return reply(page_shape(page, user_shape, services.cursors.write_page(purpose, page.next)))


@router.post("/users", response_model=api.UserShape, status_code=201)
async def add_user(actor: CurrentUser, new: NewUser, once: Repeatable) -> Response:
    """Create a user; administrators only."""

    async def create(store: Store) -> UserRow:
        return await create_user(store, actor, new.name, is_administrator=new.is_administrator)

    return await once.reply(actor, new, create, user_shape)


@router.get("/tokens", response_model=api.PageShape[api.TokenShape])
async def list_tokens(actor: CurrentUser, request: Request) -> Response:
    """Return the caller's tokens and those of its agents, without secrets."""
    rows = await services_of(request).store.list_tokens(actor)
    items = tuple(api.TokenShape(**token_fields(row)) for row in rows)
    return reply(api.PageShape[api.TokenShape](items=items, next=None))


@router.post("/tokens", response_model=api.CreatedTokenShape, status_code=201)
async def add_token(
    actor: CurrentUser, request: Request, new: NewToken, once: Repeatable
) -> Response:
    """Create a token for the caller, or as an administrator for a user; shown this once."""
    user_id = _user_id(actor) if new.user_id is None else UserId(new.user_id)
    clock = services_of(request).clock
    lifetime = None if new.expires_in_s is None else timedelta(seconds=new.expires_in_s)

    async def create(store: Store) -> tuple[TokenRow, str]:
        expires_at = None if lifetime is None else clock.now() + lifetime
        return await create_user_token(store, actor, user_id, new.label, expires_at)

    return await once.reply(actor, new, create, _created_token, is_secret=True)


def _created_token(created: tuple[TokenRow, str]) -> api.CreatedTokenShape:
    row, secret = created
    return api.CreatedTokenShape(**token_fields(row), token=secret)


@router.delete("/tokens/{token_id}", status_code=204)
async def delete_token(actor: CurrentUser, request: Request, token_id: TokenIdPath) -> Response:
    """Revoke a token of the caller or of one of its agents."""
    await revoke_token(services_of(request).store, actor, token_id)
    return Response(status_code=204)


__all__ = ["router"]
