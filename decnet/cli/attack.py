"""``decnet attack``: what an ATT&CK id means, what became of it, and a newer release in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from decnet.cli.terminal import console, print_json, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from decnet.attack.catalog import Catalog, Tactic, Technique
    from decnet.attack.update import NewRelease, RuleEmit, RuleImpact, Verdict

EXIT_REFUSED = 1
EXIT_USAGE = 2
_LABEL_WIDTH = 15

app = typer.Typer(
    help="Look up MITRE ATT&CK techniques, migrate old ids, bring in a newer release.", no_args_is_help=True
)

Ids = Annotated[
    list[str], typer.Argument(metavar="ID…", help="Ids like T1059, T1059.004 or TA0002.", show_default=False)
]
Release = Annotated[str, typer.Option(help="Look in this release, like enterprise-19.2, not in the current ones.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def show(ids: Ids, *, release: Release = "", json: Json = False) -> None:
    """Name, tactics, parent, sub-techniques, platforms and page of each ID. Exit code 2 when one is unknown."""
    catalogs = _catalogs(release)
    answers = [_facts(typed, catalogs) for typed in ids]
    if json:
        print_json(answers)
    else:
        _print_facts([answer for answer in answers if "error" not in answer])
    _complain(answers)


@app.command()
def migrate(ids: Ids, *, release: Release = "", json: Json = False) -> None:
    """Today's id of each ID, by MITRE's revoked-by links. Exit code 1 when one was retired without a successor."""
    catalogs = _catalogs(release)
    answers = [_migration(typed, catalogs) for typed in ids]
    if json:
        print_json(answers)
    else:
        screen = console()
        for answer in answers:
            if "error" not in answer:
                verb = "→" if answer["moved"] else "stays"
                screen.print(f"{answer['id']} {verb} {answer['successor']}  {shown(answer['name'])}", soft_wrap=True)
    _complain(answers)


@app.command()
def update(
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="An official STIX 2.1 bundle; https only.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Switch without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON; switches only with --yes.")] = False,
) -> None:
    """Report what a newer ATT&CK release means for the rules, then switch to it."""
    from decnet.attack.update import (
        convert,
        current_catalog,
        install,
        official_digests,
        read_bundle,
        rule_impacts,
        verify,
    )

    overlay = _overlay()
    raw = read_bundle(source)
    new = convert(raw, source)
    verdict = verify(raw, new.catalog, official_digests())
    old = current_catalog(new.catalog.domain, overlay)
    emits, trouble = _pack_emits()
    impacts = rule_impacts(emits, old, new.catalog)
    if not json:
        _print_report(old, new, verdict, impacts, trouble)
    switched = yes or (not json and typer.confirm(f"Make {new.catalog.release} the current release?"))
    path = install(new, overlay) if switched else None
    if json:
        print_json(_report(old, new, verdict, impacts, trouble, path))
    elif path is None:
        console().print("Nothing was changed.")
        raise typer.Exit(EXIT_REFUSED)
    else:
        console().print(f"{new.catalog.release} is current: {shown(str(path))}", soft_wrap=True)


def _overlay() -> Path:
    from decnet.config import load_settings

    return load_settings().folder / "attack"


def _catalogs(release: str) -> list[Catalog]:
    from decnet.attack.catalog import current_releases, load

    overlay = _overlay()
    return [load(each, overlay) for each in ([release] if release else current_releases(overlay).values())]


def _facts(typed: str, catalogs: Sequence[Catalog]) -> dict[str, Any]:
    from decnet.attack.catalog import find_catalog

    attack_id = typed.strip().upper()
    catalog = find_catalog(attack_id, catalogs)
    if catalog is None:
        return _unknown(typed, catalogs)
    technique = catalog.techniques.get(attack_id)
    return (
        _tactic_facts(catalog.tactic(attack_id), catalog) if technique is None else _technique_facts(technique, catalog)
    )


def _tactic_facts(tactic: Tactic, catalog: Catalog) -> dict[str, Any]:
    within = [each for each in catalog.techniques.values() if catalog.is_valid_pair(tactic.id, each.id)]
    return {
        "id": tactic.id,
        "name": tactic.name,
        "kind": "tactic",
        "release": catalog.release,
        "techniques": [{"id": each.id, "name": each.name} for each in within if each.parent is None],
        "url": tactic.url,
    }


def _technique_facts(technique: Technique, catalog: Catalog) -> dict[str, Any]:
    return {
        "id": technique.id,
        "name": technique.name,
        "kind": "technique" if technique.parent is None else "sub-technique",
        "release": catalog.release,
        "status": technique.status or "active",
        "successor": None if technique.is_active else _successor(technique, catalog),
        "tactics": [{"id": id_, "name": catalog.tactic(id_).name} for id_ in technique.tactics],
        "parent": _named(technique.parent, catalog) if technique.parent else None,
        "subtechniques": [{"id": each.id, "name": each.name} for each in catalog.subtechniques(technique.id)],
        "platforms": list(technique.platforms),
        "url": technique.url,
    }


def _successor(technique: Technique, catalog: Catalog) -> dict[str, str] | None:
    from decnet.errors import CatalogueError

    try:
        return _named(catalog.migrate(technique.id), catalog)
    except CatalogueError:
        return None


def _named(technique_id: str, catalog: Catalog) -> dict[str, str]:
    return {"id": technique_id, "name": catalog.technique(technique_id).name}


def _migration(typed: str, catalogs: Sequence[Catalog]) -> dict[str, Any]:
    from decnet.errors import CatalogueError

    attack_id = typed.strip().upper()
    catalog = next((each for each in catalogs if attack_id in each.techniques), None)
    if catalog is None:
        return _unknown(typed, catalogs)
    try:
        successor = catalog.migrate(attack_id)
    except CatalogueError as error:
        return {"id": attack_id, "error": str(error), "exit_code": EXIT_REFUSED}
    name = catalog.technique(successor).name
    return {
        "id": attack_id,
        "successor": successor,
        "name": name,
        "moved": successor != attack_id,
        "release": catalog.release,
    }


def _unknown(typed: str, catalogs: Sequence[Catalog]) -> dict[str, Any]:
    meant = [(id_, catalog) for catalog in catalogs for id_ in catalog.suggest(typed)]
    error = f"{typed!r} is not in ATT&CK {' or '.join(catalog.release for catalog in catalogs)}"
    if meant:
        names = [f"{id_} ({catalog.name_of(id_)})" for id_, catalog in meant]
        error += f"; did you mean {', '.join(names)}?"
    return {"id": typed, "error": error, "suggestions": [id_ for id_, _ in meant], "exit_code": EXIT_USAGE}


def _complain(answers: Sequence[dict[str, Any]]) -> None:
    """Every error on the error stream, and the exit code of the worst."""
    faults = [answer for answer in answers if "error" in answer]
    for answer in faults:
        sys.stderr.write(f"decnet: {shown(answer['error'])}\n")
    if faults:
        raise typer.Exit(max(answer["exit_code"] for answer in faults))


def _print_facts(answers: Sequence[dict[str, Any]]) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    screen = console()
    for number, answer in enumerate(answers):
        if number:
            screen.print()
        screen.print(Text.assemble((answer["id"], "bold"), f"  {shown(answer['name'])}"))
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", min_width=_LABEL_WIDTH)
        grid.add_column(overflow="fold")
        for label, value in _lines(answer):
            grid.add_row(label, shown(value))
        screen.print(Padding(grid, (0, 0, 0, 2)))


def _lines(answer: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [("kind", f"{answer['kind']}, ATT&CK {answer['release']}")]
    if answer.get("status", "active") != "active":
        lines.append(("status", answer["status"]))
        lines.append(("successor", _name_text(answer["successor"]) if answer["successor"] else "none"))
    if answer.get("parent"):
        lines.append(("parent", _name_text(answer["parent"])))
    for key, label in (("tactics", "tactics"), ("subtechniques", "sub-techniques"), ("techniques", "techniques")):
        lines += [(label if not place else "", _name_text(each)) for place, each in enumerate(answer.get(key, []))]
    if answer.get("platforms"):
        lines.append(("platforms", ", ".join(answer["platforms"])))
    return [*lines, ("page", answer["url"])]


def _name_text(named: dict[str, str]) -> str:
    return f"{named['id']} {named['name']}"


def _pack_emits() -> tuple[list[RuleEmit], str | None]:
    """What every rule emits, or none and why: an update must go on when the pack cannot be read."""
    from decnet.errors import DecnetError
    from decnet.ttp.store.filesystem import load_pack

    try:
        pack = load_pack()
    except DecnetError as error:
        return [], str(error)
    rules = (rule.rule for rule in pack.rules)
    return [
        (rule.rule_id, emit.tactic, emit.technique_id, emit.sub_technique_id) for rule in rules for emit in rule.emits
    ], None


def _print_report(
    old: Catalog | None, new: NewRelease, verdict: Verdict, impacts: Sequence[RuleImpact], trouble: str | None
) -> None:
    screen = console()
    active = sum(each.is_active for each in new.catalog.techniques.values())
    screen.print(
        f"ATT&CK {old.release if old else 'none'} → {new.catalog.release}: {active} techniques and sub-techniques"
    )
    screen.print(f"Checksum: {_verdict_text(verdict)}")
    if trouble is not None:
        screen.print(f"The rules could not be read, so what the switch means for them is unknown:\n{shown(trouble)}")
        return
    touched = [impact for impact in impacts if impact.change != "unchanged"]
    screen.print(f"Rules: {len(impacts) - len(touched)} of {len(impacts)} emits stay as they are")
    for impact in touched:
        screen.print(f"  {impact.rule_id}  {impact.change}: {shown(impact.text)}", soft_wrap=True)


def _verdict_text(verdict: Verdict) -> str:
    return {
        "official": "as MITRE published it",
        "not listed": "MITRE's table in mitreattack-python does not list this release yet",
        "not checked": "not checked; install mitreattack-python to compare it with MITRE's table",
    }[verdict]


def _report(
    old: Catalog | None,
    new: NewRelease,
    verdict: Verdict,
    impacts: Sequence[RuleImpact],
    trouble: str | None,
    path: Path | None,
) -> dict[str, Any]:
    return {
        "from": old.release if old else None,
        "to": new.catalog.release,
        "checksum": verdict,
        "switched": path is not None,
        "file": str(path) if path else None,
        "rules_unreadable": trouble,
        "impacts": [
            {
                "rule_id": impact.rule_id,
                "tactic": impact.tactic,
                "technique_id": impact.technique_id,
                "sub_technique_id": impact.sub_technique_id,
                "change": impact.change,
                "successor": impact.successor,
                "text": impact.text,
            }
            for impact in impacts
        ],
    }
