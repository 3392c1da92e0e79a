"""Made-up calls to every operation of the API; the long run is `./scripts/chaos api`."""

import pytest

from api_fuzz.runs import Fuzzer, fuzz, served_world
from outcome import Outcome

SHARES = 6
EXAMPLES = 50


@pytest.mark.parametrize("share", range(SHARES))
def test_no_call_faults_and_every_answer_is_as_described(database_url: str, share: int) -> None:
    outcome = fuzz(database_url, EXAMPLES, 1, (share, SHARES))
    assert outcome.broken == []


def test_an_answer_that_is_not_as_described_is_found(database_url: str) -> None:
    outcome = Outcome()
    with served_world(database_url) as world:
        fuzzer = Fuzzer(world, outcome, 20, 1)
        document = fuzzer.description()
        document["components"]["schemas"]["UserShape"]["required"].append("colour")
        document["paths"]["/api/v1"]["get"]["security"] = [{"token": []}]
        for operation in fuzzer.operations(document):
            if operation.label in ("GET /api/v1/me", "GET /api/v1"):
                fuzzer.try_out(operation)
        fuzzer.close()
    assert any("colour" in broken for broken in outcome.broken)
    assert any("let nobody in" in broken for broken in outcome.broken)
