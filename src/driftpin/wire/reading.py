"""From bytes to a shape, or to the one refusal that names what is wrong and where."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from driftpin.errors import DriftpinError, Malformed, Rejected, TooLarge
from driftpin.wire.json_text import parse_json, pointer_to

AnyShape = TypeVar("AnyShape", bound=BaseModel)


def read_shape(shape: type[AnyShape], body: bytes) -> AnyShape:
    """Return the shape that `body` writes, with nothing coerced and nothing left over.

    Raises Malformed, Rejected or TooLarge for the first broken rule, with a JSON `pointer`.
    """
    parse_json(body)
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of(error) from None


def refusal_of(error: ValidationError) -> DriftpinError:
    """Return what a sender is told about the first broken rule; bad values are not repeated."""
    return refusal_of_fault(error.errors(include_url=False, include_input=False)[0])


def refusal_of_fault(first: Mapping[str, Any]) -> DriftpinError:
    """Return the same for one fault as Pydantic describes it."""
    kind, pointer = first["type"], pointer_to(tuple(first["loc"]))
    maximum: Any = first.get("ctx", {}).get("max_length")
    message = f"{first['msg']} at {pointer or 'the top'}."
    match kind:
        case "extra_forbidden":
            return Malformed(f"Unknown field {pointer}.", code="unknown_field", pointer=pointer)
        case "bad_hash" | "bad_id":
            return Malformed(message, code=kind, pointer=pointer)
        case "control_char":
            return Rejected(message, code=kind, pointer=pointer)
        case "string_too_long":
            return Rejected(message, code="too_long", pointer=pointer, maximum=maximum)
        case "too_long":
            limit = pointer.rpartition("/")[2] + "_items"
            return TooLarge(message, pointer=pointer, limit=limit, maximum=maximum)
        case _:
            return Malformed(message, code="invalid_request", pointer=pointer)


__all__ = ["read_shape", "refusal_of", "refusal_of_fault"]
