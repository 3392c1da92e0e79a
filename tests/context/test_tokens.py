from hypothesis import given
from hypothesis import strategies as st

from context.world import World
from driftpin.context.tokens import (
    PromptPiece,
    cost_of_refresh,
    estimate_tokens,
    prompt_pieces,
)
from driftpin.identity import digest_of


def piece(name: str, content: str, tokens: int) -> PromptPiece:
    return PromptPiece(name, "", digest_of(content.encode()), tokens)


def test_nothing_costs_nothing_and_one_letter_costs_one() -> None:
    assert estimate_tokens(b"") == 0
    assert estimate_tokens(b"a") == 1


def test_prose_comes_to_about_four_thirds_of_its_words() -> None:
    prose = "Please run the whole test suite before you push, and say what failed. " * 50
    assert 1.1 < estimate_tokens(prose.encode()) / len(prose.split()) < 1.6


def test_chinese_comes_to_about_one_a_character() -> None:
    assert 90 <= estimate_tokens(("请在提交前运行测试套件" * 10)[:100].encode()) <= 130


@given(st.binary(), st.binary())
def test_longer_text_never_costs_less(first: bytes, second: bytes) -> None:
    assert max(estimate_tokens(first), estimate_tokens(second)) <= estimate_tokens(first + second)
    assert estimate_tokens(first + second) <= estimate_tokens(first) + estimate_tokens(second)


def test_everything_from_the_first_difference_on_is_forfeited() -> None:
    pin = [piece("a", "1", 10), piece("b", "1", 20), piece("c", "1", 40)]
    head = [piece("a", "1", 10), piece("b", "2", 25), piece("c", "1", 40)]
    cost = cost_of_refresh(pin, head)
    assert (cost.gained, cost.lost, cost.forfeited) == (25, 20, 60)
    assert (cost.tokens_before, cost.tokens_after) == (70, 75)


def test_what_is_added_at_the_end_forfeits_nothing() -> None:
    pin = [piece("a", "1", 10)]
    cost = cost_of_refresh(pin, [*pin, piece("b", "1", 5)])
    assert (cost.gained, cost.lost, cost.forfeited) == (5, 0, 0)


def test_pieces_come_in_prompt_order_and_a_skill_costs_its_line(world: World) -> None:
    snapshot = world.snapshot(
        world.skill({"run.sh": "x" * 9000}),
        world.instruction("Be kind."),
        world.server({"b": "{}", "a": "[]"}, instructions="Hi"),
    )
    found = prompt_pieces(snapshot, lambda digest: len(world.blobs[digest]))
    assert [(part.source, part.path) for part in found] == [
        ("mcp:github", "instructions"),
        ("mcp:github", "tools/a"),
        ("mcp:github", "tools/b"),
        ("workspace:AGENTS.md", ""),
        ("workspace:skills/tidy", ""),
    ]
    assert found[-1].tokens < 20
