"""Pins that are built from plain texts."""

import pytest

from pinned_texts import MakePin, make_pin


@pytest.fixture(name="make_pin", scope="session")
def _make_pin() -> MakePin:
    return make_pin
