"""``decnet ttp``: tag logs, explain a command, predict for a file of sessions."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from decnet.ttp.engine import RuleEngine

app = typer.Typer(help="Tag what honeypots recorded with ATT&CK techniques.", no_args_is_help=True)

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
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows; stop with Ctrl-C.")] = False,
    again: Annotated[bool, typer.Option(help="Read from the start, also what was read before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Store what honeypot logs hold, tag it, and show which techniques attackers used."""
    from decnet.cli import tagging

    raise typer.Exit(
        tagging.run(files, sensor=sensor, navigator=navigator, follow=follow, again=again, as_json=as_json)
    )


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
    from decnet.ttp.engine import RuleEngine
    from decnet.ttp.store.filesystem import load_pack

    return RuleEngine(load_pack())
