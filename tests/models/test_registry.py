import subprocess
import sys

import pytest

from driftpin.errors import Rejected
from driftpin.models.offline import OfflineModel
from driftpin.models.provider import ProviderModel
from driftpin.models.registry import get_model, known_models


def test_the_offline_model_needs_nothing() -> None:
    assert isinstance(get_model("offline", {}), OfflineModel)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("anthropic:claude-x", "ANTHROPIC_API_KEY"),
        ("openai:gpt-x", "OPENAI_API_KEY"),
        ("google:gemini-x", "GEMINI_API_KEY"),
        ("scripted", "DRIFTPIN_SCRIPT"),
    ],
)
def test_what_is_missing_is_named_by_its_variable(name: str, variable: str) -> None:
    with pytest.raises(Rejected) as refused:
        get_model(name, {})
    assert refused.value.code == "model_key_missing"
    assert refused.value.fields["variable"] == variable
    assert variable in refused.value.message


@pytest.mark.parametrize("name", ["", "gpt-4", "openai:", "nobody:model", ":x"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(Rejected) as refused:
        get_model(name, {"OPENAI_API_KEY": "k"})
    assert refused.value.code == "model_unknown"
    assert "offline" in refused.value.message


def test_a_provider_model_is_had_without_importing_or_contacting_anything() -> None:
    model = get_model("ollama:llama", {"OLLAMA_HOST": "127.0.0.1:1"})
    assert isinstance(model, ProviderModel)
    assert model.name == "ollama:llama"
    assert model.context_budget_tokens > 0


def test_every_known_model_says_what_it_lacks() -> None:
    lacking = {known.name: known.missing for known in known_models({"OPENAI_API_KEY": "k"})}
    assert lacking["offline"] == lacking["openai:<model>"] == lacking["ollama:<model>"] == ""
    assert lacking["anthropic:<model>"] == "ANTHROPIC_API_KEY"
    assert lacking["scripted"] == "DRIFTPIN_SCRIPT"


def test_the_room_imports_no_providers_library() -> None:
    code = (
        "import sys, driftpin.models.registry\n"
        "print([n for n in ('pydantic_ai', 'openai', 'anthropic', 'google.genai') "
        "if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
