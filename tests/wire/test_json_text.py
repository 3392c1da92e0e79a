import json

import pytest

from driftpin import limits
from driftpin.errors import DriftpinError, Malformed, Rejected
from driftpin.wire.json_text import parse_json


def refused(body: bytes) -> DriftpinError:
    with pytest.raises(DriftpinError) as caught:
        parse_json(body)
    return caught.value


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        pytest.param(b'{"a": }', 6, id="f1-broken"),
        pytest.param(b"", 0, id="f1-empty"),
        pytest.param(b'{"a": 1', 7, id="f1-cut"),
        pytest.param('{"é": }'.encode(), 7, id="f1-offset-counts-bytes"),
        pytest.param(b'{"a": NaN}', 6, id="e30-nan"),
        pytest.param(b'{"a": -Infinity}', 6, id="e30-infinity"),
        pytest.param(b'{"a": 1e400}', 6, id="e30-1e400"),
        pytest.param(b"[" + b"9" * 5_000 + b"]", 1, id="e30-5000-digits"),
        pytest.param(b'"\\ud800"', 1, id="b15-lone-surrogate"),
        pytest.param(b'{"\\udfff": 1}', 2, id="b15-lone-surrogate-in-a-key"),
        pytest.param(b"\xef\xbb\xbf{}", 0, id="byte-order-mark"),
        pytest.param(b"\xff\xfe{\0}\0", 0, id="utf-16"),
        pytest.param(b'"\xff"', 1, id="not-utf8"),
        pytest.param(b'"\x00"', 1, id="raw-nul"),
        pytest.param(b'"\n"', 1, id="raw-control"),
        pytest.param(b"1 2", 2, id="two-values"),
    ],
)
def test_what_is_not_json_everywhere_is_bad_json_at_its_offset(body: bytes, offset: int) -> None:
    error = refused(body)
    assert isinstance(error, Malformed)
    assert (error.code, error.fields["offset"]) == ("bad_json", offset)


def test_e29_a_duplicate_key_is_refused_at_any_depth() -> None:
    assert refused(b'[{"a": {"x": 1, "y": 2, "x": 3}}]').code == "duplicate_key"


def test_the_key_that_stands_twice_is_named_as_it_may_be_shown() -> None:
    assert refused(b'{"b": 1, "a/b": 2, "c": 3, "a/b": 4}').fields["key"] == "a~1b"
    assert refused('{"é": 1, "é": 2}'.encode()).fields["key"] == "\\xe9"


def test_values_beside_a_text_that_is_looked_through_stay_what_they_are() -> None:
    value = {"a": ["\u2028", 1, 2.5, None, True], "b": {"c": "\U0001f600"}}
    assert parse_json(json.dumps(value).encode()) == value


def test_equal_keys_in_different_objects_are_fine() -> None:
    assert parse_json(b'[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]


def test_e30_depth_64_passes_and_65_is_too_deep() -> None:
    depth = limits.JSON_DEPTH_MAX
    assert parse_json(b"[" * depth + b"]" * depth)
    assert parse_json(b"[[]," + b"[" * (depth - 1) + b"]" * depth)
    assert refused(b"[[]," + b"[" * depth + b"]" * (depth + 1)).code == "too_deep"
    assert refused(b"[" * (depth + 1) + b"]" * (depth + 1)).code == "too_deep"
    assert refused(b'{"a":' * (depth + 1) + b"1" + b"}" * (depth + 1)).code == "too_deep"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'[{"a":' * 50_000])
def test_a_hundred_thousand_open_brackets_are_too_deep(body: bytes) -> None:
    assert refused(body).code == "too_deep"


def test_brackets_inside_texts_do_not_count() -> None:
    text = "[" * 1_000 + '\\"' + "{" * 1_000
    assert parse_json(json.dumps({"a": text}).encode()) == {"a": text}


def test_many_shallow_objects_are_not_deep() -> None:
    assert parse_json(b"[" + b",".join([b"[]"] * 100_000) + b"]") == [[]] * 100_000


@pytest.mark.parametrize(
    "body", [b'"' + b'\\"' * 200_000, b'["' * 100_000, b"[" * 70 + b'"' + b"\\" * 200_001]
)
def test_unterminated_strings_are_refused_in_one_pass(body: bytes) -> None:
    assert refused(body).code in {"bad_json", "too_deep"}


def test_a_nul_in_a_text_is_a_control_character_with_its_place() -> None:
    error = refused(b'{"a": [{"b/~c": "x\\u0000"}]}')
    assert isinstance(error, Rejected)
    assert (error.code, error.fields["pointer"]) == ("control_char", "/a/0/b~1~0c")


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\U0001f600"])
def test_texts_that_only_look_odd_pass(text: str) -> None:
    assert parse_json(json.dumps(text).encode()) == text


def test_large_whole_numbers_keep_their_value() -> None:
    assert parse_json(b"18446744073709551617") == 2**64 + 1
