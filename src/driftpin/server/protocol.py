"""Uvicorn's HTTP protocol with an end to how long a request's head may grow."""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from driftpin import limits
from driftpin.server.problems import problem_response

# A head past its limit but not past this is refused by `header_limit`, with the connection kept in
# order; past this the client is cut off in the middle of it.
HEAD_BYTES_MAX: Final = 4 * limits.API_HEADER_BYTES_MAX


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers 431 and closes when a head does not end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Begin in the head of the first request."""
        super().__init__(*arguments, **options)
        self._is_in_head = True
        self._head_bytes = 0

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Stop counting."""
        self._is_in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless the head has grown too large."""
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse_head()

    def _refuse_head(self) -> None:
        response = problem_response(
            431, "headers_too_large", f"Headers have at most {limits.API_HEADER_BYTES_MAX} bytes."
        )
        lines = [b"HTTP/1.1 431 Request Header Fields Too Large", b"connection: close"]
        lines += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body))
        self.transport.close()


__all__ = ["BoundedHttpProtocol"]
