"""Which models there are, what each needs, and how one is had by its name.

Keys come from the environment of the server under the names that everybody uses, never from a
file of a workspace.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.errors import Rejected
from driftpin.models import aws, offline, scripted
from driftpin.models.offline import OfflineModel
from driftpin.models.port import Model
from driftpin.models.provider import ProviderAccess, ProviderKind, ProviderModel
from driftpin.models.scripted import ScriptedModel, Wait, load_script

SCRIPT_VARIABLE: Final = "DRIFTPIN_SCRIPT"
_OLLAMA_URL: Final = "http://127.0.0.1:11434"


@dataclass(frozen=True, slots=True)
class ProviderNeeds:
    """What a family of models needs from the environment.

    `keys` are the variables that may hold the key, the first of them preferred; none are needed
    where the list is empty. `url` is the variable that points somewhere else than at the provider.
    What Bedrock needs is more than a key; `aws` knows it.
    """

    kind: ProviderKind
    keys: tuple[str, ...]
    url: str
    context_budget_tokens: int


PROVIDERS: Final = (
    ProviderNeeds(ProviderKind.ANTHROPIC, ("ANTHROPIC_API_KEY",), "ANTHROPIC_BASE_URL", 150_000),
    ProviderNeeds(ProviderKind.BEDROCK, (), "", 150_000),
    ProviderNeeds(
        ProviderKind.GOOGLE, ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "GEMINI_BASE_URL", 500_000
    ),
    ProviderNeeds(ProviderKind.OLLAMA, (), "OLLAMA_HOST", 24_000),
    ProviderNeeds(ProviderKind.OPENAI, ("OPENAI_API_KEY",), "OPENAI_BASE_URL", 100_000),
)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A name, or a family of names, and whether it can be used here; `missing` says what is not."""

    name: str
    missing: str = ""


def get_model(name: str, environment: Mapping[str, str], *, wait: Wait | None = None) -> Model:
    """Return the model of that name: `offline`, `scripted` or `provider:model`.

    Nothing is imported or contacted. Raises Rejected `model_unknown`, `model_key_missing` naming
    the variable, `model_library_missing`, or `bad_script`. `wait` replaces the waiting of a script.
    """
    if name == offline.NAME:
        return OfflineModel()
    if name == scripted.NAME:
        return _scripted(environment, wait)
    family, _, model = name.partition(":")
    needs = next((needs for needs in PROVIDERS if needs.kind.value == family), None)
    if needs is None or not model:
        known = ", ".join(known.name for known in known_models(environment))
        raise Rejected(f"No model is called {name!r}; known are {known}.", code="model_unknown")
    return _provided(needs, model, environment)


def known_models(environment: Mapping[str, str]) -> tuple[KnownModel, ...]:
    """Return every name or family, built-in ones first, each with what it lacks here."""
    script = "" if environment.get(SCRIPT_VARIABLE) else SCRIPT_VARIABLE
    return (
        KnownModel(offline.NAME),
        KnownModel(scripted.NAME, script),
        *(KnownModel(f"{n.kind.value}:<model>", _missing(n, environment)) for n in PROVIDERS),
    )


def _scripted(environment: Mapping[str, str], wait: Wait | None) -> ScriptedModel:
    path = environment.get(SCRIPT_VARIABLE)
    if not path:
        text = f"The scripted model needs a file of steps in {SCRIPT_VARIABLE}."
        raise Rejected(text, code="model_key_missing", variable=SCRIPT_VARIABLE)
    steps = load_script(Path(path))
    return ScriptedModel(steps) if wait is None else ScriptedModel(steps, wait=wait)


def _provided(needs: ProviderNeeds, model: str, environment: Mapping[str, str]) -> ProviderModel:
    variable = _missing_key(needs, environment)
    if variable:
        text = f"{needs.kind.value} needs the environment variable {variable}."
        raise Rejected(text, code="model_key_missing", variable=variable)
    if not _has_library():
        text = "Real providers need the extra `llm`: install `driftpin[llm]`."
        raise Rejected(text, code="model_library_missing")
    key = next((environment[name] for name in needs.keys if environment.get(name)), "")
    signing = aws.aws_access(environment) if needs.kind is ProviderKind.BEDROCK else None
    access = ProviderAccess(needs.kind, model, key, _url(needs, environment), signing)
    return ProviderModel(access, context_budget_tokens=needs.context_budget_tokens)


def _url(needs: ProviderNeeds, environment: Mapping[str, str]) -> str | None:
    if needs.kind is ProviderKind.BEDROCK:
        return aws.endpoint_url(environment)
    written = environment.get(needs.url) or None
    if needs.kind is not ProviderKind.OLLAMA:
        return written
    host = written or _OLLAMA_URL
    with_scheme = host if "://" in host else f"http://{host}"
    return with_scheme.rstrip("/").removesuffix("/v1") + "/v1"


def _missing(needs: ProviderNeeds, environment: Mapping[str, str]) -> str:
    return _missing_key(needs, environment) or ("" if _has_library() else "driftpin[llm]")


def _missing_key(needs: ProviderNeeds, environment: Mapping[str, str]) -> str:
    """Return the variable that should hold the key, or nothing when one does or none is needed."""
    if needs.kind is ProviderKind.BEDROCK:
        return aws.missing_variable(environment)
    has_key = any(environment.get(name) for name in needs.keys)
    return "" if has_key or not needs.keys else needs.keys[0]


def _has_library() -> bool:
    return importlib.util.find_spec("pydantic_ai") is not None


__all__ = [
    "PROVIDERS",
    "SCRIPT_VARIABLE",
    "KnownModel",
    "ProviderNeeds",
    "get_model",
    "known_models",
]
