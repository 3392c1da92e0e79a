import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent / "mounted_root.py"


def test_x46_a_place_that_nothing_is_mounted_on_any_more_is_no_empty_workspace(
    tmp_path: Path,
) -> None:
    place = tmp_path / "workspace"
    place.mkdir()
    told = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, PROGRAM, place],
        check=True,
        capture_output=True,
    ).stdout
    mounted, unmounted, again = map(json.loads, told.splitlines())
    assert mounted == again == [["workspace:AGENTS.md"], []]
    assert unmounted == [["workspace:AGENTS.md"], ["root_unmounted:workspace"]]
