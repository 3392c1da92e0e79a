"""Every fuzz target: its whole corpus, and some mutations that are the same in every run."""

from itertools import islice

import pytest

from fuzz.runs import TARGETS, inputs_of
from fuzz.target import CORPUS, Target

MUTATIONS = 400
SEED = 20_260_101
NAMES = [target.name for target in TARGETS]


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_every_file_of_the_corpus_keeps_the_promises(target: Target) -> None:
    seeds = target.seeds()
    assert seeds
    with target.around(target.check) as check:
        for content in seeds:
            check(content)


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_mutations_keep_the_promises(target: Target) -> None:
    with target.around(target.check) as check:
        for content in islice(inputs_of(target, SEED), MUTATIONS):
            check(content)


def test_every_corpus_has_its_target() -> None:
    assert sorted(path.name for path in CORPUS.iterdir()) == sorted(NAMES)
