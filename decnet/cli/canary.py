"""``decnet canary``: bait is made, listed and revoked."""

from __future__ import annotations

import secrets
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from decnet.cli.clock import minute_text, now_us
from decnet.cli.terminal import console, print_json, shown

if TYPE_CHECKING:
    from decnet.config import Settings
    from decnet.models.canary import CanaryToken, TokenKind

EXIT_REFUSED = 1
_MAX_LABEL_CHARS = 200
_MAX_TARGET_CHARS = 2_000

app = typer.Typer(help="Make, list and revoke bait.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def new(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="api_token, aws_key, document, image, kubeconfig, pdf, redirect or share."),
    ],
    *,
    label: Annotated[str, typer.Option(help="Your own note: where you laid it out.")] = "",
    target: Annotated[str, typer.Option(metavar="URL", help="Where a redirect leads.")] = "",
    file: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write the bait into this new file.")] = None,
    json: Json = False,
) -> None:
    """Make bait. Its address is shown once more by `decnet canary list`; whoever touches it is recorded and tagged.

    The address begins with DECNET_CANARY_URL.
    """
    from decnet.cli.opening import open_installation
    from decnet.db.canaries import add_token
    from decnet.models.canary import SLUG_BYTES, CanaryToken

    checked = _kind(kind)
    slug = secrets.token_urlsafe(SLUG_BYTES)
    token = CanaryToken(slug, checked, _label(label), now_us(), _target(checked, target))
    with open_installation() as installation:
        if file is not None:
            _write_bait(file, token, installation.settings)
        installation.database.write(lambda connection: add_token(connection, token))
        if json:
            print_json(_facts(token, installation.settings))
            return
        screen = console()
        screen.print(f"{_address(token, installation.settings)}", soft_wrap=True)
        if file is not None:
            screen.print(f"{shown(str(file))} holds the bait.", soft_wrap=True)


@app.command("list")
def list_tokens(*, json: Json = False) -> None:
    """List all bait, revoked too, the oldest first."""
    from decnet.cli.opening import open_installation
    from decnet.db.canaries import all_tokens

    with open_installation() as installation:
        tokens = installation.database.read(all_tokens)
        settings = installation.settings
    if json:
        print_json([_facts(token, settings) for token in tokens])
        return
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(Column("address", overflow="fold"), "kind", "label", "made", "revoked", box=None, pad_edge=False)
    for token in tokens:
        cells = (
            _address(token, settings),
            token.kind,
            shown(token.label),
            minute_text(token.created_at),
            minute_text(token.revoked_at),
        )
        table.add_row(*map(Text, cells))
    console().print(table)


@app.command()
def revoke(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The address of the bait, or its last part.")],
    *,
    json: Json = False,
) -> None:
    """Let bait act no more: it answers as if it had never been there. Exit code 1 when there is none that acts."""
    from decnet.cli.opening import open_installation
    from decnet.db.canaries import revoke_token

    slug = address.rstrip("/").rpartition("/")[2]
    with open_installation() as installation:
        now = now_us()
        is_revoked = installation.database.write(lambda connection: revoke_token(connection, slug, now=now))
    if json:
        print_json({"revoked": is_revoked})
    elif is_revoked:
        console().print("revoked")
    else:
        console(stderr=True).print(f"{shown(address, 120)}: no such bait acts; see `decnet canary list`.")
    if not is_revoked:
        raise typer.Exit(EXIT_REFUSED)


def _kind(text: str) -> TokenKind:
    from decnet.models.canary import TOKEN_KINDS

    for kind in TOKEN_KINDS:
        if kind == text:
            return kind
    what = "names that are looked up are not offered" if text == "dns" else "no bait of that kind is offered"
    raise typer.BadParameter(f"{shown(text, 60)}: {what}; choose one of {', '.join(TOKEN_KINDS)}", param_hint="KIND")


def _label(text: str) -> str:
    from decnet.models.text import canonical_text

    if len(text) > _MAX_LABEL_CHARS:
        raise typer.BadParameter(f"a label has at most {_MAX_LABEL_CHARS} characters", param_hint="--label")
    return canonical_text(text)


def _target(kind: TokenKind, text: str) -> str:
    """Where a redirect leads: a web address, and nothing that a browser would run."""
    if kind != "redirect":
        if text:
            raise typer.BadParameter(f"only a redirect has one, and this is of kind {kind}", param_hint="--target")
        return ""
    parts = urlsplit(text)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.netloc
        or not text.isprintable()
        or len(text) > _MAX_TARGET_CHARS
    ):
        raise typer.BadParameter(
            "a redirect needs a web address to lead to; give one, such as https://example.org/", param_hint="--target"
        )
    return text


def _write_bait(path: Path, token: CanaryToken, settings: Settings) -> None:
    """The file that ``token`` is, at ``path``, which must not be there yet.

    :raises InputRefused: it cannot be written.
    """
    from decnet.decoys.canary.bait import bait_file
    from decnet.errors import InputRefused

    if not settings.canary_url:
        raise typer.BadParameter(
            "a file must say where it calls back; set DECNET_CANARY_URL, such as https://files.example.org",
            param_hint="--file",
        )
    bait = bait_file(token, _address(token, settings))
    if bait is None:
        raise typer.BadParameter(f"bait of kind {token.kind} is no file", param_hint="--file")
    try:
        with path.open("xb") as file:
            file.write(bait.content)
    except OSError as error:
        raise InputRefused(f"{path}: {error.strerror}; nothing was made") from None


def _facts(token: CanaryToken, settings: Settings) -> dict[str, object]:
    return {
        "address": _address(token, settings),
        "token": token.token,
        "kind": token.kind,
        "label": token.label,
        "target": token.target,
        "created_at": token.created_at,
        "revoked_at": token.revoked_at,
    }


def _address(token: CanaryToken, settings: Settings) -> str:
    """Where the bait is; only its path while nobody said how the decoy is reached."""
    return f"{settings.canary_url.rstrip('/')}/c/{token.slug}"
