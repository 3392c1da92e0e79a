"""Forms of our own pages: bounded, read strictly, and each field by its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends
from starlette.requests import Request

from driftpin import limits
from driftpin.errors import Malformed, Rejected, Unsupported
from driftpin.identity import Digest, is_digest
from driftpin.server.body import read_body

MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in; a field that is not there is empty."""

    fields: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return a field with the line ends that people write, which a form sends as CR LF."""
        return self.fields.get(name, "").replace("\r\n", "\n")

    def digest(self, name: str) -> Digest:
        """Return a digest; raises Malformed (`bad_hash`)."""
        return _digest(self.text(name))

    def digests(self, name: str) -> frozenset[Digest]:
        """Return the digests of a field, spaces between them; raises Malformed (`bad_hash`)."""
        return frozenset(map(_digest, self.text(name).split()))

    def turn(self, name: str) -> int:
        """Return the number of a turn; raises Malformed (`bad_id`)."""
        value = self.text(name)
        is_number = value.isascii() and value.isdigit()
        if not is_number or len(value) > len(str(limits.TURN_NUMBER_MAX)):
            raise Malformed("A turn is a number.", code="bad_id")
        return int(value)


def _digest(value: str) -> Digest:
    if not is_digest(value):
        raise Malformed("A digest is sha256: and 64 lower-case hex digits.", code="bad_hash")
    return Digest(value)


async def _read_form(request: Request) -> Form:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise Unsupported(f"Send {MEDIA_TYPE}.")
    try:
        body = await read_body(request, limits.PAGE_FORM_BYTES_MAX)
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
    except ValueError:
        raise Malformed("The form cannot be read.", code="bad_form") from None
    if any("\0" in name + value for name, value in pairs):
        raise Rejected("A form holds no NUL.", code="control_char")
    return Form(dict(pairs))


SentForm = Annotated[Form, Depends(_read_form)]

__all__ = ["Form", "SentForm"]
