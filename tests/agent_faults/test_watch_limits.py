import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "watch_limits.py"
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], list[str]]]:
    search = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(TESTS)])
    ended = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            sys.executable,
            PROGRAM,
            tmp_path_factory.mktemp("w"),
        ],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search},
    )
    return {
        name: (degraded, seen)
        for name, degraded, seen in map(json.loads, ended.stdout.splitlines())
    }


@pytest.mark.parametrize("name", ["max_inotify_instances", "max_inotify_watches"])
def test_x45_without_watches_it_is_told_rescans_keep_the_truth_and_watching_comes_back(
    told: dict[str, tuple[list[str], list[str]]], name: str
) -> None:
    degraded, seen = told[name]
    assert degraded == ["watch_failed", ""]
    assert seen == ["one\n", "two\n"]
