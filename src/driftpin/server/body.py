"""Reading a request's body: bounded on the wire and after inflating, and only as JSON."""

import zlib
from typing import Final, Generic, TypeVar

from starlette.requests import ClientDisconnect, Request

from driftpin import limits
from driftpin.errors import Malformed, TooLarge, Unsupported
from driftpin.wire.reading import read_shape
from driftpin.wire.shape import Shape

AnyShape = TypeVar("AnyShape", bound=Shape)

GZIP_WINDOW_BITS: Final = 31
JSON_MEDIA_TYPE: Final = "application/json"


class JsonBody(Generic[AnyShape]):
    """A dependency that gives the body of a request as one shape; `server.openapi` tells of it."""

    def __init__(
        self,
        shape: type[AnyShape],
        *,
        bytes_max: int = limits.API_BODY_BYTES_MAX,
        may_be_empty: bool = False,
    ) -> None:
        """Take up to `bytes_max`; an empty body stands for `{}` where it `may_be_empty`."""
        self.shape = shape
        self.may_be_empty = may_be_empty
        self._bytes_max = bytes_max

    async def __call__(self, request: Request) -> AnyShape:
        """Return the shape, or raise the refusal of the first rule that the body breaks."""
        body = await read_body(request, self._bytes_max)
        if not body and self.may_be_empty:
            return read_shape(self.shape, b"{}")
        check_media_type(request)
        return read_shape(self.shape, body)


def check_media_type(request: Request) -> None:
    """Refuse a body that does not say that it is JSON; raises Unsupported."""
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != JSON_MEDIA_TYPE or charset not in ("", "utf-8"):
        raise Unsupported(f"Send {JSON_MEDIA_TYPE}.")


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Return the whole body, inflated.

    Raises TooLarge as soon as it is known, Unsupported for any encoding but gzip, and Malformed
    (`body_cut`) when the caller left.
    """
    try:
        return await _read(request, bytes_max)
    except ClientDisconnect:
        # Nobody is left to be told; it is no fault of the server's all the same.
        raise Malformed("The body was cut.", code="body_cut") from None


async def _read(request: Request, bytes_max: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > bytes_max:
        raise _too_large(bytes_max)
    match request.headers.get("content-encoding", "identity").strip().lower():
        case "identity" | "":
            return await _read_plain(request, bytes_max)
        case "gzip":
            return await _read_gzip(request, bytes_max)
        case _:
            raise Unsupported("Send the body plain or in gzip.", code="unsupported_encoding")


async def _read_plain(request: Request, bytes_max: int) -> bytes:
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > bytes_max:
            raise _too_large(bytes_max)
    return bytes(read)


async def _read_gzip(request: Request, bytes_max: int) -> bytes:
    inflater = zlib.decompressobj(GZIP_WINDOW_BITS)
    read = bytearray()
    try:
        async for chunk in request.stream():
            read += inflater.decompress(chunk, bytes_max + 1 - len(read))
            if len(read) > bytes_max:
                raise _too_large(bytes_max)
    except zlib.error:
        raise _bad_gzip() from None
    if not inflater.eof or inflater.unused_data:
        raise _bad_gzip()
    return bytes(read)


def _bad_gzip() -> Malformed:
    return Malformed("The body is not one whole gzip stream.", code="bad_gzip")


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(
        f"The body has at most {bytes_max} bytes.", limit="body_bytes", maximum=bytes_max
    )


__all__ = ["JsonBody", "check_media_type", "read_body"]
