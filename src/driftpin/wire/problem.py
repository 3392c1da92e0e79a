"""The one form in which a refusal crosses a process border: problem+json (RFC 9457).

Both ends live here, so that what the server writes is what the client raises again.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import ConfigDict

from driftpin import errors
from driftpin.errors import DriftpinError
from driftpin.wire.shape import ReplyShape

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
STANDARD_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "code"})

# Most special first: the status of a refusal is that of the first family it belongs to.
STATUSES: Final[tuple[tuple[type[DriftpinError], int], ...]] = (
    (errors.Malformed, 400),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.PushOutdated, 409),
    (errors.BlobsMissing, 409),
    (errors.Conflict, 409),
    (errors.Gone, 410),
    (errors.HeadMoved, 412),
    (errors.PreconditionFailed, 412),
    (errors.TooLarge, 413),
    (errors.Unsupported, 415),
    (errors.Rejected, 422),
    (errors.RateLimited, 429),
    (errors.Unavailable, 503),
)
# Codes whose family is more special than what their status alone says.
FAMILY_OF_CODE: Final[Mapping[str, type[DriftpinError]]] = {
    "need_blobs": errors.BlobsMissing,
    "stale": errors.PushOutdated,
    "seq_conflict": errors.PushOutdated,
    "fenced": errors.PushOutdated,
    "hello_required": errors.PushOutdated,
    "head_moved": errors.HeadMoved,
}


class ProblemShape(ReplyShape):
    """Why a call was refused; `code` is stable, further members depend on it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


def status_of(error: DriftpinError) -> int:
    """Return the HTTP status of a refusal's family; 500 for one that has none."""
    return next((status for family, status in STATUSES if isinstance(error, family)), 500)


def error_from(status: int, problem: Mapping[str, object]) -> DriftpinError:
    """Return the refusal that a problem stands for, as the server raised it."""
    code = str(problem.get("code") or "error")
    family = FAMILY_OF_CODE.get(code) or _family_of_status(status)
    fields = {
        name: value
        for name, value in problem.items()
        if name not in STANDARD_MEMBERS and _is_field(value)
    }
    return family(str(problem.get("detail") or ""), code=code, **fields)  # type: ignore[arg-type] # _is_field has checked them


def _family_of_status(status: int) -> type[DriftpinError]:
    # Of a status's families the most general stands last.
    families = [family for family, known in STATUSES if known == status]
    if families:
        return families[-1]
    return errors.Unavailable if status >= 500 else DriftpinError


def _is_field(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str | int) for item in value)
    return value is None or isinstance(value, str | int)


__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "STATUSES",
    "ProblemShape",
    "error_from",
    "status_of",
]
