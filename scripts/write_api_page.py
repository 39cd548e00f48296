"""Writes docs/reference/api.md from the description of the API: ``python -m scripts.write_api_page``."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from decnet.cli.opening import open_installation
from decnet.cli.web import web_place
from decnet.web.app import bare_app

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "api.md"
_HEAD = """# HTTP API

This page is made of the API's own description, `GET /api/v1/openapi.json`. Every path begins with `/api/v1`.

Send a key (`decnet key add NAME`) or an access token (`POST /auth/login`) as `Authorization: Bearer …`. Times are
integers, µs since 1970, UTC. Lists come in pages: give `next` of one page as `cursor` of the following one. A refusal
is `application/problem+json` with `title`, `status`, `detail` and, for status 400, `faults`.
"""


def api_page(schema: dict[str, Any]) -> str:
    """The page of an OpenAPI description."""
    by_tag: dict[str, list[str]] = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            tag = operation.get("tags", ["other"])[0]
            by_tag.setdefault(tag, []).append(_operation(method.upper(), path.removeprefix("/api/v1"), operation))
    parts = [_HEAD]
    for tag, sections in by_tag.items():
        parts.append(f"## {tag.capitalize()}\n")
        parts.extend(sections)
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"### `{method} {path}`\n", operation.get("description", "").strip() + "\n"]
    rows = [_parameter(one) for one in operation.get("parameters", []) if one["in"] in {"query", "path", "header"}]
    if rows:
        lines.append("| parameter | in | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    body = operation.get("requestBody")
    if body:
        lines.append("Body: " + ", ".join(f"`{kind}` {_named(one['schema'])}" for kind, one in body["content"].items()))
        lines[-1] += "\n"
    answers = [
        f"{status} {_answer(one)}".strip() for status, one in operation["responses"].items() if status.startswith("2")
    ]
    refusals = [status for status in operation["responses"] if not status.startswith("2")]
    lines.append(f"Answers: {', '.join(answers)}. Refusals: {', '.join(refusals) or 'none'}.\n")
    return "\n".join(lines)


def _parameter(one: dict[str, Any]) -> str:
    schema = one.get("schema", {})
    default = f" Default: `{schema['default']}`." if schema.get("default") is not None else ""
    must = " Required." if one.get("required") and one["in"] != "path" else ""
    meaning = " ".join(one.get("description", "").split()).replace("|", "\\|")
    return f"| `{one['name']}` | {one['in']} | {meaning}{must}{default} |"


def _answer(one: dict[str, Any]) -> str:
    content = one.get("content", {})
    kinds = [f"`{kind}` {_named(body.get('schema', {}))}".strip() for kind, body in content.items()]
    return f"({' or '.join(kinds)})" if kinds else ""


def _named(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_named(schema.get('items', {}))}"
    return ""


async def _described() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, open_installation(Path(folder)) as installation:
        async with web_place(installation, asyncio.Event()) as place:
            return bare_app(place).openapi()


if __name__ == "__main__":
    PAGE.write_text(api_page(asyncio.run(_described())), "utf-8")
    print(f"{PAGE} written")
