"""Reading event streams byte by byte."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from driftpin.client.streams import EventParser, Streamed

WRITTEN = (
    ": a comment\n\n"
    "event: one\nid: c1\ndata: {}\n\n"
    "data: first\ndata: second\n\n"
    "id: c2\n\n"
    "event: three\r\ndata: é\u2028x\r\n\r\n"
).encode()
EVENTS = [
    Streamed("one", "{}", "c1"),
    Streamed("message", "first\nsecond", "c1"),
    Streamed("three", "é\u2028x", "c2"),
]


@given(st.lists(st.integers(0, len(WRITTEN)), max_size=20))
def test_events_are_the_same_however_their_bytes_are_cut(cuts: list[int]) -> None:
    parser = EventParser()
    places = [0, *sorted(cuts), len(WRITTEN)]
    found = [event for start, end in pairwise(places) for event in parser.feed(WRITTEN[start:end])]
    assert found == EVENTS
    assert parser.cursor == "c2"
