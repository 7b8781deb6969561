"""`/api/docs/`: the OpenAPI document as one plain page, under our own Content-Security-Policy."""

from __future__ import annotations

import functools
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator

METHODS = ("get", "post", "put", "patch", "delete")


@functools.cache
def document() -> dict[str, Any]:
    """The document, made once per process."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]  # drf-spectacular annotates half
    return dict(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]  # the same


def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "api_docs.html", {"title": "REST API", "groups": groups()})


def groups() -> list[dict[str, Any]]:
    """Operations by the first word of their path, in the order of the document."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, item in document()["paths"].items():
        name = path.removeprefix("/api/v1/").split("/")[0]
        found.setdefault(name, []).extend(
            _operation(path, method, item[method]) for method in METHODS if method in item
        )
    return [{"name": name, "operations": rows} for name, rows in found.items()]


def _operation(path: str, method: str, said: dict[str, Any]) -> dict[str, Any]:
    content = said.get("requestBody", {}).get("content", {}).get("application/json", {})
    return {
        "path": path,
        "method": method.upper(),
        "text": said.get("description", ""),
        "parameters": [
            {
                "name": one["name"],
                "where": one["in"],
                "required": one.get("required", False),
                "words": ", ".join(map(str, one.get("schema", {}).get("enum", ()))),
                "text": one.get("description", ""),
            }
            for one in said.get("parameters", ())
        ],
        "body": _fields(content.get("schema", {})),
        "answers": [
            {"status": status, "fields": _fields(_schema_of(one))}
            for status, one in said.get("responses", {}).items()
        ],
    }


def _schema_of(answer: dict[str, Any]) -> dict[str, Any]:
    kinds = list(answer.get("content", {}).values())
    return dict(kinds[0].get("schema", {})) if kinds else {}


def _fields(schema: dict[str, Any]) -> list[str]:
    """Names of an object's fields; of a list's, those of its rows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _fields(document()["components"]["schemas"][name])
    if schema.get("type") == "array":
        return _fields(schema.get("items", {}))
    fields = schema.get("properties", {})
    if "results" in fields:
        return _fields(fields["results"])
    required = set(schema.get("required", ()))
    return [name if name in required else f"{name}?" for name in fields]
