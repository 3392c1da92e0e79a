"""What a call becomes when its tool refuses, and when the storage does."""

from collections.abc import Mapping

import pytest

from driftpin.chat.messages import ToolCallPart
from driftpin.chat.tools import ToolDefinition, ToolResult
from driftpin.errors import DriftpinError, NotFound, StorageTrouble
from driftpin.runner.toolbox import Toolbox
from driftpin.store.failures import StorageBusy


class Refusing:
    """A source with one tool, which refuses."""

    definitions = (ToolDefinition("refuse", "Refuses.", {"type": "object"}),)

    def __init__(self, refusal: DriftpinError) -> None:
        self.refusal = refusal

    async def call(self, call: ToolCallPart, arguments: Mapping[str, object]) -> ToolResult:
        raise self.refusal


CALL = ToolCallPart("call-1", "refuse", "{}")


async def test_a_refusal_is_a_result_for_the_model() -> None:
    refusal = NotFound("There is no such file.", code="file_not_found")
    result = await Toolbox([Refusing(refusal)]).carry_out(CALL)
    assert (result.is_error, result.code) == (True, "file_not_found")
    assert result.content == "There is no such file."


async def test_trouble_with_the_storage_is_none_of_the_calls() -> None:
    with pytest.raises(StorageTrouble):
        await Toolbox([Refusing(StorageBusy())]).carry_out(CALL)
