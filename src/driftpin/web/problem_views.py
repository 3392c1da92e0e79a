"""Why something was refused, and signing in, as a person reads it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemShown:
    """A refusal, and where to go from there."""

    status: int
    title: str
    detail: str
    code: str
    back: str = "/"
    back_words: str = "To the chats"


@dataclass(frozen=True, slots=True)
class SignInShown:
    """The page of whoever is not signed in; whoever `has_link` need only press its button."""

    detail: str = ""
    has_link: bool = False


__all__ = ["ProblemShown", "SignInShown"]
