"""Secrets that stand in arguments or addresses, where everybody who sees a launch would see them.

A finding says that a person should move the value to env as `${VAR}`; it never repeats the value.
Looked for are the forms in which well-known services issue tokens, values of options and query
parameters whose names say that they are secret, and long random-looking words. References are no
secrets. Texts are looked at as they stand and percent-decoded.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from driftpin.context.launch import REFERENCE

_ISSUED: Final = re.compile(
    r"(?:gh[pousr]_|github_pat_|glpat-|sk-|rk_live_|sk_live_|pk_live_|xox[abeoprs]-|xapp-|AKIA|ASIA"
    r"|AIza|ya29\.|npm_|hf_|dop_v1_|shpat_|SG\.|eyJ[\w-]{8,}\.|dp_[ua]_|lin_api_|ntn_|figd_|pypi-)"
    r"[\w.=/+-]{8,}"
)
_SECRET_NAME: Final = re.compile(
    r"(?:^|[-_.])(?:api[-_]?key|key|token|secret|passw(?:or)?d|pwd|auth|authorization|bearer"
    r"|credentials?|signature|sig|access[-_]?key|private[-_]?key)s?$",
    re.IGNORECASE,
)
_OPTION: Final = re.compile(r"-{1,2}([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][\w.-]*)[=:]\s*(.+)", re.DOTALL)
_SCHEME_WORD: Final = re.compile(r"(?:bearer|basic|token)\s+(\S.*)", re.IGNORECASE | re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z0-9+=_-]{20,}")
# What a launch is pinned by: `image@sha256:…`, `repository@<commit>`.
_PINNED_BY: Final = re.compile(r"@[0-9a-f]{7,64}(?![\w-])|sha(?:256|384|512)[:-][\w+/=]+")
# The runs that a word is made of: names have long ones, keys short ones.
_RUN: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
RUN_CHARACTERS_MAX: Final = 3.0
RANDOM_BITS_PER_CHARACTER: Final = 3.0
PLAIN_VALUES: Final = frozenset({"", "true", "false", "none", "null", "auto", "default"})


def has_secret_argument(args: Iterable[str]) -> bool:
    """Whether any argument, or the value that follows an option, looks like a literal secret."""
    listed = tuple(args)
    followed = zip_longest(listed, listed[1:], fillvalue="")
    return any(_is_secret(argument, value) for argument, value in followed)


def has_secret_in_url(url: str) -> bool:
    """Whether the path, the query or the fragment of an address looks like it holds a secret."""
    parts = urlsplit(url)
    named = (*parse_qsl(parts.query), *parse_qsl(parts.fragment))
    if any(_names_secret(name) and _is_value(value) for name, value in named):
        return True
    texts = (*parts.path.split("/"), parts.fragment, *(value for _, value in named))
    return any(_looks_issued(text) for text in texts)


def _is_secret(argument: str, value: str) -> bool:
    if _looks_issued(argument):
        return True
    option = _OPTION.fullmatch(argument)
    if option is not None and _names_secret(option[1]):
        given = value if option[2] is None else option[2]
        return _is_value(given) and not (option[2] is None and given.startswith("-"))
    assignment = _ASSIGNMENT.fullmatch(argument)
    if assignment is not None and _names_secret(assignment[1]):
        return _is_value(assignment[2])
    if "://" in argument:
        return _has_user_info(argument) or has_secret_in_url(argument)
    return False


def _has_user_info(url: str) -> bool:
    user_info, at, _ = urlsplit(url).netloc.rpartition("@")
    return bool(at) and ":" in user_info and _is_value(user_info.partition(":")[2])


def _names_secret(name: str) -> bool:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    return _SECRET_NAME.search(spaced) is not None


def _is_value(text: str) -> bool:
    """Whether something secret remains once references and words without meaning are gone."""
    scheme = _SCHEME_WORD.fullmatch(text)
    rest = REFERENCE.sub("", scheme[1] if scheme else text).strip()
    return rest.lower() not in PLAIN_VALUES


def _looks_issued(text: str) -> bool:
    return any(
        _ISSUED.search(read) is not None or any(map(_is_random, _WORD.findall(read)))
        for read in _readings(text)
    )


def _readings(text: str) -> Iterator[str]:
    without = _PINNED_BY.sub("", REFERENCE.sub("", text))
    yield without
    if "%" in without:
        yield unquote(without)


def _is_random(word: str) -> bool:
    """Whether a word has the mixture of a key: no path, no name, no plain number."""
    kinds = sum(any(map(test, word)) for test in (str.islower, str.isupper, str.isdigit))
    has_digit = any(map(str.isdigit, word))
    is_mixed = has_digit and (kinds == 3 or (kinds == 2 and len(word) >= 32))
    runs = _RUN.findall(word)
    return (
        is_mixed
        and len(word) / len(runs) <= RUN_CHARACTERS_MAX
        and _bits(word) >= RANDOM_BITS_PER_CHARACTER
    )


def _bits(word: str) -> float:
    """Return the entropy of a word's characters, in bits for each."""
    total = len(word)
    return -sum(n / total * math.log2(n / total) for n in Counter(word).values())


__all__ = ["has_secret_argument", "has_secret_in_url"]
