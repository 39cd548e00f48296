"""Which mail server the decoy speaks like."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal, get_args

import msgspec

FlavourName = Literal["postfix", "exim", "exchange"]
FLAVOURS: tuple[FlavourName, ...] = get_args(FlavourName)


class Flavour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words of one server; ``flavours.yaml`` tells what each field is."""

    ident: str
    ehlo: tuple[str, ...]
    vrfy: str
    expn: str
    sender: str
    recipient: str
    relay_denied: str
    unknown_user: str
    too_many_recipients: str
    queued: str
    not_queued: str
    busy: str
    over_quota: str
    replies: dict[str, str]

    def reply(self, said: str, host: str) -> str:
        """``said``, a reply of the protocol machine, in the words of this server."""
        for prefix, words in self.replies.items():
            if said.startswith(prefix):
                return words.replace("{host}", host)
        return said


@cache
def flavour(name: FlavourName) -> Flavour:
    """The words of the server ``name``."""
    import yaml

    text = resources.files("decnet.decoys.smtp").joinpath("flavours.yaml").read_text("utf-8")
    known = msgspec.convert(yaml.load(text, Loader=yaml.CSafeLoader), dict[str, Flavour])
    return known[name]
