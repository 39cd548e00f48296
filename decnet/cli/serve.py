"""``decnet serve`` and ``decnet worker``: what runs for years, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from decnet.cli.clock import now_us
from decnet.cli.terminal import console, print_json_line, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from decnet.bus.base import Bus
    from decnet.cli.opening import Installation
    from decnet.workers.serve import Workplace

app = typer.Typer()

APART = ("attribute", "ttp")
"""Workers that get a process of their own where there is more than one processor."""
WEB = "web"
_HEARD_BYTES = 1_024

Logs = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE...", help="Growing logs for the intake; one that is missing is awaited."),
]
Sensor = Annotated[str | None, typer.Option(help="Name of the honeypot; wins over the one in the records.")]
UntilClosed = Annotated[
    bool, typer.Option("--until-closed", help="Stop when standard input is closed, as well as at a signal.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


@app.command("serve")
def serve_all(
    files: Logs = None,
    *,
    sensor: Sensor = None,
    decoys: Annotated[bool, typer.Option("--decoys", help="Run the decoys too, as the settings want them.")] = False,
    one_process: Annotated[
        bool, typer.Option("--one-process", help="Run no worker in a process of its own: slower, in less memory.")
    ] = False,
    no_web: Annotated[bool, typer.Option("--no-web", help="Serve no API.")] = False,
    json: Json = False,
) -> None:
    """Run all workers and the API. Stop with Ctrl-C or SIGTERM; decnet --verbose serve tells how far they are.

    Logs are the arguments, or else those that DECNET_LOGS names. DECNET_SYSLOG is where records come by syslog. The API
    listens at DECNET_WEB_LISTEN (127.0.0.1:8000), always in a process of its own.
    """
    apart = () if one_process or _processors() == 1 else APART
    children = {name: _command_of("worker", name, "--json") for name in apart}
    if not no_web:
        children[WEB] = _command_of("web", *(["--json"] if json else []))
    _run(None, files or [], sensor, children, with_decoys=decoys, as_json=json)


@app.command()
def worker(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="intake, attribute, ttp, cluster, enrich, alerts, rules or relay.")
    ],
    files: Logs = None,
    *,
    sensor: Sensor = None,
    until_closed: UntilClosed = False,
    json: Json = False,
) -> None:
    """Run one kind of worker; start as many processes as you like, they divide the work."""
    from decnet.workers.serve import WORKERS

    if name not in WORKERS:
        raise typer.BadParameter(
            f"{shown(name, 60)} is no worker; choose one of {', '.join(WORKERS)}", param_hint="NAME"
        )
    _run(name, files or [], sensor, {}, until_closed=until_closed, as_json=json)


def _command_of(*command: str) -> list[str]:
    """The command line of what runs in a process of its own, until its standard input is closed."""
    verbose = ["--verbose"] if logging.getLogger().isEnabledFor(logging.INFO) else []
    return [sys.executable, "-m", "decnet", *verbose, *command, "--until-closed"]


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _run(
    name: str | None,
    files: Sequence[str],
    sensor: str | None,
    children: Mapping[str, Sequence[str]],
    *,
    with_decoys: bool = False,
    until_closed: bool = False,
    as_json: bool,
) -> None:
    """Run the worker ``name``, or all that this installation needs.

    :raises DecnetError: the settings, the rules or the database cannot be used.
    """
    from decnet.cli.opening import open_installation
    from decnet.config import bus_of, load_settings
    from decnet.workers.serve import Workplace

    settings = load_settings()
    logs, syslog = tuple(files) or settings.log_paths, settings.syslog_addresses
    names = _names(name, bus_of(settings), is_fed=bool(logs or syslog), uses_intel=settings.uses_intel)
    make_place = partial(Workplace, clock=now_us, logs=logs, syslog=syslog, sensor=sensor, children=children)
    stops = partial(stop_at_signals, until_closed=until_closed)
    with open_installation() as installation:
        if WEB in children:
            tell_first_admin(installation, as_json=as_json)
            names.append(WEB)
        decoys = partial(_decoys, installation, as_json=as_json) if with_decoys else None
        asyncio.run(_serve(installation, names, make_place, stops, decoys, as_json=as_json))


def _names(name: str | None, bus: str, *, is_fed: bool, uses_intel: bool) -> list[str]:
    """The workers to run: those that there is work for, or ``name``, which there must be work for."""
    from decnet.workers.serve import WORKERS

    idle = {}
    if not is_fed:
        idle["intake"] = "there is no log to follow; name files, or set DECNET_LOGS or DECNET_SYSLOG"
    if bus == "journal":
        idle["relay"] = "the journal needs no relay; it is for DECNET_BUS_URL=nats://…"
    if not uses_intel:
        idle["enrich"] = "no provider of threat intelligence is switched on; set DECNET_ABUSEIPDB_API_KEY, for example"
    if name in idle:
        raise typer.BadParameter(idle[name], param_hint=name)
    return [name] if name else [each for each in WORKERS if each not in idle]


async def _serve(
    installation: Installation,
    names: Sequence[str],
    make_place: Callable[..., Workplace],
    stop_when_told: Callable[[asyncio.Event], None],
    decoys: Callable[[asyncio.Event], AbstractAsyncContextManager[None]] | None,
    *,
    as_json: bool,
) -> None:
    """``make_place`` knows what this process alone has: what feeds it, and its children; ``decoys`` runs beside it."""
    from decnet.workers.serve import serve

    stop = asyncio.Event()
    stop_when_told(stop)
    bus = await open_bus(installation)
    store = installation.rule_store()
    try:
        place = make_place(
            installation.database,
            bus,
            store,
            installation.digest,
            settings=installation.settings,
            tables=installation.tables(),
            joins=installation.joins(),
            artifacts=installation.artifacts(),
        )
        facts: dict[str, object] = {"serving": names, "logs": place.logs, "syslog": list(map(str, place.syslog))}
        tell(facts, f"{', '.join(names)}; stop with Ctrl-C", as_json=as_json)
        async with decoys(stop) if decoys is not None else nullcontext():
            await serve(names, place, stop)
        tell({"stopped": names}, "stopped", as_json=as_json)
    finally:
        await store.aclose()
        await bus.close()


@asynccontextmanager
async def _decoys(installation: Installation, stop: asyncio.Event, *, as_json: bool) -> AsyncIterator[None]:
    """Every decoy runs until ``stop`` is set, or one of them fails, which stops all.

    :raises DecnetError: a decoy cannot listen, or cannot store what it records.
    """
    from decnet.cli.decoy import DECOYS

    running = []
    try:
        for name, made in DECOYS.items():
            decoy = made(installation)
            host, port = await decoy.listen()
            tell({"decoy": name, "host": host, "port": port}, f"{name} listens at {host}:{port}", as_json=as_json)
            running.append(asyncio.create_task(decoy.run(stop)))
            running[-1].add_done_callback(lambda _done: stop.set())
        yield
    finally:
        stop.set()
        await asyncio.gather(*running)


async def open_bus(installation: Installation) -> Bus:
    """The bus that the settings choose.

    :raises DecnetError: they do not go together, or the bus is out of reach.
    """
    from decnet.bus.journal import JournalBus
    from decnet.bus.nats import connect_nats
    from decnet.config import bus_of

    settings = installation.settings
    if bus_of(settings) == "journal":
        return JournalBus(installation.database)
    return await connect_nats(settings.bus_url, credentials=settings.bus_credentials)


def stop_at_signals(stop: asyncio.Event, *, until_closed: bool = False) -> None:
    """The first signal ends everything politely, the second at once; so does the end of standard input, if wanted."""
    loop = asyncio.get_running_loop()

    def told() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)

    def heard() -> None:
        if not os.read(sys.stdin.fileno(), _HEARD_BYTES):
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    if until_closed:
        loop.add_reader(sys.stdin.fileno(), heard)


def tell_first_admin(installation: Installation, *, as_json: bool) -> None:
    """The first start makes an administrator, and tells the password this once."""
    from decnet.cli.access import FIRST_ADMIN, make_first_admin

    password = make_first_admin(installation)
    if password is not None:
        facts: dict[str, object] = {"account": FIRST_ADMIN, "password": password}
        tell(facts, f"log in as {FIRST_ADMIN} with {password} (shown this once)", as_json=as_json)


def tell(facts: dict[str, object], words: str, *, as_json: bool) -> None:
    """One line: ``facts`` for programs, ``words`` for people, on standard error."""
    if as_json:
        print_json_line(facts)
    else:
        console(stderr=True).print(words, style="dim")
