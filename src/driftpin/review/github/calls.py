"""One call of GitHub's REST API: asked again where that is right, refused with a stable code.

What only reads, or puts a known text in place, is asked again after a lost connection or a 5xx.
What makes something new never is: nobody knows whether it was made, so `MaybeMade` is raised, and
whoever asked looks first. A rate limit refuses before anything was done; every call waits for it,
up to a bound. No address out of an answer is ever followed.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx2

from driftpin import __version__, review_limits
from driftpin.clock import Clock
from driftpin.errors import (
    DriftpinError,
    Forbidden,
    NotFound,
    RateLimited,
    Rejected,
    TooLarge,
    Unauthenticated,
    Unreachable,
)

API_VERSION: Final = "2022-11-28"
_CONNECT_TIMEOUT_S: Final = 10.0
_LIMITED: Final = frozenset({403, 429})
_SECOND_LIMIT: Final = "secondary rate limit"

Pause = Callable[[float], None]
Query = Mapping[str, str | int]


class MaybeMade(Unreachable):
    """The forge did not say whether it did what it was asked."""

    default_code = "forge_unavailable"


class GitHubCalls:
    """Calls of one forge with one token, one after the other."""

    def __init__(self, api: str, token: str, clock: Clock, pause: Pause) -> None:
        """Ask at `api`; `pause` waits for so many seconds."""
        self._http = httpx2.Client(
            base_url=api,
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": API_VERSION,
                "User-Agent": f"driftpin/{__version__}",
            },
            timeout=httpx2.Timeout(review_limits.FORGE_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
            follow_redirects=False,
            verify=not api.startswith("http://"),
            # A proxy that the environment names is for the way out, and never for this machine.
            trust_env=not api.startswith("http://"),
        )
        self._clock = clock
        self._pause = pause
        self._has_written = False

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def wait(self, seconds: float) -> None:
        """Wait before something is tried again."""
        self._pause(seconds)

    def get(self, path: str, query: Query | None = None) -> Any:
        """Return what is at a path."""
        return self._ask("GET", path, query, None, is_repeatable=True)

    def pages(self, path: str, query: Query | None = None, key: str = "") -> Iterator[Any]:
        """Yield every item of a list in all its pages; `key` names it where it stands in a field.

        Raises TooLarge (`forge_too_many`) past the last page that is read.
        """
        for number in range(1, review_limits.FORGE_PAGES_MAX + 1):
            asked = {**(query or {}), "per_page": review_limits.FORGE_PAGE_ITEMS, "page": number}
            answer = self.get(path, asked)
            items = answer.get(key) if key and isinstance(answer, dict) else answer
            if not isinstance(items, list):
                raise _unexpected(path)
            yield from items
            if len(items) < review_limits.FORGE_PAGE_ITEMS:
                return
        raise TooLarge(f"{path!r} has more pages than are read.", code="forge_too_many")

    def put_in_place(self, path: str, body: Mapping[str, object]) -> Any:
        """Rewrite something (PATCH); asking twice does no harm."""
        return self._write("PATCH", path, body, is_repeatable=True)

    def make(self, path: str, body: Mapping[str, object]) -> Any:
        """Make something (POST); MaybeMade when the forge does not say whether it was made."""
        return self._write("POST", path, body, is_repeatable=False)

    def _write(
        self, method: str, path: str, body: Mapping[str, object], *, is_repeatable: bool
    ) -> Any:
        if self._has_written:
            self._pause(review_limits.FORGE_WRITE_PAUSE_S)
        self._has_written = True
        return self._ask(method, path, None, body, is_repeatable=is_repeatable)

    def _ask(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Mapping[str, object] | None,
        *,
        is_repeatable: bool,
    ) -> Any:
        """Return the answer to a call, after as many tries and waits as the limits allow."""
        for number in range(1, review_limits.FORGE_TRIES_MAX + 1):
            try:
                return self._ask_once(method, path, query, body)
            except RateLimited as limited:
                wait_s = limited.fields["retry_after_s"]
                assert isinstance(wait_s, int)
                if (
                    wait_s > review_limits.FORGE_WAIT_LONGEST_S
                    or number == review_limits.FORGE_TRIES_MAX
                ):
                    raise
            except MaybeMade:
                if not is_repeatable or number == review_limits.FORGE_TRIES_MAX:
                    raise
                wait_s = int(review_limits.FORGE_RETRY_FIRST_S * 2 ** (number - 1))
            self._pause(float(wait_s))
        raise AssertionError("The last try returns or raises.")

    def _ask_once(
        self, method: str, path: str, query: Query | None, body: Mapping[str, object] | None
    ) -> Any:
        try:
            with self._http.stream(method, path, params=query, json=body) as response:
                content = _read(response, path)
        except httpx2.HTTPError as failure:
            reason = type(failure).__name__
            raise MaybeMade(f"No answer from the forge to {method} {path} ({reason}).") from None
        if not response.is_success:
            raise self._refusal(method, path, response, content)
        try:
            return json.loads(content)
        except ValueError:
            raise _unexpected(path) from None

    def _refusal(
        self, method: str, path: str, response: httpx2.Response, content: bytes
    ) -> DriftpinError:
        status, told = response.status_code, _message(content)
        text = f"The forge answered {method} {path} with {status}: {told!r}."
        if status in _LIMITED and (wait_s := self._wait_s(response, told)) is not None:
            return RateLimited(text, code="forge_rate_limited", retry_after_s=wait_s)
        if status >= 500:
            return MaybeMade(text)
        return _refusal_of(status, text)

    def _wait_s(self, response: httpx2.Response, told: str) -> int | None:
        """Return for how long a rate limit asks to wait; None where it is no rate limit."""
        after = response.headers.get("retry-after", "")
        if after.isascii() and after.isdigit():
            return int(after[:9])
        reset = response.headers.get("x-ratelimit-reset", "")
        if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
            return max(int(reset[:12]) - int(self._clock.now().timestamp()), 0) + 1
        if _SECOND_LIMIT in told.lower() or response.status_code == 429:
            return int(review_limits.FORGE_SECOND_LIMIT_WAIT_S)
        return None


def _refusal_of(status: int, text: str) -> DriftpinError:
    match status:
        case 401:
            return Unauthenticated(text, code="forge_unauthenticated")
        case 403:
            return Forbidden(text, code="forge_forbidden")
        case 404:
            return NotFound(text, code="forge_not_found")
        case 422:
            return Rejected(text, code="forge_rejected")
        case _:
            return Rejected(text, code="forge_refused")


def _read(response: httpx2.Response, path: str) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > review_limits.FORGE_ANSWER_BYTES_MAX:
            raise TooLarge(f"The forge's answer to {path} is too large.", code="forge_too_large")
    return bytes(content)


def _message(content: bytes) -> str:
    """Return what the forge says was wrong, short, with the texts of its `errors`."""
    try:
        told = json.loads(content)
    except ValueError:
        return ""
    if not isinstance(told, dict):
        return ""
    errors = told.get("errors")
    more = [str(each) for each in errors[:3]] if isinstance(errors, list) else []
    return "; ".join([str(told.get("message", "")), *more])[:500]


def _unexpected(path: str) -> DriftpinError:
    return Unreachable(
        f"The forge answers {path} in another way than its documentation says.",
        code="forge_unexpected_answer",
    )


__all__ = ["API_VERSION", "GitHubCalls", "MaybeMade", "Pause"]
