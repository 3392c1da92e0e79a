"""What stands in paths, queries and headers, each read by one rule with one code."""

from typing import Annotated

from fastapi import Header, Path, Query
from pydantic import BeforeValidator, WithJsonSchema

from driftpin import limits
from driftpin.errors import Malformed
from driftpin.identity import (
    DIGEST_PATTERN,
    ID_PATTERN,
    AgentId,
    ChatId,
    Digest,
    ReviewId,
    TokenId,
    UserId,
    WorkspaceId,
    is_digest,
    is_id,
)

ID_SCHEMA = {"type": "string", "format": "uuid", "pattern": f"^{ID_PATTERN.pattern}$"}
DIGEST_SCHEMA = {"type": "string", "pattern": f"^{DIGEST_PATTERN.pattern}$"}
TURN_MAX = 999_999_999
LIMIT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": limits.API_PAGE_ITEMS_MAX}


def _read_id(text: object) -> object:
    if not isinstance(text, str) or not is_id(text):
        raise Malformed("An id is a lower-case UUID.", code="bad_id")
    return text


def _read_digest(text: object) -> object:
    if not isinstance(text, str) or not is_digest(text):
        raise Malformed("A digest is sha256: and 64 lower-case hex digits.", code="bad_hash")
    return text


def _read_limit(text: object) -> object:
    written = str(text)
    is_number = written.isascii() and written.isdigit() and len(written) <= 4
    if not is_number or not 1 <= int(written) <= limits.API_PAGE_ITEMS_MAX:
        raise Malformed(
            f"A limit is a number from 1 to {limits.API_PAGE_ITEMS_MAX}.", code="bad_limit"
        )
    return int(written)


def _read_flag(text: object) -> object:
    if text is None or isinstance(text, bool):
        return text
    match text:
        case "1" | "true":
            return True
        case "0" | "false":
            return False
        case _:
            raise Malformed("A flag is 1, 0, true or false.", code="bad_flag")


def _read_optional_flag(text: object) -> object:
    return None if text == "all" else _read_flag(text)


def _read_turn(text: object) -> object:
    written = str(text)
    if not (written.isascii() and written.isdigit() and len(written) <= len(str(TURN_MAX))):
        raise Malformed("A turn is a number.", code="bad_id")
    return int(written)


def _read_optional_turn(text: object) -> object:
    return None if text is None else _read_turn(text)


IsId = BeforeValidator(_read_id)
IdSchema = WithJsonSchema(ID_SCHEMA)
ChatIdPath = Annotated[ChatId, IsId, IdSchema, Path(alias="chat_id")]
WorkspaceIdPath = Annotated[WorkspaceId, IsId, IdSchema, Path(alias="workspace_id")]
AgentIdPath = Annotated[AgentId, IsId, IdSchema, Path(alias="agent_id")]
ReviewIdPath = Annotated[ReviewId, IsId, IdSchema, Path(alias="review_id")]
UserIdPath = Annotated[UserId, IsId, IdSchema, Path(alias="user_id")]
TokenIdPath = Annotated[TokenId, IsId, IdSchema, Path(alias="token_id")]
DigestPath = Annotated[Digest, BeforeValidator(_read_digest), WithJsonSchema(DIGEST_SCHEMA), Path()]
TurnPath = Annotated[int, BeforeValidator(_read_turn), Path(ge=0)]
RoundPath = Annotated[int, BeforeValidator(_read_turn), Path(alias="number", ge=0)]
RoundQuery = Annotated[
    int | None,
    BeforeValidator(_read_optional_turn),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": TURN_MAX}),
    Query(alias="round"),
]
TurnQuery = Annotated[
    int | None,
    BeforeValidator(_read_optional_turn),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": TURN_MAX}),
    Query(alias="turn"),
]

LimitQuery = Annotated[
    int, BeforeValidator(_read_limit), WithJsonSchema(LIMIT_SCHEMA), Query(alias="limit")
]
CursorQuery = Annotated[str | None, Query(alias="cursor", max_length=1_024)]
FlagQuery = Annotated[bool, BeforeValidator(_read_flag)]
OptionalFlagQuery = Annotated[bool | None, BeforeValidator(_read_optional_flag)]


def _read_optional_id(text: object) -> object:
    return None if text is None else _read_id(text)


OptionalIsId = BeforeValidator(_read_optional_id)
WorkspaceQuery = Annotated[
    WorkspaceId | None, OptionalIsId, WithJsonSchema(ID_SCHEMA), Query(alias="workspace")
]
ChatQuery = Annotated[ChatId | None, OptionalIsId, WithJsonSchema(ID_SCHEMA), Query(alias="chat")]
IfMatch = Annotated[str | None, Header(alias="If-Match")]

__all__ = [
    "AgentIdPath",
    "ChatIdPath",
    "ChatQuery",
    "CursorQuery",
    "DigestPath",
    "FlagQuery",
    "IfMatch",
    "LimitQuery",
    "OptionalFlagQuery",
    "ReviewIdPath",
    "RoundPath",
    "RoundQuery",
    "TokenIdPath",
    "TurnPath",
    "TurnQuery",
    "UserIdPath",
    "WorkspaceIdPath",
    "WorkspaceQuery",
]
