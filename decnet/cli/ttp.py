"""``decnet ttp``: tag logs, explain a command, predict for a file of sessions."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from decnet.cli import clusters, deadletters, exporting, maintenance, rules

if TYPE_CHECKING:
    from decnet.ttp.engine import RuleEngine

app = typer.Typer(help="Tag what honeypots recorded with ATT&CK techniques.", no_args_is_help=True)
app.add_typer(rules.app, name="rules")
app.add_typer(exporting.app, name="export")
app.add_typer(deadletters.app, name="deadletters")
app.add_typer(maintenance.app)
app.add_typer(clusters.app)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the picture.")]
FloorOption = Annotated[
    float, typer.Option("--min-confidence", min=0.0, max=1.0, help="Leave out techniques that are less sure.")
]


@app.command()
def tag(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Logs, also .gz and .zst; - is standard input.")
    ],
    *,
    sensor: Annotated[str | None, typer.Option(help="Name of the honeypot; wins over the one in the records.")] = None,
    navigator: Annotated[Path | None, typer.Option(help="Also write an ATT&CK Navigator layer here.")] = None,
    again: Annotated[bool, typer.Option(help="Read from the start, also what was read before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Store what honeypot logs hold, tag it, and show which techniques attackers used."""
    from decnet.cli import tagging

    raise typer.Exit(tagging.run(files, sensor=sensor, navigator=navigator, again=again, as_json=as_json))


@app.command()
def watch(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Growing logs; one that is missing is awaited.")
    ],
    *,
    sensor: Annotated[str | None, typer.Option(help="Name of the honeypot; wins over the one in the records.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Tag logs as they grow, through rotation and restarts; saved rules are in force at once. Stop with Ctrl-C."""
    from decnet.cli import watching

    raise typer.Exit(watching.watch(files, sensor=sensor, as_json=as_json))


@app.command()
def explain(
    command: Annotated[str, typer.Argument(help="A line as an attacker would type it.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what a command would run, which rules fire on it, what matched where, and why."""
    from decnet.attack import catalog
    from decnet.cli.explain import explanation, print_explanation
    from decnet.cli.terminal import console, print_json
    from decnet.models.text import canonical_text
    from decnet.shell import unroll

    text = canonical_text(command)
    unrolled, reading = unroll(text), _engine().read(text)
    if as_json:
        print_json(explanation(text, unrolled, reading))
    else:
        print_explanation(console(), text, unrolled, reading, catalog.load())


@app.command()
def predict(
    rows: Annotated[str, typer.Argument(metavar="IN.jsonl", help="Rows of {id, text}; - is standard input.")],
    *,
    min_confidence: FloorOption = 0.6,
) -> None:
    """Write {id, techniques} for each row of {id, text}; a row is one shell session, fed line by line."""
    from decnet.cli.prediction import predict_rows

    raise typer.Exit(predict_rows(rows, _engine(), min_confidence))


@app.command()
def drift(*, as_json: JsonOption = False) -> None:
    """Compare the tables of providers with what they list and have said, and tell what to do about each difference."""
    from decnet.cli.drift import run

    raise typer.Exit(run(as_json=as_json))


@app.command(name="eval")
def evaluate(
    data: Annotated[str, typer.Argument(metavar="DATA.jsonl", help="Rows of {id, text, techniques, allowed?}.")],
    *,
    min_confidence: FloorOption = 0.6,
    misses: Annotated[int, typer.Option(min=0, help="How many of the most missed techniques to show.")] = 15,
    weighted: Annotated[bool, typer.Option(help="Count each row as often as its weight says.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the rules on labelled shell text: recall, precision, false alarms, and what was missed."""
    from decnet.attack import catalog
    from decnet.cli.evaluation import as_plain, evaluate_file, print_evaluation
    from decnet.cli.terminal import console, print_json

    known = catalog.load()
    evaluation, refused = evaluate_file(data, _engine(), known, min_confidence, weighted=weighted)
    if as_json:
        print_json(as_plain(evaluation))
    else:
        print_evaluation(console(), evaluation, known, misses)
    raise typer.Exit(1 if refused else 0)


def _engine() -> RuleEngine:
    """The rules in force, whatever their states."""
    import asyncio

    from decnet.cli.opening import complain, open_rule_store
    from decnet.ttp.engine import RuleEngine

    with open_rule_store() as store:
        loaded = asyncio.run(store.load_compiled())
    complain(loaded.faults)
    return RuleEngine(loaded.pack)
