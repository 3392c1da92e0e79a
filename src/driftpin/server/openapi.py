"""The description of the API (OpenAPI 3.1): made from the routes, bodies and problems included."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from driftpin import __version__
from driftpin.server.body import JSON_MEDIA_TYPE, JsonBody
from driftpin.server.cookies import PLAIN_COOKIE
from driftpin.wire.problem import PROBLEM_MEDIA_TYPE, ProblemShape
from driftpin.wire.shape import Shape

REFERENCE: Final = "#/components/schemas/{model}"
OPEN_PATHS: Final = frozenset(
    {"/healthz", "/readyz", "/api/v1", "/api/v1/sign-in", "/sign-in/{code}"}
)
AGENT_PATHS: Final = "/api/v1/agent/"
PROBLEM: Final = {
    "description": "The call was refused; `code` says why.",
    "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemShape"}}},
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the whole document."""
    document = get_openapi(
        title="driftpin",
        version=__version__,
        summary="The context an AI coding chat runs on, pinned.",
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    _add_schema(schemas, ProblemShape)
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": PLAIN_COOKIE},
    }
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and route.include_in_schema:
            _complete(document["paths"][route.path_format], route, schemas)
    return document


def _complete(path: dict[str, Any], route: APIRoute, schemas: dict[str, Any]) -> None:
    for method in route.methods or ():
        described = path[method.lower()]
        described["responses"] = {
            status: response
            for status, response in described["responses"].items()
            if status != "422"
        } | {"default": PROBLEM}
        if route.path not in OPEN_PATHS:
            described["security"] = [{"token": []}]
            if not route.path.startswith(AGENT_PATHS):
                described["security"].append({"session": []})
        for body in _bodies(route.dependant):
            _add_schema(schemas, body.shape)
            reference = REFERENCE.format(model=body.shape.__name__)
            described["requestBody"] = {
                "required": not body.may_be_empty,
                "content": {JSON_MEDIA_TYPE: {"schema": {"$ref": reference}}},
            }


def _bodies(dependant: Dependant) -> Iterator[JsonBody[Shape]]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, JsonBody):
            yield dependency.call


def _add_schema(schemas: dict[str, Any], shape: type[Any]) -> None:
    schema = shape.model_json_schema(ref_template=REFERENCE)
    schemas.update(schema.pop("$defs", {}))
    schemas[shape.__name__] = schema


__all__ = ["describe"]
