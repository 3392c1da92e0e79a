"""Every error that driftpin raises on purpose, and nothing else.

    DriftpinError                 something was refused or could not be had
    ├── Malformed                 400  the request cannot be read as what it claims to be
    ├── Unauthenticated           401  no valid credential was shown
    ├── Forbidden                 403  the caller may see it but may not do this
    ├── NotFound                  404  it does not exist, or not for this caller
    ├── Conflict                  409  the present state does not allow it
    │   ├── PushOutdated          409  a push is fenced, stale, or contradicts an accepted one
    │   └── BlobsMissing          409  the manifest names bytes the server lacks
    ├── Gone                      410  it existed and will not come back
    ├── PreconditionFailed        412  what the caller saw is no longer so
    │   └── HeadMoved             412  a newer head than the one whose drift was shown
    ├── TooLarge                  413  a limit was passed
    ├── Unsupported               415  a media type or encoding that is not understood
    ├── Rejected                  422  it was read, and breaks a rule
    ├── RateLimited               429  too often
    ├── Unavailable               503  try again later
    ├── UsageError                the command line was used wrongly (exit code 2)
    └── Unreachable               no server or agent answered (exit code 3)

A class fixes the family, and with it the HTTP status (`server.problems`). The `code` is stable
and is what programs compare; the message is for people and may be reworded at any time. Bad files
in a workspace are not errors: they are values with a status (`context.resource`).
"""

from typing import ClassVar

Field = str | int | None | list[str] | list[int]


class DriftpinError(Exception):
    """Something was refused or could not be had."""

    default_code: ClassVar[str] = "error"

    def __init__(
        self, message: str | None = None, *, code: str | None = None, **fields: Field
    ) -> None:
        """Refuse with `message`; `fields` say where and what, and travel to the caller."""
        self.code = code or self.default_code
        self.message = message or (type(self).__doc__ or "").splitlines()[0]
        self.fields = fields
        super().__init__(self.message)


class Malformed(DriftpinError):
    """The request cannot be read."""

    default_code = "invalid_request"


class Unauthenticated(DriftpinError):
    """A valid token is needed; sign in with `driftpin login` or send it as a bearer token."""

    default_code = "unauthenticated"


class Forbidden(DriftpinError):
    """You may see this but may not change it; ask its owner for update access."""

    default_code = "forbidden"


class NotFound(DriftpinError):
    """There is no such thing, or it is not shared with you."""

    default_code = "not_found"


class Conflict(DriftpinError):
    """The present state does not allow this."""

    default_code = "conflict"


class PushOutdated(Conflict):
    """This push is older than what the server already accepted; push the newest state."""

    default_code = "stale"


class BlobsMissing(Conflict):
    """The server lacks some of the bytes that the manifest names; upload them and push again."""

    default_code = "need_blobs"


class Gone(DriftpinError):
    """It existed and will not come back."""

    default_code = "gone"


class PreconditionFailed(DriftpinError):
    """What you saw is no longer so; read it again."""

    default_code = "precondition_failed"


class HeadMoved(PreconditionFailed):
    """The workspace has moved on since its drift was shown; look at the new drift first."""

    default_code = "head_moved"


class TooLarge(DriftpinError):
    """A limit was passed."""

    default_code = "too_large"


class Unsupported(DriftpinError):
    """This media type or encoding is not understood; send JSON."""

    default_code = "unsupported_media_type"


class Rejected(DriftpinError):
    """The request was read, and breaks a rule."""

    default_code = "invalid"


class RateLimited(DriftpinError):
    """Too many requests; slow down."""

    default_code = "rate_limited"


class Unavailable(DriftpinError):
    """This cannot be done right now; try again shortly."""

    default_code = "unavailable"


class StorageTrouble(Unavailable):
    """The storage cannot be reached; try again."""

    default_code = "storage_unavailable"


class UsageError(DriftpinError):
    """The command was used wrongly; see --help."""

    default_code = "usage"


class Unreachable(DriftpinError):
    """No answer; is it running? Start it with `driftpin up`."""

    default_code = "unreachable"


__all__ = [
    "BlobsMissing",
    "Conflict",
    "DriftpinError",
    "Field",
    "Forbidden",
    "Gone",
    "HeadMoved",
    "Malformed",
    "NotFound",
    "PreconditionFailed",
    "PushOutdated",
    "RateLimited",
    "Rejected",
    "StorageTrouble",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "Unsupported",
    "UsageError",
]
