import pytest

from driftpin.credentials import TokenKind, mint_token, read_token
from driftpin.errors import Unauthenticated


@pytest.mark.parametrize(
    ("kind", "prefix"), [(TokenKind.USER, "dp_u_"), (TokenKind.AGENT, "dp_a_")]
)
def test_a_minted_token_is_read_as_what_it_is(kind: TokenKind, prefix: str) -> None:
    token, credential = mint_token(kind)
    assert token.startswith(prefix)
    assert len(token) == 53
    assert read_token(token) == credential
    assert credential.kind is kind


def test_tokens_differ() -> None:
    assert len({mint_token(TokenKind.USER)[0] for _ in range(100)}) == 100


def test_h2_any_changed_character_is_refused() -> None:
    token, _ = mint_token(TokenKind.USER, lambda size: bytes(range(size)))
    for place in range(5, len(token)):
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(Unauthenticated):
            read_token(token[:place] + other + token[place + 1 :])


def test_h2_the_checksum_covers_the_kind() -> None:
    token, _ = mint_token(TokenKind.USER)
    with pytest.raises(Unauthenticated):
        read_token(token.replace("dp_u_", "dp_a_"))


@pytest.mark.parametrize("bad", ["", "dp_u_", "dp_x_" + "A" * 48, "dp_u_" + "A" * 48, "x" * 10_000])
def test_h2_other_shapes_are_refused(bad: str) -> None:
    with pytest.raises(Unauthenticated):
        read_token(bad)


@pytest.mark.parametrize("around", ["{}\n", " {}", "{} ", "{}=", "{}\0"])
def test_h10_nothing_is_trimmed(around: str) -> None:
    token, _ = mint_token(TokenKind.USER)
    with pytest.raises(Unauthenticated):
        read_token(around.format(token))
