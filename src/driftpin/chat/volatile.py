"""What changes by itself: said behind the history, so that nothing in front of it moves."""

from dataclasses import dataclass

from driftpin.chat import markers
from driftpin.chat.cleaning import clean_line


@dataclass(frozen=True, slots=True)
class VolatileNotes:
    """What is true at this moment only; an empty field is not mentioned.

    `date` as `2026-03-01`; `drift` in one line, such as `dirty since 10:42, behavioural`.
    """

    date: str = ""
    branch: str = ""
    working_directory: str = ""
    drift: str = ""


def render_volatile(notes: VolatileNotes) -> str:
    """Return the block that is sent after the last message, or nothing when there is nothing."""
    named = (
        ("Date", notes.date),
        ("Branch", notes.branch),
        ("Working directory", notes.working_directory),
        ("Context", notes.drift),
    )
    lines = [f"{name}: {clean_line(value)}" for name, value in named if clean_line(value)]
    if not lines:
        return ""
    text = "\n".join([markers.VOLATILE_OPEN, *lines, markers.VOLATILE_CLOSE])
    assert markers.marks_in(text) == 2, "a note imitates the prompt's structure"
    return text


__all__ = ["VolatileNotes", "render_volatile"]
