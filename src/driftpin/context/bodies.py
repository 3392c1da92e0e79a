"""How pure functions get at bytes: by asking whoever called them."""

from collections.abc import Callable

from driftpin.identity import Digest

BodyReader = Callable[[Digest], bytes | None]


def find_text(bodies: BodyReader, digest: Digest | None) -> str | None:
    """Return the text that `digest` names; None if its bytes are not to be had or not text."""
    content = None if digest is None else bodies(digest)
    return None if content is None else decode_text(content)


def decode_text(content: bytes) -> str | None:
    """Return the bytes as text; None unless they are UTF-8 without NUL."""
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


__all__ = ["BodyReader", "decode_text", "find_text"]
