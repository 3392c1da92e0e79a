"""A small change with a defect, and its fix."""

from review.world import World, claim

BASE = "def add(a, b):\n    return a + b\n"
MEAN = "\n\ndef mean(values):\n    return sum(values) / len(values)\n"
BAD = claim("calc.py", 6, "return sum(values) / len(values)", "mean of nothing divides by zero")
FIXED = BASE + MEAN.replace("    return", "    if not values:\n        return 0\n    return")


def begin(world: World) -> None:
    """A base with rules, and a change of three files on it."""
    world.repo.put("AGENTS.md", "# Rules\n\nBe exact.\n")
    world.repo.write(calc=BASE)
    world.repo.commit("base")
    world.repo.git("tag", "base")
    world.repo.write(calc=BASE + MEAN, one="x = 1\n", two="y = 2\n")
    world.repo.commit("Add mean")
