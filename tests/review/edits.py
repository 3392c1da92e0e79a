"""A corpus of edits as people make them, each with a finding whose true line is known.

Lines carry a mark of their own through every edit, so where a finding went is known without any
of the code under test. Bodies are alike on purpose: many functions have the very same lines.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

NAMES = ("load", "store", "check", "parse", "render", "merge", "split", "close", "open_all", "find")
BODIES = (
    ("    if not value:", "        return None"),
    ("    for each in value:", "        total += each"),
    ("    with lock:", "        state.count += 1"),
    ("    try:", "        result = call(value)", "    except OSError:", "        result = None"),
    ("    value = value.strip()",),
    ("    log.debug('called')",),
)


@dataclass
class Line:
    text: str
    mark: int


Function = list[Line]


@dataclass
class Module:
    """A file: functions with blank lines between them."""

    functions: list[Function]
    top: list[Line]

    def lines(self) -> list[Line]:
        found = list(self.top)
        for function in self.functions:
            found += [Line("", -1), Line("", -1), *function]
        return found

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines()) + "\n"


@dataclass
class Tree:
    """Files by path, and what was renamed."""

    random: random.Random
    files: dict[str, Module] = field(default_factory=dict)
    renames: dict[str, str] = field(default_factory=dict)
    marks: Iterator[int] = field(default_factory=count)

    def line(self, text: str) -> Line:
        return Line(text, next(self.marks))

    def function(self, name: str) -> Function:
        bodies = self.random.sample(BODIES, k=self.random.randint(2, 4))
        texts = [f"def {name}(value):", *(text for body in bodies for text in body)]
        return [self.line(text) for text in [*texts, f"    return {name}_done(value)"]]

    def texts(self) -> dict[str, str]:
        return {path: module.text for path, module in self.files.items()}

    def where(self, mark: int) -> tuple[str, int]:
        """The path and the number of a marked line."""
        for path, module in self.files.items():
            for number, line in enumerate(module.lines(), start=1):
                if line.mark == mark:
                    return path, number
        raise AssertionError("the line is gone")


def make_tree(seed: int) -> Tree:
    tree = Tree(random.Random(seed))
    for path in ("one.py", "two.py"):
        names = tree.random.sample(NAMES, k=5)
        functions = [tree.function(f"{name}_{path[:3]}") for name in names]
        tree.files[path] = Module(functions, [tree.line("import os")])
    return tree


def _any_module(tree: Tree) -> Module:
    return tree.files[tree.random.choice(sorted(tree.files))]


def shift(tree: Tree, mark: int) -> None:
    """Put lines and whole functions above it."""
    path, _ = tree.where(mark)
    module = tree.files[path]
    module.top += [
        tree.line(f"import module_{index}") for index in range(tree.random.randint(1, 30))
    ]
    module.functions.insert(0, tree.function(f"new_{tree.random.randint(0, 99)}"))


def rename(tree: Tree, mark: int) -> None:
    """Give its file another name."""
    path, _ = tree.where(mark)
    to = f"moved/{path}"
    tree.files[to] = tree.files.pop(path)
    tree.renames[path] = to


def reindent(tree: Tree, mark: int) -> None:
    """Put its function inside a class."""
    path, _ = tree.where(mark)
    module = tree.files[path]
    for index, function in enumerate(module.functions):
        if any(line.mark == mark for line in function):
            inner = [Line(f"    {line.text}", line.mark) for line in function]
            module.functions[index] = [tree.line(f"class Holder{index}:"), *inner]


def move(tree: Tree, mark: int) -> None:
    """Move its function to another place of its file."""
    path, _ = tree.where(mark)
    tree.random.shuffle(tree.files[path].functions)


def move_away(tree: Tree, mark: int) -> None:
    """Move its function to the other file."""
    path, _ = tree.where(mark)
    other = next(each for each in sorted(tree.files) if each != path)
    functions = tree.files[path].functions
    chosen = next(each for each in functions if any(line.mark == mark for line in each))
    functions.remove(chosen)
    places = tree.files[other].functions
    places.insert(tree.random.randint(0, len(places)), chosen)


def edit_beside(tree: Tree, mark: int) -> None:
    """Change the lines around it."""
    path, _ = tree.where(mark)
    for function in tree.files[path].functions:
        for index, line in enumerate(function):
            if line.mark == mark:
                function.insert(index + 1, tree.line("    note(value)"))
                function.insert(max(index, 1), tree.line("    prepare(value)"))
                return


def edit_it(tree: Tree, mark: int) -> None:
    """Change a word of the line itself."""
    path, _ = tree.where(mark)
    for function in tree.files[path].functions:
        for line in function:
            if line.mark == mark:
                line.text = line.text.replace("value", "item").replace("result", "answer")


def rebase(tree: Tree, mark: int) -> None:
    """Let other people's work come in below and above, in both files."""
    for module in tree.files.values():
        module.functions.insert(
            tree.random.randint(0, len(module.functions)),
            tree.function(f"theirs_{tree.random.randint(100, 999)}"),
        )


Edit = Callable[[Tree, int], None]
EDITS: tuple[Edit, ...] = (shift, rename, reindent, move, move_away, edit_beside, edit_it, rebase)
