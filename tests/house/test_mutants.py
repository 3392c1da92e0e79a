"""The planted bugs of `./scripts/mutate`: each is one, and each module has tests to notice it."""

import ast
import importlib.util
from pathlib import Path

import proved_modules
import pytest
from mutants import mutants_of
from planting import plant
from proved_modules import ROOT, all_tests, modules

SOURCE = """\
def f(a, b):
    if a < b and g(a, b):
        log(a)
        return 1
    return a == b
"""


def test_every_operator_plants_one_bug_at_a_time(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(SOURCE, encoding="utf-8")
    found = mutants_of(module)
    whole = ast.unparse(ast.parse(SOURCE))
    assert {mutant.operator for mutant in found} == {
        *("comparison", "boolean", "negated condition", "swapped arguments", "dropped statement"),
        "constant",
    }
    changed = [
        [line for line in mutant.source.splitlines() if line not in whole.splitlines()]
        for mutant in found
    ]
    assert [len(lines) for lines in changed] == [1] * len(found)
    assert len({mutant.source for mutant in found}) == len(found)


def test_a_planted_bug_is_met_by_whoever_imported_the_function_before(tmp_path: Path) -> None:
    path = tmp_path / "planted.py"
    path.write_text("def small(a):\n    return a < 5\n\ndef other(a):\n    return a\n", "utf-8")
    spec = importlib.util.spec_from_file_location("planted", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    small, other = module.small, module.other
    assert (small(5), other(5)) == (False, 5)
    plant(next(mutant for mutant in mutants_of(path) if mutant.operator == "comparison"))
    assert (small(5), other(5)) == (True, 5)


def test_what_has_no_effect_on_the_product_is_no_bug(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    source = "async def f(log, store):\n    log.warning(store)\n    await store.reach(store)\n"
    module.write_text(source, encoding="utf-8")
    assert mutants_of(module) == ()


@pytest.mark.parametrize("module", modules(), ids=lambda path: path.stem)
def test_every_module_of_the_list_is_there_and_has_its_tests(module: Path) -> None:
    assert module.is_file()
    assert all((ROOT / test).exists() for test in proved_modules.tests_of(module))


def test_the_tests_of_all_modules_are_named_once() -> None:
    named = all_tests()
    assert len(set(named)) == len(named)
