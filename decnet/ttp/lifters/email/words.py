"""Predicates about what people read of a mail. The stored message is opened while they look, and nothing is kept of it.

Where the message is not stored, they say nothing. Words are searched with RE2, since a mail is hostile text.
"""

from __future__ import annotations

import re  # single characters only: its time is linear in the text
from typing import TYPE_CHECKING

import msgspec
import re2

from decnet.errors import RuleError
from decnet.models.artifact import Digest
from decnet.ttp.lifters.base import parameter, table_of
from decnet.ttp.lifters.email.domains import is_within
from decnet.ttp.lifters.email.sight import about_mail, mail_predicate, sight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from decnet.models.mail import MailPayload, MailText
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Predicate, Sight, Tables

_WALLETS = {
    "bitcoin": r"\b(?:bc1[02-9ac-hj-np-z]{25,62}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b",
    "ethereum": r"\b0x[0-9a-fA-F]{40}\b",
    "monero": r"\b[48][0-9AB][1-9A-HJ-NP-Za-km-z]{90,104}\b",
    "litecoin": r"\b(?:ltc1[02-9ac-hj-np-z]{25,62}|[LM][1-9A-HJ-NP-Za-km-z]{26,33})\b",
    "tron": r"\bT[1-9A-HJ-NP-Za-km-z]{33}\b",
}
"""Addresses of wallets: base58 (https://en.bitcoin.it/wiki/Base58Check_encoding), bech32 (BIP 173), and hexadecimal."""
_LEAST_CONTAINED = 5
_NOT_WORD = re.compile(r"[^a-z0-9]+")


class _Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that mean one thing."""

    group: str
    words: tuple[str, ...]


class _Groups(msgspec.Struct, frozen=True):
    rows: tuple[_Group, ...]


class _Brand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name that mail poses as, how it is written, and the domains that may use it."""

    brand: str
    names: tuple[str, ...]
    domains: tuple[str, ...]


class _Brands(msgspec.Struct, frozen=True):
    rows: tuple[_Brand, ...]


class _BrandNames:
    """The brands of a table, ready to be looked for."""

    def __init__(self, brands: Iterable[_Brand]) -> None:
        self._brands = [
            (
                brand.brand,
                _any_of(brand.names),
                frozenset(brand.domains),
                [_NOT_WORD.sub("", name.lower()) for name in brand.names],
            )
            for brand in brands
        ]

    def named_in(self, text: str) -> list[tuple[str, frozenset[str]]]:
        """The brands that ``text`` names as whole words, each with its domains."""
        return [(brand, domains) for brand, names, domains, _ in self._brands if names.search(text)]

    def posed_as(self, host: str, path: str) -> str:
        """The brand whose name stands in host or path of a link that leads to none of its domains; or nothing."""
        words = set(_NOT_WORD.split(f"{host} {path}".lower()))
        for brand, _, domains, names in self._brands:
            if any(_is_among(name, words) for name in names) and not is_within(host, domains):
                return brand
        return ""


def _is_among(name: str, words: set[str]) -> bool:
    """Whether ``name`` is a word, or for a long one part of a word."""
    return name in words or (len(name) >= _LEAST_CONTAINED and any(name in word for word in words))


def _any_of(words: Iterable[str]) -> re2._Regexp:
    """Any of ``words``, whole, without regard to case."""
    return re2.compile(rf"(?i)\b(?:{'|'.join(re2.escape(word) for word in words)})\b")


def _about_words(judge: Callable[[MailPayload, MailText], Sight | None], joins: Joins) -> Look | None:
    """``judge``, asked about mails that are stored; None where there is no store."""
    if (mails := joins.mails) is None:
        return None

    def with_text(mail: MailPayload) -> Sight | None:
        text = mails.text_of(Digest(bytes.fromhex(mail.message_sha256)))
        return judge(mail, text) if text is not None else None

    return about_mail(with_text)


def _groups(parameters: Parameters, tables: Tables, wanted: Iterable[str] | None = None) -> dict[str, re2._Regexp]:
    """The word groups of the rule's table, all or those that are ``wanted``.

    :raises RuleError: one of these is not in the table.
    """
    name = parameter(parameters, "words", str)
    known = {row.group: _any_of(row.words) for row in table_of(tables, name, _Groups).rows}
    chosen = list(known) if wanted is None else list(wanted)
    if missing := [group for group in chosen if group not in known]:
        raise RuleError([f"groups: {name} has no group {missing[0]!r}; it has {', '.join(known)}"])
    return {group: known[group] for group in chosen}


def _wallets(parameters: Parameters) -> dict[str, re2._Regexp]:
    """Patterns of the rule's kinds of wallets.

    :raises RuleError: one is not known.
    """
    wanted = parameter(parameters, "wallets", list[str])
    if unknown := [kind for kind in wanted if kind not in _WALLETS]:
        raise RuleError([f"wallets: {unknown[0]!r} is not known; use {', '.join(_WALLETS)}"])
    return {kind: re2.compile(_WALLETS[kind]) for kind in wanted}


def _found(patterns: Mapping[str, re2._Regexp], text: str) -> list[str]:
    return [name for name, pattern in patterns.items() if pattern.search(text)]


def _whole(text: MailText) -> str:
    return f"{text.subject}\n{text.text}"


def _bind_extortion(parameters: Parameters, tables: Tables, joins: Joins, least_name: str) -> Look | None:
    """Words of so many groups beside the address of a wallet."""
    given = parameter(parameters, "groups", list[str]) if "groups" in parameters else None
    groups, wallets = _groups(parameters, tables, given), _wallets(parameters)
    least = parameter(parameters, least_name, int)

    def judge(mail: MailPayload, text: MailText) -> Sight | None:
        written = _whole(text)
        purses = _found(wallets, written)
        words = _found(groups, written) if purses else []
        if len(words) < least:
            return None
        return sight(mail, threshold={least_name: least}, signs=[*words, *purses])

    return _about_words(judge, joins)


def _bind_sextortion(parameters: Parameters, tables: Tables, joins: Joins) -> Look | None:
    return _bind_extortion(parameters, tables, joins, "groups_gte")


def _bind_ransom_note(parameters: Parameters, tables: Tables, joins: Joins) -> Look | None:
    return _bind_extortion(parameters, tables, joins, "min_words")


def _bind_payment_request(parameters: Parameters, tables: Tables, joins: Joins) -> Look | None:
    """Words of so many groups, with a file where the rule says so."""
    groups = _groups(parameters, tables, parameter(parameters, "groups", list[str]))
    least, with_file = parameter(parameters, "groups_gte", int), parameter(parameters, "attachment_required", bool)

    def judge(mail: MailPayload, text: MailText) -> Sight | None:
        words = _found(groups, f"{text.display_name}\n{_whole(text)}")
        if len(words) < least or (with_file and not mail.attachments):
            return None
        return sight(mail, threshold={"groups_gte": least}, signs=words)

    return _about_words(judge, joins)


def _bind_harvest_link(parameters: Parameters, tables: Tables, joins: Joins) -> Look | None:
    """A link to a page of a log-in that names a brand in host or path and is not the brand's.

    :raises RuleError: links to the brand's own hosts are to count.
    """
    words = parameter(parameters, "path_words", list[str])
    brands = _BrandNames(table_of(tables, parameter(parameters, "brands", str), _Brands).rows)
    if not parameter(parameters, "host_not_of_brand", bool):
        raise RuleError(["host_not_of_brand: false would take a brand's own log-in; write true"])

    def judge(mail: MailPayload, text: MailText) -> Sight | None:
        for link in text.links:
            host, path = _ends_of(link)
            named = set(_NOT_WORD.split(path))
            if any(_is_among(word, named) for word in words) and (brand := brands.posed_as(host, path)):
                return sight(mail, domains=[host], signs=[brand], counts={"links": mail.links})
        return None

    return _about_words(judge, joins)


def _ends_of(link: str) -> tuple[str, str]:
    """Host and path of an absolute link, in lower case."""
    rest = link.partition("://")[2].lower()
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    return authority.rpartition("@")[2].partition(":")[0], rest[len(authority) :]


def _bind_brand_mismatch(parameters: Parameters, tables: Tables, joins: Joins) -> Look | None:
    """The name that is shown, or the subject, names a brand, and the sender's domain is none of the brand's.

    :raises RuleError: a field is none that people are shown.
    """
    fields = parameter(parameters, "fields", list[str])
    if unknown := [field for field in fields if field not in {"display_name", "subject"}]:
        raise RuleError([f"fields: {unknown[0]!r} cannot be looked at; use display_name, subject"])
    brands = _BrandNames(table_of(tables, parameter(parameters, "table", str), _Brands).rows)
    headers = ["from" if field == "display_name" else field for field in fields]

    def judge(mail: MailPayload, text: MailText) -> Sight | None:
        if not mail.from_domain:
            return None
        named = brands.named_in("\n".join(getattr(text, field) for field in fields))
        posed = [brand for brand, domains in named if not is_within(mail.from_domain, domains)]
        if len(posed) < len(named) or not posed:
            return None  # a brand that writes about another is no pose
        return sight(mail, headers=headers, domains=[mail.from_domain], signs=posed)

    return _about_words(judge, joins)


def _bind_brand_in_body(parameters: Parameters, tables: Tables, joins: Joins) -> Look | None:
    """The text names a brand, with a link where the rule says so."""
    brands = _BrandNames(table_of(tables, parameter(parameters, "table", str), _Brands).rows)
    with_link = parameter(parameters, "with_link", bool)

    def judge(mail: MailPayload, text: MailText) -> Sight | None:
        named = brands.named_in(text.text) if text.links or not with_link else []
        return sight(mail, signs=[brand for brand, _ in named], counts={"links": mail.links}) if named else None

    return _about_words(judge, joins)


PREDICATES: Mapping[str, Predicate] = {
    name: mail_predicate(bind)
    for name, bind in (
        ("email_sextortion", _bind_sextortion),
        ("email_ransom_note", _bind_ransom_note),
        ("email_payment_request", _bind_payment_request),
        ("email_harvest_link", _bind_harvest_link),
        ("email_brand_mismatch", _bind_brand_mismatch),
        ("email_brand_in_body", _bind_brand_in_body),
    )
}
"""Predicates that open the stored message."""
