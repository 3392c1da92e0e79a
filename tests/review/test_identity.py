"""A finding keeps its id through edits, and never gets a second one."""

import random

import pytest

from driftpin.review.deciding import Decided
from driftpin.review.finding import State
from review.edits import EDITS, Edit, Tree, make_tree
from review.pure import decided, inputs_of, said, state_after
from review.world import Claim, answer, claim

TREES_PER_EDIT = 66
KEPT_MIN = 0.99
WORDS = (
    "the value is used before it is checked",
    "a caller that passes nothing gets nothing back",
    "the lock is not held while the state changes",
)


def raised(tree: Tree, mark: int, statement: str) -> str:
    """The claim of a reviewer who looks at the marked line as it is now."""
    path, number = tree.where(mark)
    quote = tree.files[path].text.split("\n")[number - 1]
    return answer(claim(path, number, quote, statement, category="correctness"))


def pick(tree: Tree) -> int:
    """A line of a body, never the first of a function."""
    module = tree.files[tree.random.choice(sorted(tree.files))]
    function = tree.random.choice(module.functions)
    return tree.random.choice(function[1:]).mark


def outcome_of(seed: int, edits: tuple[Edit, ...]) -> tuple[bool, int]:
    """Whether the finding kept its id after edits, and how many live ids there are for it."""
    tree = make_tree(seed)
    mark = pick(tree)
    statement = tree.random.choice(WORDS)
    before = tree.texts()
    first = decided(inputs_of(before), [said("panel.edge-cases", raised(tree, mark, statement))])
    for edit in edits:
        edit(tree, mark)
    inputs = inputs_of(tree.texts(), last=before, number=2, renames=tree.renames)
    again = [said("panel.edge-cases", raised(tree, mark, statement))]
    second = decided(inputs, again, [first.event])
    live = state_after(first, second).live
    return [each.id for each in live] == ["CRF-1"], len(live)


def test_ids_survive_a_corpus_of_edits() -> None:
    kept: dict[str, list[bool]] = {edit.__name__: [] for edit in EDITS}
    for number, edit in enumerate(EDITS):
        for seed in range(TREES_PER_EDIT):
            same, live = outcome_of(1_000 * number + seed, (edit,))
            assert live == 1, f"{edit.__name__} {seed}: {live} live ids"
            kept[edit.__name__].append(same)
    every = [same for each in kept.values() for same in each]
    assert len(every) >= 500
    assert sum(every) >= KEPT_MIN * len(every), {name: sum(each) for name, each in kept.items()}


def test_ids_survive_two_edits_at_once() -> None:
    chance = random.Random(7)
    found = [outcome_of(seed, tuple(chance.sample(EDITS, k=2))) for seed in range(60)]
    assert all(live == 1 for _, live in found)
    assert sum(same for same, _ in found) >= 59


def test_two_defects_of_one_function_keep_two_ids() -> None:
    text = "def f(value):\n    a = value[0]\n    b = open(value)\n    return a, b\n"
    claims = [
        claim("f.py", 2, "a = value[0]", "an empty list breaks the first read"),
        claim("f.py", 3, "b = open(value)", "a file handle leaks for ever", category="leak"),
    ]
    first = decided(inputs_of({"f.py": text}), [said("panel.edge-cases", answer(*claims))])
    assert [each.id for each in first.event.findings] == ["CRF-1", "CRF-2"]
    moved = [dict(each, line=each["line"] + 1) for each in claims]
    inputs = inputs_of({"f.py": "import os\n" + text}, last={"f.py": text}, number=2)
    second = decided(inputs, [said("panel.edge-cases", answer(*moved))], [first.event])
    assert [each.id for each in second.event.findings] == ["CRF-1", "CRF-2"]
    assert [each.place.first for each in second.event.findings] == [3, 4]


def test_findings_whose_code_becomes_one_are_one_and_the_graver_of_both() -> None:
    text = "def f(value):\n    return value[0]\n"
    claims = [
        claim(path, 2, "return value[0]", "an empty list breaks it", severity=severity)
        for path, severity in (("a.py", "P3"), ("b.py", "P2"))
    ]
    both = {"a.py": text, "b.py": text}
    first = decided(inputs_of(both), [said("panel.edge-cases", answer(*claims))])
    assert [(each.id, each.place.path) for each in first.event.findings] == [
        ("CRF-1", "b.py"),
        ("CRF-2", "a.py"),
    ]
    one_left = inputs_of({"a.py": text}, last=both, number=2)
    second = decided(one_left, [], [first.event])
    kept, merged = second.event.findings
    assert (kept.state, kept.severity.value, kept.place.path) == (State.OPEN, "P2", "a.py")
    why = "round 2: its code and that of CRF-1 have become one"
    assert (merged.state, merged.why) == (State.MERGED, why)
    assert [each.id for each in state_after(first, second).live] == ["CRF-1"]
    again = said("panel.edge-cases", answer(claims[0]))
    third = decided(
        inputs_of({"a.py": text}, last={"a.py": text}, number=3),
        [again],
        [first.event, second.event],
    )
    assert [each.state for each in third.event.findings] == [State.OPEN, State.MERGED]


@pytest.mark.parametrize("seed", range(12))
def test_the_order_in_which_reviewers_answer_changes_nothing(seed: int) -> None:
    tree = make_tree(seed)
    chance = random.Random(seed)
    spoken: dict[str, list[Claim]] = {}
    for role in ("edge-cases", "structure", "security", "test-auditor", "style"):
        spoken[role] = []
        for _ in range(4):
            path, number = tree.where(pick(tree))
            quote = tree.files[path].text.split("\n")[number - 1]
            severity = chance.choice(["P1", "P2", "P3", "Nit"])
            statement = chance.choice(WORDS)
            spoken[role].append(claim(path, number, quote, statement, severity=severity))
    inputs = inputs_of(tree.texts())

    def outcome() -> Decided:
        order = chance.sample(sorted(spoken), k=len(spoken))
        mixed = {role: chance.sample(spoken[role], k=4) for role in order}
        return decided(inputs, [said(f"panel.{role}", answer(*mixed[role])) for role in order])

    assert outcome() == outcome() == outcome()


def test_a_finding_whose_code_is_gone_is_not_lost() -> None:
    text = "def f(value):\n    return value[0]\n"
    first = decided(
        inputs_of({"f.py": text}),
        [said("panel.edge-cases", answer(claim("f.py", 2, "return value[0]", "empty breaks")))],
    )
    inputs = inputs_of({"g.py": "x = 1\n"}, last={"f.py": text}, number=2)
    gone = decided(inputs, [], [first.event])
    assert [each.state for each in gone.event.findings] == [State.OPEN]
    assert gone.gaps.cannot_tell == ("CRF-1",)
