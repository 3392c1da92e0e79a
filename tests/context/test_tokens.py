import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.world import World
from driftpin.context.tokens import (
    PromptPiece,
    cost_of_refresh,
    estimate_tokens,
    pieces_of,
    prompt_pieces,
)
from driftpin.identity import digest_of

PROSE = """\
Run the whole test suite before you push, and say in the commit what failed and why. \
Never edit generated files by hand: change the template and run the generator again. \
Ask before you add a dependency.
"""
MARKDOWN = """\
# Rules

- Indent with **two spaces**; see [the guide](docs/style.md).
- Run `make check` before a commit.
- Names are `snake_case`, classes `CamelCase`.

```bash
./scripts/test -k login --maxfail=1
```
"""
PYTHON = '''\
def read_rows(path: Path, limit: int = 100) -> list[Row]:
    """Return the first rows of a table."""
    with path.open(encoding="utf-8") as opened:
        return [Row.parse(line) for line in islice(opened, limit) if line.strip()]
'''
SCHEMA = """\
{"description":"Search issues.","inputSchema":{"properties":{"limit":{"maximum":100,"type":\
"integer"},"query":{"description":"Words to look for.","type":"string"}},"required":["query"],\
"type":"object"},"name":"search_issues"}"""
CHINESE = "提交之前请运行全部测试并说明失败的原因 不要手工修改生成的文件\n"
RUSSIAN = "Перед отправкой изменений запустите все тесты и напишите, что сломалось и почему.\n"
# What the published tokenizers cl100k_base and o200k_base make of each text.
COUNTED = {
    "prose": (PROSE, (42, 42)),
    "markdown": (MARKDOWN, (61, 60)),
    "python": (PYTHON, (63, 64)),
    "schema": (SCHEMA, (48, 52)),
    "chinese": (CHINESE, (23, 20)),
    "russian": (RUSSIAN, (31, 21)),
}


def piece(name: str, content: str, tokens: int) -> PromptPiece:
    return PromptPiece(name, "", digest_of(content.encode()), tokens)


def test_nothing_costs_nothing_and_one_letter_costs_one() -> None:
    assert estimate_tokens(b"") == 0
    assert estimate_tokens(b"a") == 1


def test_prose_comes_to_about_four_thirds_of_its_words() -> None:
    prose = "Please run the whole test suite before you push, and say what failed. " * 50
    assert 1.05 < estimate_tokens(prose.encode()) / len(prose.split()) < 1.6


def test_chinese_comes_to_about_one_a_character() -> None:
    assert 75 <= estimate_tokens(("请在提交前运行测试套件" * 10)[:100].encode()) <= 130


@pytest.mark.parametrize(("text", "counted"), COUNTED.values(), ids=COUNTED.keys())
def test_the_estimate_is_near_what_tokenizers_count(text: str, counted: tuple[int, int]) -> None:
    estimate = estimate_tokens(text.encode())
    assert abs(estimate / max(counted) - 1) < 0.3


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


def test_instruction_files_stand_in_their_order_of_precedence(world: World) -> None:
    sources = ("workspace:AGENTS.md", "zeta:AGENTS.md", "user:.claude/CLAUDE.md")
    snapshot = world.snapshot(*(world.instruction("x", source=source) for source in sources))
    found = prompt_pieces(snapshot, lambda _: 1)
    assert [part.source for part in found] == [
        "zeta:AGENTS.md",
        "user:.claude/CLAUDE.md",
        "workspace:AGENTS.md",
    ]


def test_what_is_not_ok_costs_nothing(world: World) -> None:
    hole = world.server(None)
    assert pieces_of(hole, lambda _: 1) == ()
