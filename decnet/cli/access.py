"""``decnet user|key|sensor``: who may use the API."""

from __future__ import annotations

import os
import re
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from decnet.cli.clock import now_us
from decnet.cli.terminal import console, print_json, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from decnet.cli.opening import Installation
    from decnet.models.access import Account, Role, Scope

EXIT_REFUSED = 1
FIRST_ADMIN = "admin"

users = typer.Typer(help="Accounts of people.", no_args_is_help=True)
keys = typer.Typer(help="Keys of programs.", no_args_is_help=True)
sensors = typer.Typer(help="Tokens of sensors, which hand in records over the API.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As the list shows it.")]


def make_first_admin(installation: Installation) -> str | None:
    """Where there is no account yet, make an administrator; returns the password, which is to be shown once."""
    from decnet.db.access import count_accounts
    from decnet.web.access.passwords import new_password

    if installation.database.read(count_accounts):
        return None
    password = new_password()
    made = _made_account(installation, FIRST_ADMIN, "admin", password, actor="first start")
    return password if made is not None else None  # else another process was faster, and has told its own


@users.command("add")
def add_user(
    name: Name,
    *,
    admin: Annotated[bool, typer.Option("--admin", help="May change rules and access, too.")] = False,
    json: Json = False,
) -> None:
    """Make an account. Its password comes from standard input, or is made and printed once."""
    from decnet.cli.opening import open_installation
    from decnet.models.access import NAME_PATTERN

    if not re.match(NAME_PATTERN, name):
        raise typer.BadParameter("letters, digits and ._@- only, at most 64", param_hint="NAME")
    role: Role = "admin" if admin else "viewer"
    password, is_made = _password()
    with open_installation() as installation:
        account = _made_account(installation, name, role, password, actor=shell_user())
    if account is None:
        refuse(f"there is an account {shown(name)} already; choose another name")
    if json:
        print_json({"name": name, "role": role, "password": password if is_made else None})
        return
    told = f", password {password} (shown this once)" if is_made else ""
    console().print(f"{name} is {role}{told}", soft_wrap=True)


@users.command("list")
def list_users(*, json: Json = False) -> None:
    """List all accounts."""
    from decnet.cli.opening import open_installation
    from decnet.db.access import all_accounts

    with open_installation() as installation:
        found = installation.database.read(all_accounts)
    if json:
        print_json([account._asdict() for account in found])
        return
    rows = [(a.name, a.role, _day(a.created_at), _day(a.disabled_at)) for a in found]
    _print_table(("name", "role", "made", "disabled"), rows)


@users.command("password")
def set_password(name: Name, *, json: Json = False) -> None:
    """Give an account a new password, from standard input or made and printed once; its log-ins end."""
    from decnet.db.access import change_account
    from decnet.web.access.passwords import hashed

    password, is_made = _password()
    stored = hashed(password)
    is_there = _change(
        name,
        "password=new",
        lambda connection, number, now: change_account(connection, number, password_hash=stored, enable=True, now=now),
    )
    if not is_there:
        refuse(f"{shown(name, 80)}: no such account; see `decnet user list`")
    if json:
        print_json({"name": name, "password": password if is_made else None})
        return
    console().print(f"password {password} (shown this once)" if is_made else "changed", soft_wrap=True)


@users.command("revoke")
def revoke_user(name: Name, *, json: Json = False) -> None:
    """Let an account log in no more; `decnet user password` lets it in again."""
    from decnet.db.access import change_account

    is_revoked = _change(
        name,
        "disabled=True",
        lambda connection, number, now: change_account(connection, number, disabled_at=now, now=now),
    )
    _tell_revoked(name, "account", is_revoked=is_revoked, json=json)


@keys.command("add")
def add_key(
    name: Name,
    *,
    scope: Annotated[str, typer.Option(help="What it may do: viewer, admin or metrics.")] = "viewer",
    json: Json = False,
) -> None:
    """Make a key for a program; it is printed once."""
    scopes: tuple[Scope, ...] = ("viewer", "admin", "metrics")
    for known in scopes:
        if known == scope:
            _add_key(name, known, json=json)
            return
    raise typer.BadParameter(f"{shown(scope, 40)} is none of {', '.join(scopes)}", param_hint="--scope")


@keys.command("list")
def list_keys(*, json: Json = False) -> None:
    """List all keys of programs, revoked ones too."""
    _list_keys(sensors=False, json=json)


@keys.command("revoke")
def revoke_key(number: Number, *, json: Json = False) -> None:
    """Let a key be good for nothing from now on."""
    _revoke_key(number, sensor=False, json=json)


@sensors.command("add")
def add_sensor(name: Name, *, json: Json = False) -> None:
    """Make a token for the sensor of that name; it is printed once."""
    _add_key(name, "sensor", json=json)


@sensors.command("list")
def list_sensors(*, json: Json = False) -> None:
    """List all tokens of sensors, revoked ones too."""
    _list_keys(sensors=True, json=json)


@sensors.command("revoke")
def revoke_sensor(number: Number, *, json: Json = False) -> None:
    """Let a sensor's token be good for nothing from now on; what it handed in stays."""
    _revoke_key(number, sensor=True, json=json)


def _add_key(name: str, scope: Scope, *, json: bool) -> None:
    from decnet.cli.opening import open_installation
    from decnet.models.access import LABEL_PATTERN, SENSOR_PATTERN
    from decnet.web.routes.accounts import make_key

    pattern, most = (SENSOR_PATTERN, 128) if scope == "sensor" else (LABEL_PATTERN, 255)
    if not re.match(pattern, name):
        raise typer.BadParameter(f"letters, digits, spaces and ._:@/- only, at most {most}", param_hint="NAME")
    with open_installation() as installation:
        made = make_key(installation.database, name, scope, actor=shell_user(), now=now_us())
    if json:
        print_json(made.model_dump())
        return
    console().print(f"{made.key}", soft_wrap=True)
    console(stderr=True).print(f"number {made.id}, {scope}; the key is shown this once", style="dim")


def _list_keys(*, sensors: bool, json: bool) -> None:
    from decnet.cli.opening import open_installation
    from decnet.db.access import all_keys

    with open_installation() as installation:
        found = installation.database.read(partial(all_keys, sensors=sensors))
    if json:
        print_json([key._asdict() for key in found])
        return
    rows = [
        (str(key.id), key.name, key.scope, key.created_by, _day(key.created_at), _day(key.revoked_at)) for key in found
    ]
    _print_table(("number", "name", "scope", "made by", "made", "revoked"), rows)


def _revoke_key(number: int, *, sensor: bool, json: bool) -> None:
    from decnet.cli.opening import open_installation
    from decnet.db.access import add_audit
    from decnet.db.access import revoke_key as revoke
    from decnet.models.access import AuditEntry

    now = now_us()

    def end(connection: Connection) -> bool:
        key = revoke(connection, number, sensor=sensor, now=now)
        if key is not None:
            action = "sensor revoked" if sensor else "key revoked"
            add_audit(connection, AuditEntry(0, now, shell_user(), action, key.name, f"number {number}"))
        return key is not None

    with open_installation() as installation:
        is_revoked = installation.database.write(end)
    _tell_revoked(str(number), "sensor" if sensor else "key", is_revoked=is_revoked, json=json)


def _change(name: str, what: str, change: Callable[[Connection, int, int], None]) -> bool:
    """Change the account of that name and write it down; False when there is none."""
    from decnet.cli.opening import open_installation
    from decnet.db.access import account_named, add_audit
    from decnet.models.access import AuditEntry

    now = now_us()

    def work(connection: Connection) -> bool:
        account = account_named(connection, name)
        if account is None:
            return False
        change(connection, account.id, now)
        add_audit(connection, AuditEntry(0, now, shell_user(), "user changed", name, what))
        return True

    with open_installation() as installation:
        return installation.database.write(work)


def _made_account(installation: Installation, name: str, role: Role, password: str, *, actor: str) -> Account | None:
    from decnet.web.routes.accounts import make_account

    return make_account(installation.database, name, role, password, actor=actor, now=now_us())


def _password() -> tuple[str, bool]:
    """The password on standard input, or a new one; and whether it is new."""
    from decnet.web.access.passwords import LONGEST, SHORTEST, new_password

    typed = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.readline(LONGEST + 2).rstrip("\r\n")
    if not typed:
        return new_password(), True
    if not SHORTEST <= len(typed) <= LONGEST:
        raise typer.BadParameter(f"a password has {SHORTEST} to {LONGEST} characters", param_hint="standard input")
    return typed, False


def _tell_revoked(name: str, what: str, *, is_revoked: bool, json: bool) -> None:
    if json:
        print_json({"revoked": is_revoked})
    elif is_revoked:
        console().print("revoked")
    if not is_revoked:
        refuse(f"{shown(name, 80)}: no such {what} in force; see `decnet {'user' if what == 'account' else what} list`")


def refuse(sentence: str) -> NoReturn:
    """Say why it was not done, and end with exit code 1."""
    sys.stderr.write(f"decnet: {sentence}\n")
    raise typer.Exit(EXIT_REFUSED)


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    console().print(table)


def shell_user() -> str:
    """Whoever may read the data folder may do this; the system says who it is."""
    return f"shell user {os.getuid()}"


def _day(at: int | None) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at / 1_000_000)) if at is not None else ""
