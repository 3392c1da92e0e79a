"""What the documents promise about the code stays true."""

from pathlib import Path

import pytest
import reference
from evidence_page import defects

from driftpin.chat.states import transitions_as_markdown

ROOT = Path(__file__).parents[2]


def test_the_table_of_states_is_the_one_in_the_code() -> None:
    assert transitions_as_markdown() in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_every_room_is_named_in_the_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [path.name for path in (ROOT / "src" / "driftpin").iterdir() if path.is_dir()]
    named = [room for room in rooms if room.startswith("__") or f"`{room}`" in text]
    assert sorted(named) == sorted(rooms)


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_to_files_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = [part.partition(")")[0] for part in text.split("](")[1:]]
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if target and not (ROOT / target).exists()] == []


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_generated_reference_pages_are_what_the_code_says(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), "run ./scripts/docs"


def test_every_defect_names_a_test_that_is_there() -> None:
    missing = [defect["test"] for defect in defects() if not _is_there(defect["test"])]
    assert missing == []


def _is_there(test: str) -> bool:
    path, _, name = test.partition("::")
    file = ROOT / path
    return file.is_file() and f"def {name}(" in file.read_text(encoding="utf-8")
