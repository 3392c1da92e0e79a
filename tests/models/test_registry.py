import subprocess
import sys
from pathlib import Path

import pytest

from driftpin.errors import Rejected
from driftpin.models import aws
from driftpin.models.offline import OfflineModel
from driftpin.models.provider import ProviderModel
from driftpin.models.registry import PROVIDERS, SCRIPT_VARIABLE, get_model, known_models


def test_the_offline_model_needs_nothing() -> None:
    assert isinstance(get_model("offline", {}), OfflineModel)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("anthropic:claude-x", "ANTHROPIC_API_KEY"),
        ("openai:gpt-x", "OPENAI_API_KEY"),
        ("google:gemini-x", "GEMINI_API_KEY"),
        ("bedrock:anthropic.claude-x", "AWS_ACCESS_KEY_ID"),
        ("scripted", "DRIFTPIN_SCRIPT"),
    ],
)
def test_what_is_missing_is_named_by_its_variable(name: str, variable: str) -> None:
    with pytest.raises(Rejected) as refused:
        get_model(name, {})
    assert refused.value.code == "model_key_missing"
    assert refused.value.fields["variable"] == variable
    assert variable in refused.value.message


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        (("AWS_ACCESS_KEY_ID", "AWS_REGION"), "AWS_SECRET_ACCESS_KEY"),
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "AWS_REGION"),
        (("AWS_BEARER_TOKEN_BEDROCK",), "AWS_REGION"),
        (("AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_PROFILE"), "AWS_ACCESS_KEY_ID"),
    ],
)
def test_bedrock_names_what_it_lacks(given: tuple[str, ...], variable: str) -> None:
    with pytest.raises(Rejected) as refused:
        get_model("bedrock:anthropic.claude-x", dict.fromkeys(given, "x"))
    assert refused.value.fields["variable"] == variable


@pytest.mark.parametrize(
    "given",
    [
        ("AWS_BEARER_TOKEN_BEDROCK", "AWS_DEFAULT_REGION"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"),
    ],
)
def test_bedrock_is_had_with_either_key_and_either_region(given: tuple[str, ...]) -> None:
    model = get_model("bedrock:eu.anthropic.claude-x-v1:0", dict.fromkeys(given, "x"))
    assert model.name == "bedrock:eu.anthropic.claude-x-v1:0"


def test_every_variable_stands_on_the_page_about_models() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/models.md").read_text(encoding="utf-8")
    named = {name for needs in PROVIDERS for name in (*needs.keys, needs.url) if name}
    named |= {aws.BEARER, aws.KEY_ID, aws.SECRET, aws.SESSION_TOKEN, *aws.REGIONS, *aws.URLS}
    assert {name for name in named | {SCRIPT_VARIABLE} if f"`{name}`" not in page} == set()
    assert {known.name for known in known_models({}) if f"`{known.name}`" not in page} == set()


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
        "print([n for n in ('pydantic_ai', 'openai', 'anthropic', 'google.genai', 'botocore') "
        "if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
