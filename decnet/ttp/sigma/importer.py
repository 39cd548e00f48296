"""A folder of Sigma rules into the operator's own pack; the same folder again changes only what has changed."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import yaml
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from decnet.errors import RuleError
from decnet.ttp.lock import content_digest
from decnet.ttp.sigma.convert import Converted, convert
from decnet.ttp.sigma.values import CannotMap
from decnet.ttp.store.compile import compile_rule
from decnet.ttp.store.folder import read_rule_file
from decnet.ttp.store.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from decnet.attack.catalog import Catalog
    from decnet.ttp.pack import CompiledRule

FIRST_ID, LAST_ID = 100_000, 999_999
"""Ids of imported rules: made of the Sigma rule's own id, so that they stay."""
SUFFIXES = frozenset({".yml", ".yaml"})

Outcome = Literal["new", "changed", "unchanged", "not taken"]


class Imported(NamedTuple):
    """What became of one Sigma rule: where it stands now, or the reason why it was not taken."""

    source: str
    title: str
    outcome: Outcome
    rule_id: str = ""
    reason: str = ""


def import_folder(folder: Path, own: Path, catalog: Catalog) -> Iterator[Imported]:
    """Write what the Sigma rules in ``folder`` (a file, or all below it) say into the pack ``own``, one by one.

    :raises RuleError: there are no Sigma files, or ``own`` cannot be written.
    """
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    if not files:
        raise RuleError([f"{folder}: no Sigma rules here; name a folder of .yml files"])
    taken: dict[str, str] = {}
    for path in files:
        yield from _import_file(path, own, catalog, taken)


def _import_file(path: Path, own: Path, catalog: Catalog, taken: dict[str, str]) -> Iterator[Imported]:
    found = read_rule_file(path)
    if found is None or found.text is None:
        fault = found.fault.message if found and found.fault else "is gone"
        yield Imported(str(path), "", "not taken", reason=f"cannot be read: {fault}")
        return
    try:
        collection = SigmaCollection.from_yaml(found.text, collect_errors=True)
    except (SigmaError, yaml.YAMLError, RecursionError) as error:
        yield Imported(str(path), "", "not taken", reason=f"cannot be read: {_first_line(error)}")
        return
    for rule in collection.rules:
        if not isinstance(rule, SigmaRule):
            reason = "a correlation of other rules; write a rule about sessions instead"
            yield Imported(str(path), str(rule.title), "not taken", reason=reason)
            continue
        try:
            yield _import_rule(rule, path, own, catalog, taken)
        except (CannotMap, SigmaError) as error:
            yield Imported(str(path), str(rule.title), "not taken", reason=_first_line(error))


def _import_rule(rule: SigmaRule, source: Path, own: Path, catalog: Catalog, taken: dict[str, str]) -> Imported:
    converted = convert(rule, catalog)
    origin = str(rule.id or converted.name)
    rule_id = _id_of(origin, taken)
    path = own / "ttp" / f"{rule_id}.yaml"
    known = _compiled(path, catalog)
    version = known.rule.rule_version if known else 1
    fresh, text = _text(converted, path, rule_id, version, catalog)
    if known is not None and content_digest(known.rule) != content_digest(fresh.rule):
        fresh, text = _text(converted, path, rule_id, version + 1, catalog)
    elif known is not None:
        return Imported(str(source), str(rule.title), "unchanged", rule_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".new")
        scratch.write_text(text, "utf-8")
        scratch.replace(path)
    except OSError as error:
        raise RuleError([f"{path}:1: cannot be written: {error.strerror}"]) from None
    return Imported(str(source), str(rule.title), "changed" if known else "new", rule_id)


def _text(converted: Converted, path: Path, rule_id: str, version: int, catalog: Catalog) -> tuple[CompiledRule, str]:
    """The rule and the text of its file.

    :raises CannotMap: our loader does not take it.
    """
    content: dict[str, Any] = {
        "rule_id": rule_id,
        "rule_version": version,
        "name": f"{converted.name}_{rule_id.lower()}",
        **{key: value for key, value in converted.content.items() if value},
    }
    text = yaml.dump(content, Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, width=120)
    compiled, faults = compile_rule(path, text, lambda _: catalog)
    if compiled is None:
        raise CannotMap("; ".join(fault.message for fault in faults))
    return compiled, text


def _compiled(path: Path, catalog: Catalog) -> CompiledRule | None:
    """The rule that stands in ``path`` since an earlier import, None where none does."""
    found = read_rule_file(path)
    if found is None or found.text is None or read_yaml(found.text).faults:
        return None
    return compile_rule(path, found.text, lambda _: catalog)[0]


def _id_of(origin: str, taken: dict[str, str]) -> str:
    """The id for the Sigma rule ``origin``; the next free one where another rule of this import has it."""
    number = int.from_bytes(sha256(origin.encode()).digest()[:8], "big") % (LAST_ID - FIRST_ID + 1)
    while taken.setdefault(f"R{FIRST_ID + number}", origin) != origin:
        number = (number + 1) % (LAST_ID - FIRST_ID + 1)
    return f"R{FIRST_ID + number}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
