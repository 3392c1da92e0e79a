"""Which verbs a machine has: how often each is chosen, with what arguments, and when it can be.

Hypothesis leaves out half of a machine's rules in every history. The stories of pins need many
verbs together, so a machine has one rule, and that chooses among all verbs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hypothesis import strategies as st

Method = TypeVar("Method", bound=Callable[..., None])
Call = tuple[str, dict[str, Any]]
MARK = "verb"


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: `weight` is how often it is chosen beside the others."""

    weight: int
    arguments: dict[str, st.SearchStrategy[Any]]
    is_possible: Callable[[Any], bool] = _always


def verb(weight: int = 1, **arguments: st.SearchStrategy[Any]) -> Callable[[Method], Method]:
    """Make a method a verb with these arguments."""

    def mark(method: Method) -> Method:
        setattr(method, MARK, Verb(weight, arguments))
        return method

    return mark


def only_if(condition: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Let a verb be chosen only while the machine meets a condition."""

    def mark(method: Method) -> Method:
        setattr(method, MARK, replace(getattr(method, MARK), is_possible=condition))
        return method

    return mark


def calls_of(machine: type) -> st.SearchStrategy[Call]:
    """Return calls of all verbs of a machine, each as often as its weight says."""
    named = ((name, getattr(getattr(machine, name), MARK, None)) for name in dir(machine))
    known = [(name, found) for name, found in named if isinstance(found, Verb)]
    # What is chosen most stands first: that is also what a history is shortened to.
    known.sort(key=lambda found: -found[1].weight)
    return st.one_of(
        *(
            st.tuples(st.just(name), st.fixed_dictionaries(found.arguments))
            for name, found in known
            for _ in range(found.weight)
        )
    )


def is_possible(machine: Any, name: str) -> bool:
    """Whether the machine meets the condition of a verb now."""
    known: Verb = getattr(getattr(type(machine), name), MARK)
    return known.is_possible(machine)


__all__ = ["Call", "calls_of", "is_possible", "only_if", "verb"]
