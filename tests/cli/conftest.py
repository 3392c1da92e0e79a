"""Machines for the command line, and a server on one that many tests may read from."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.machine import Machine, Up, start_up, stop_up

StartUp = Callable[..., Up]


@pytest.fixture(scope="session")
def bytecode(request: pytest.FixtureRequest) -> Path:
    """Where compiled modules are kept from one run of the tests to the next."""
    assert request.config.cache is not None
    return request.config.cache.mkdir("bytecode")


@pytest.fixture
def machine(tmp_path: Path, bytecode: Path) -> Machine:
    made = Machine(tmp_path, bytecode)
    made.make_workspace()
    return made


@pytest.fixture
def start() -> Iterator[StartUp]:
    """Starts `driftpin up`, as often as a test wants; all of them end with the test."""
    started: list[Up] = []

    def start_one(machine: Machine, *arguments: str, directory: Path | None = None) -> Up:
        started.append(start_up(machine, *arguments, directory=directory))
        return started[-1]

    yield start_one
    for up in started:
        stop_up(up)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Iterator[Machine]:
    """A machine on which `driftpin up` runs."""
    machine = Machine(tmp_path_factory.mktemp("served"), bytecode)
    machine.make_workspace()
    up = start_up(machine)
    yield machine
    stop_up(up)
