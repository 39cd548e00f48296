"""One Sigma rule as one of ours, or the reason why not."""

from __future__ import annotations

import re  # reads titles of rules, never attacker text
from typing import TYPE_CHECKING, Any, NamedTuple

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import SigmaRegularExpression

from decnet.attack.catalog import parent_of
from decnet.errors import CatalogueError
from decnet.ttp.sigma.commands import Clause, argument, command_line, command_term, image, parent, target_file
from decnet.ttp.sigma.values import CannotMap, expression, folded, wild

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sigma.rule import SigmaRule
    from sigma.types import SigmaType

    from decnet.attack.catalog import Catalog
    from decnet.ttp.sigma.commands import Clauses

    Field = Callable[[SigmaType, bool], Clauses]

CONFIDENCE = {"critical": 0.9, "high": 0.8, "medium": 0.7, "low": 0.5, "informational": 0.35}
"""Of a rule's level: what is low or below is stored, and shown on request."""
MATURITY = {"stable": "stable", "test": "incubating", "experimental": "incubating"}
SYSTEMS = frozenset({None, "linux"})

_PROCESS: Mapping[str, Field] = {
    "Image": image,
    "OriginalFileName": image,
    "CommandLine": command_line,
    "ParentImage": parent,
}
_FILE: Mapping[str, Field] = {"TargetFilename": target_file, "Image": image, "CommandLine": command_line}
_HTTP = {
    "cs-uri-query": "raw_url",
    "cs-uri-stem": "raw_url",
    "cs-uri": "raw_url",
    "c-uri": "raw_url",
    "c-uri-query": "raw_url",
    "c-uri-stem": "raw_url",
    "cs-method": "method",
    "c-method": "method",
    "cs-user-agent": "user_agent",
    "c-useragent": "user_agent",
    "cs-host": "host",
    "c-uri-host": "host",
    "cs-referer": "headers",
    "cs-referrer": "headers",
    "cs-cookie": "headers",
    "post-body": "body",
}
_HTTP_TEXTS = ("raw_url", "user_agent", "headers", "body")
"""Where a keyword without a field is looked for."""
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_TECHNIQUE = re.compile(r"t\d{4}(?:\.\d{3})?")
_MAX_TEXT = 1_900


class Converted(NamedTuple):
    """A rule file's content without id and version, in the order that it is written in."""

    name: str
    content: dict[str, Any]


def convert(rule: SigmaRule, catalog: Catalog) -> Converted:
    """What ``rule`` says in our terms.

    :raises CannotMap: with the reason.
    """
    if rule.errors:
        raise CannotMap(f"not a Sigma rule: {rule.errors[0]}")
    status = rule.status.name.lower() if rule.status else "experimental"
    if status not in MATURITY:
        raise CannotMap(f"its status is {status}")
    emits = _emits(rule, catalog)
    kind, match = _match(rule)
    return Converted(
        f"sigma_{_NOT_A_WORD.sub('_', rule.title.lower()).strip('_')}"[:52],
        {
            "maturity": MATURITY[status],
            "attack_release": catalog.release,
            "description": (rule.description or rule.title).strip()[:_MAX_TEXT],
            "applies_to": [kind],
            "match": match,
            "emits": emits,
            "false_positives": [text[:_MAX_TEXT] for text in rule.falsepositives if text],
            "known_gaps": ["taken over from a Sigma rule about logs of the system; a shell's text shows less and more"],
            "short_patterns": "patterns are those of the Sigma rule",
            "references": _references(rule),
        },
    )


def _references(rule: SigmaRule) -> list[str]:
    """Where the rule comes from: its licence asks for its author."""
    author = f" by {rule.author}" if rule.author else ""
    origin = f"Sigma rule {rule.id}, {rule.title!r}{author}"
    return [text[:_MAX_TEXT] for text in (origin, *rule.references) if text]


def _emits(rule: SigmaRule, catalog: Catalog) -> list[dict[str, Any]]:
    tags = [tag.name.lower() for tag in rule.tags if tag.namespace == "attack"]
    level = rule.level.name.lower() if rule.level else "medium"
    named = {tactic.shortname: tactic.id for tactic in catalog.tactics}
    wanted = [named[tag.replace("_", "-")] for tag in tags if tag.replace("_", "-") in named]
    emits: dict[str, dict[str, Any]] = {}
    for tag in filter(_TECHNIQUE.fullmatch, tags):
        try:
            technique = catalog.technique(catalog.migrate(tag.upper()))
        except CatalogueError as error:
            raise CannotMap(str(error)) from None
        tactic = next((each for each in wanted if each in technique.tactics), technique.tactics[0])
        above = parent_of(technique.id)
        emit = {"tactic": str(tactic), "technique_id": str(above or technique.id)}
        emit |= {"sub_technique_id": str(technique.id)} if above else {}
        emits[technique.id] = {**emit, "confidence": CONFIDENCE[level]}
    if not emits:
        raise CannotMap("no technique among its tags (attack.tNNNN)")
    return list(emits.values())


def _match(rule: SigmaRule) -> tuple[str, dict[str, Any]]:
    source = rule.logsource
    conditions = rule.detection.parsed_condition
    if len(conditions) != 1:
        raise CannotMap("more than one condition")
    if source.category in {"webserver", "proxy"}:
        return "http_request", _http_term(conditions[0].parsed)
    if source.product not in SYSTEMS:
        raise CannotMap(f"about logs of {source.product}")
    if source.category == "process_creation":
        fields = _PROCESS
    elif source.category == "file_event":
        fields = _FILE
    elif source.service == "auditd":
        return "command", command_term(conditions[0].parsed, _audit_field)
    else:
        what = " ".join(filter(None, (source.product, source.category, source.service)))
        raise CannotMap(f"about logs that no event here is like: {what}")

    def field(name: str | None, value: SigmaType, negated: bool) -> Clauses:  # noqa: FBT001 - as every field is asked
        if name is None:
            return command_line(_anywhere(value), negated)
        if name not in fields:
            raise CannotMap(f"the field {name} is not known of a typed command")
        return fields[name](value, negated)

    return "command", command_term(conditions[0].parsed, field)


def _audit_field(name: str | None, value: SigmaType, negated: bool) -> Clauses:  # noqa: FBT001 - as every field is asked
    """Fields of auditd records, of which ``execve`` calls are commands."""
    if name == "type":
        if wild(value).literal != "EXECVE" or negated:
            raise CannotMap("auditd records of another type than EXECVE")
        return (Clause(),)
    if name in {"a0", "comm", "exe"}:
        return image(value, negated)
    if name is not None and re.fullmatch(r"a\d+", name):
        return argument(value, negated)
    raise CannotMap(f"the auditd field {name or 'keyword'} is not known of a typed command")


def _anywhere(value: SigmaType) -> SigmaType:
    """A keyword is found wherever it stands."""
    from sigma.types import SigmaString

    if isinstance(value, SigmaString):
        return SigmaString("*") + value + SigmaString("*")
    return value


def _http_term(node: Any) -> dict[str, Any]:
    if isinstance(node, ConditionNOT):
        return {"not": _http_term(node.args[0])}
    if isinstance(node, ConditionOR | ConditionAND):
        terms = [_http_term(part) for part in node.args]
        return {"any" if isinstance(node, ConditionOR) else "all": terms} if len(terms) > 1 else terms[0]
    if isinstance(node, ConditionValueExpression):
        pattern = _http_pattern(_anywhere(node.value))
        return {"any": [{"field": name, "pattern": pattern} for name in _HTTP_TEXTS]}
    if isinstance(node, ConditionFieldEqualsValueExpression):
        name = _HTTP.get(node.field)
        if name is None:
            raise CannotMap(f"the field {node.field} is not known of a request")
        value = _anywhere(node.value) if name == "headers" else node.value
        return {"field": name, "pattern": _http_pattern(value)}
    raise CannotMap(f"a condition of type {type(node).__name__} has no term")


def _http_pattern(value: SigmaType) -> str:
    return expression(value) if isinstance(value, SigmaRegularExpression) else folded(wild(value).pattern())
