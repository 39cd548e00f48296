"""``decnet ttp rules``: what rules there are, whether they hold, and whether they may speak."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from decnet.cli.terminal import console, print_json, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.models.rule_state import RuleState
    from decnet.ttp.cases import CaseResult
    from decnet.ttp.pack import CompiledRule
    from decnet.ttp.store.base import LoadedRules, StateRecord

EXIT_REFUSED = 1

app = typer.Typer(help="Write rules, test them, switch them off and on.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="RULE", help="Such as R0012.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
For = Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 90s, 10m, 2h, 1d. Without, until changed.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the change.")]


@app.command("list")
def list_rules(*, json: Json = False) -> None:
    """Every rule: what it tags, how mature it is, its state. Exit code 1 when a rule file is faulty."""
    loaded = _loaded()
    if json:
        rows = [_row(rule, loaded) for rule in loaded.pack.rules]
        print_json({"rules": rows, "faults": list(loaded.faults)})
    else:
        _print_rules(loaded)
    _complain(loaded.faults)


@app.command()
def show(rule_id: Id, *, json: Json = False) -> None:
    """One rule: its text, its state, and who changed that when."""
    import asyncio

    from decnet.cli.opening import open_rule_store
    from decnet.ttp.cases import cases_of

    with open_rule_store() as store:
        loaded = asyncio.run(store.load_compiled())
        rule = _rule(loaded, rule_id)
        history = asyncio.run(store.history(rule.rule_id))
        text = asyncio.run(store.text_of(rule.rule_id))
    cases = cases_of(rule, _folders()).cases
    if json:
        facts = _row(rule, loaded) | {"text": text, "cases": len(cases), "history": [_record(each) for each in history]}
        print_json(facts)
        return
    screen = console()
    screen.print(f"{shown(str(rule.path))}, {len(cases)} cases, {_state_text(loaded.states.get(rule.rule_id))}")
    for note in _notes(rule):
        screen.print(note, style="yellow")
    for line in text.splitlines():
        screen.print(f"  {shown(line)}", soft_wrap=True)
    for record in history:
        screen.print(f"{_when(record.state.set_at)}  {_state_text(record.state)}", soft_wrap=True)


@app.command()
def lint(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="FOLDER...", help="Packs; default: all in force.")
    ] = None,
    *,
    update_lock: Annotated[bool, typer.Option(help="Take new rules and raised versions into lock.json.")] = False,
    json: Json = False,
) -> None:
    """Check rule files and their cases, all faults at once. Exit code 1 when there is one."""
    from decnet.attack import catalog
    from decnet.ttp import lint as linting

    packs = folders or _folders()
    checked = linting.lint(packs, catalog.load)
    locked = sum(linting.update_lock(pack, checked.rules) for pack in packs) if update_lock else 0
    if locked:
        checked = linting.lint(packs, catalog.load)
    faults = [str(fault) for fault in checked.faults]
    if json:
        print_json({"files": checked.files, "faults": faults, "locked": locked})
    else:
        what = f"{_counted(checked.files, 'rule file')}, {_counted(len(faults), 'fault')}"
        console().print(what + (f", {_counted(locked, 'version')} locked" if locked else ""))
    _complain(faults)


@app.command("test")
def try_rules(
    rule_ids: Annotated[list[str] | None, typer.Argument(metavar="RULE...", help="Default: all.")] = None,
    *,
    json: Json = False,
) -> None:
    """Try the cases of rules, and show what was expected and what came. Exit code 1 when one does not hold."""
    from decnet.ttp.cases import cases_of, try_cases

    loaded = _loaded()
    rules = [_rule(loaded, rule_id) for rule_id in rule_ids] if rule_ids else list(loaded.pack.rules)
    results: list[CaseResult] = []
    faults = [fault for fault in loaded.faults if not rule_ids or any(rule_id in fault for rule_id in rule_ids)]
    for rule in rules:
        file = cases_of(rule, _folders())
        faults += map(str, file.faults)
        results += try_cases(rule, file)
    if json:
        print_json({"cases": [_result(result) for result in results], "faults": faults})
    else:
        _print_results(results, len(rules))
    _complain(faults)
    if not all(result.passed for result in results):
        raise typer.Exit(EXIT_REFUSED)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="What the rule sees, such as wallet_search.")],
    *,
    technique: Annotated[str, typer.Option("--technique", "-t", help="What it shows, such as T1083 or T1552.001.")],
    tactic: Annotated[str, typer.Option(help="Under which tactic; needed where there are several.")] = "",
    rule_id: Annotated[str, typer.Option("--id", help="Default: the next free one from R9000 on.")] = "",
    json: Json = False,
) -> None:
    """Write a rule of your own with cases, ready to be edited."""
    from decnet.ttp.skeleton import write_skeleton

    rule, cases = write_skeleton(_folders(), _own(), name, technique.upper(), tactic.upper(), rule_id.upper())
    if json:
        print_json({"rule": str(rule), "cases": str(cases)})
        return
    console().print(f"{shown(str(rule))}\n{shown(str(cases))}", soft_wrap=True)
    console().print(f"Edit both, then: decnet ttp rules test {rule.stem}", style="dim")


@app.command()
def disable(rule_id: Id, *, time: For = "", reason: Reason = "", json: Json = False) -> None:
    """Let a rule be silent."""
    _set_state(rule_id, "disabled", None, time, reason, as_json=json)


@app.command()
def clip(
    rule_id: Id,
    *,
    most: Annotated[
        float, typer.Option("--max", help="The highest confidence of its tags; below 0.6 views hide them.")
    ],
    time: For = "",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Let a rule be less sure."""
    _set_state(rule_id, "clipped", most, time, reason, as_json=json)


@app.command()
def enable(rule_id: Id, *, reason: Reason = "", json: Json = False) -> None:
    """Let a rule speak as it is written."""
    _set_state(rule_id, "enabled", None, "", reason, as_json=json)


@app.command("import-sigma")
def import_sigma(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Sigma rules: a folder with all below it, or a file.")],
    *,
    json: Json = False,
) -> None:
    """Take Sigma rules into your own pack, and say which were not taken and why. Exit code 1 when one was not."""
    import importlib.util

    from decnet.attack import catalog
    from decnet.errors import DecnetError

    if importlib.util.find_spec("sigma") is None:
        raise DecnetError("Sigma rules are read by pySigma, which is not installed; pip install 'decnet-ttp[sigma]'")
    from decnet.ttp.sigma.importer import import_folder

    results = list(import_folder(folder, _own(), catalog.load()))
    if json:
        print_json([result._asdict() for result in results])
    else:
        screen = console()
        for result in results:
            what = result.rule_id or f"{shown(result.source)}: {shown(result.reason)}"
            screen.print(f"{result.outcome:<10} {shown(result.title)}  {what}", soft_wrap=True)
        taken = sum(bool(result.rule_id) for result in results)
        screen.print(f"{taken} of {len(results)} taken, into {shown(str(_own() / 'ttp'))}", soft_wrap=True)
    if not all(result.rule_id for result in results):
        raise typer.Exit(EXIT_REFUSED)


def _set_state(rule_id: str, mode: Any, most: float | None, time: str, reason: str, *, as_json: bool) -> None:
    import asyncio
    import getpass

    from decnet.cli.opening import open_rule_store
    from decnet.models.rule_state import RuleState
    from decnet.ttp.store.base import SystemClock

    now = SystemClock().now()
    end = now + _duration_us(time) if time else None
    state = RuleState(mode, most, end, reason, getpass.getuser(), now)
    with open_rule_store() as store:
        asyncio.run(store.set_state(rule_id.upper(), state))
    if as_json:
        print_json({"rule_id": rule_id.upper(), "state": _plain_state(state)})
    else:
        console().print(f"{rule_id.upper()} {_state_text(state)}", soft_wrap=True)


def _duration_us(text: str) -> int:
    from pydantic import TypeAdapter, ValidationError

    from decnet.models.rule import Duration, duration_us

    try:
        return duration_us(TypeAdapter(Duration).validate_python(text))
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no time; write 90s, 10m, 2h or 1d", param_hint="--for") from None


def _folders() -> list[Path]:
    """The packs in force, the operator's own first."""
    from decnet.ttp.store.filesystem import default_rules_folder

    own = _own()
    return [*([own] if (own / "ttp").is_dir() else []), default_rules_folder()]


def _own() -> Path:
    """The operator's own pack."""
    from decnet.config import load_settings

    return load_settings().folder / "rules"


def _loaded() -> LoadedRules:
    import asyncio

    from decnet.cli.opening import open_rule_store

    with open_rule_store() as store:
        return asyncio.run(store.load_compiled())


def _rule(loaded: LoadedRules, rule_id: str) -> CompiledRule:
    from difflib import get_close_matches

    rule = loaded.pack.rule(rule_id.upper())
    if rule is None:
        meant = get_close_matches(rule_id.upper(), [each.rule_id for each in loaded.pack.rules], n=3)
        hint = f"; did you mean {', '.join(meant)}?" if meant else "; 'decnet ttp rules list' names all"
        faults = [fault for fault in loaded.faults if f"{rule_id.upper()}.y" in fault]
        _complain(faults)
        raise typer.BadParameter(f"no rule {rule_id!r}{hint}", param_hint="RULE")
    return rule


def _complain(faults: Sequence[str]) -> None:
    """Every fault on the error stream, and the exit code that says so."""
    for fault in faults:
        sys.stderr.write(f"{shown(fault)}\n")
    if faults:
        raise typer.Exit(EXIT_REFUSED)


def _notes(rule: CompiledRule) -> list[str]:
    """What keeps a rule from tagging everything that it is about."""
    from decnet.ttp.cases import waiting_predicates

    waiting = waiting_predicates(rule)
    if not waiting:
        return ["deprecated: emits nothing"] if rule.rule.maturity == "deprecated" else []
    part = "in part " if rule.conditions or len(waiting) < len({term.predicate for term in rule.lifters}) else ""
    return [f"{part}waiting for its lifter ({', '.join(waiting)})"]


def _row(rule: CompiledRule, loaded: LoadedRules) -> dict[str, Any]:
    state = loaded.states.get(rule.rule_id)
    return {
        "rule_id": rule.rule_id,
        "rule_version": rule.rule.rule_version,
        "name": rule.rule.name,
        "description": rule.rule.description,
        "maturity": rule.rule.maturity,
        "applies_to": list(rule.rule.applies_to),
        "techniques": [item.emit.sub_technique_id or item.emit.technique_id for item in rule.emits],
        "state": _plain_state(state) if state else {"mode": "enabled"},
        "notes": _notes(rule),
        "file": str(rule.path),
    }


def _plain_state(state: RuleState) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(state)


def _record(record: StateRecord) -> dict[str, Any]:
    return {"rule_id": record.rule_id, **_plain_state(record.state)}


def _result(result: CaseResult) -> dict[str, Any]:
    return {
        "rule_id": result.rule_id,
        "case": result.case.name,
        "place": result.place,
        "passed": result.passed,
        "waits": result.waits,
        "expected": sorted(result.case.expect),
        "got": list(result.got),
        "problem": result.problem,
    }


def _print_rules(loaded: LoadedRules) -> None:
    from rich.text import Text

    screen = console()
    for rule in loaded.pack.rules:
        row = _row(rule, loaded)
        line = Text.assemble((rule.rule_id, "bold"), f" {rule.rule.rule_version:>3}  {row['maturity']:<10}  ")
        line.append(f"{shown(rule.rule.name):<34}  {' '.join(row['techniques']) or 'no technique'}")
        if (state := loaded.states.get(rule.rule_id)) is not None:
            line.append(f"  {_state_text(state)}", style="yellow")
        for note in row["notes"]:
            line.append(f"  {note}", style="dim")
        screen.print(line, soft_wrap=True)
    screen.print(_counted(len(loaded.pack.rules), "rule"), style="dim")


def _print_results(results: Sequence[CaseResult], rules: int) -> None:
    screen = console()
    for result in results:
        if result.passed:
            continue
        screen.print(f"{shown(result.place)}: {result.case.name}: {shown(result.case.description)}", soft_wrap=True)
        if result.problem:
            screen.print(f"  {shown(result.problem)}", style="red", soft_wrap=True)
        expected, got = set(result.case.expect), set(result.got)
        for technique in sorted(expected | got):
            sign = " " if technique in expected & got else "-" if technique in expected else "+"
            meaning = {" ": "as expected", "-": "expected, did not come", "+": "came, not expected"}[sign]
            screen.print(f"  {sign} {technique}  {meaning}", style={"-": "red", "+": "green"}.get(sign))
    failed = sum(not result.passed for result in results)
    waiting = sum(result.waits for result in results)
    screen.print(
        f"{_counted(rules, 'rule')}, {_counted(len(results), 'case')}: "
        f"{len(results) - failed - waiting} hold, {failed} do not"
        + (f", {waiting} wait for a lifter" if waiting else "")
    )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _state_text(state: RuleState | None) -> str:
    if state is None:
        return "enabled"
    text = state.mode if state.confidence_max is None else f"{state.mode} to {state.confidence_max}"
    text += f" until {_when(state.expires_at)}" if state.expires_at is not None else ""
    text += f" by {shown(state.set_by)}" if state.set_by else ""
    return text + (f": {shown(state.reason)}" if state.reason else "")


def _when(moment: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(moment // 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
