"""Predicates that the record of a mail answers: sender, recipients, hops, date, links, pictures, encoded text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import re2

from decnet.errors import RuleError
from decnet.models.mail import MailPayload
from decnet.ttp.lifters.base import look_at_payload, parameter, seconds_of, table_of
from decnet.ttp.lifters.email.domains import organisation_of
from decnet.ttp.lifters.email.sight import about_mail, mail_predicate, sight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.event import Event
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Predicate, Sight, Tables

_MAILER_HEADER = "x-mailer"
_HEADERS: Mapping[str, tuple[str, Callable[[MailPayload], str]]] = {
    "return_path": ("return-path", lambda mail: mail.return_path_domain),
    "envelope_from": ("mail from", lambda mail: mail.envelope_domain),
    "reply_to": ("reply-to", lambda mail: mail.reply_to_domain),
}
"""What a rule calls a domain of the sender → the header or command that states it, and where the record has it."""


class _Mailer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mail program. Of a header other than X-Mailer only whether it is there is known: it has no ``pattern``."""

    name: str
    header: str = _MAILER_HEADER
    pattern: str = ""
    note: str = ""


class _Mailers(msgspec.Struct, frozen=True):
    rows: tuple[_Mailer, ...]


class _Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An autonomous system, who holds it, and where that is stated."""

    asn: int
    holder: str
    source: str = ""


class _Holders(msgspec.Struct, frozen=True):
    rows: tuple[_Holder, ...]


def _bind_relay_abuse(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """Many recipients, and a sender that is of another organisation than the envelope where the rule says so."""
    least = parameter(parameters, "recipients_gte", int)
    differs = parameter(parameters, "from_differs_from_envelope", bool)
    threshold = {"recipients_gte": least}

    def judge(mail: MailPayload) -> Sight | None:
        shown, envelope = mail.from_domain, mail.envelope_domain
        if mail.recipients < least or (differs and not _differ(shown, envelope)):
            return None
        return sight(mail, threshold=threshold, counts={"recipients": mail.recipients}, domains=(shown, envelope))

    return about_mail(judge)


def _bind_seen_before(parameters: Parameters, _tables: Tables, joins: Joins) -> Look | None:
    """Many recipients, and a text that was seen before."""
    earlier = parameter(parameters, "earlier_messages_gte", int)
    recipients = parameter(parameters, "recipients_gte", int)
    threshold = {"earlier_messages_gte": earlier, "recipients_gte": recipients}
    if (bodies := joins.bodies) is None:
        return None

    def look(event: Event, mail: MailPayload) -> Sight | None:
        if mail.recipients < recipients or not mail.body_sha256:
            return None
        if bodies.earlier_messages(mail.body_sha256, event.observed_at, event.id) < earlier:
            return None
        return sight(mail, threshold=threshold, counts={"recipients": mail.recipients}, digests=[mail.body_sha256])

    return look_at_payload(MailPayload, look)


def _bind_mailer_listed(parameters: Parameters, tables: Tables, _joins: Joins) -> Look:
    """The mail program is one of the table.

    :raises RuleError: a row has a pattern that RE2 does not take, or one for a header that is not kept.
    """
    name = parameter(parameters, "table", str)
    rows = [(row, _pattern_of(name, row)) for row in table_of(tables, name, _Mailers).rows]

    def judge(mail: MailPayload) -> Sight | None:
        for row, pattern in rows:
            value = mail.x_mailer if row.header == _MAILER_HEADER else ""
            if pattern.search(value) if pattern is not None else row.header in mail.header_names:
                return sight(mail, headers=[row.header], signs=[row.name])
        return None

    return about_mail(judge)


def _pattern_of(table: str, row: _Mailer) -> re2._Regexp | None:
    if not row.pattern:
        return None
    if row.header != _MAILER_HEADER:
        raise RuleError([f"{table}: {row.name}: of {row.header} only whether it is there is kept; leave 'pattern' out"])
    try:
        return re2.compile(f"(?i){row.pattern}")
    except re2.error as error:
        raise RuleError([f"{table}: {row.name}: pattern {row.pattern!r} is none that RE2 takes: {error}"]) from None


def _bind_confusable_link(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """A link leads to a host in punycode, or to one whose letters look like others.

    :raises RuleError: the look-alikes are to be others than Unicode's.
    """
    punycode, mixed = parameter(parameters, "punycode", bool), parameter(parameters, "mixed_scripts", bool)
    if (known := parameter(parameters, "confusables", str)) != "unicode":
        raise RuleError([f"confusables: {known!r} are not known; write 'unicode'"])

    def judge(mail: MailPayload) -> Sight | None:
        posed = {"punycode": punycode and mail.punycode, "confusable": mixed and mail.confusable}
        signs = [sign for sign, holds in posed.items() if holds]
        if not signs:
            return None
        hosts = [host for host in mail.link_hosts if "xn--" in host or not host.isascii()]
        return sight(mail, domains=hosts, signs=signs, counts={"links": mail.links})

    return about_mail(judge)


def _bind_sender_mismatch(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """The sender that is shown is not the one that sent, or a stated check failed. What is not stated says nothing.

    :raises RuleError: a header is none that the record has.
    """
    names = parameter(parameters, "headers", list[str])
    if unknown := [name for name in names if name not in _HEADERS]:
        raise RuleError([f"headers: {unknown[0]!r} is not kept; use {', '.join(_HEADERS)}"])
    compared = [_HEADERS[name] for name in names]
    spf, dkim = (frozenset(parameter(parameters, check, list[str])) for check in ("spf", "dkim"))
    differ = _differ if parameter(parameters, "organisational_domain", bool) else _are_unequal

    def judge(mail: MailPayload) -> Sight | None:
        stated = [(header, domain_in(mail)) for header, domain_in in compared]
        other = [(header, domain) for header, domain in stated if differ(mail.from_domain, domain)]
        checks = (("spf", mail.spf, spf), ("dkim", mail.dkim, dkim))
        signs = [f"{check}_{result}" for check, result, bad in checks if result in bad]
        if not other and not signs:
            return None
        headers = ["from", *(header for header, _ in other)] if other else ["authentication-results"]
        domains = [mail.from_domain, *(domain for _, domain in other)]
        return sight(mail, headers=headers, domains=domains, signs=signs)

    return about_mail(judge)


def _are_unequal(one: str, other: str) -> bool:
    return bool(one) and bool(other) and one != other


def _differ(one: str, other: str) -> bool:
    """Whether both are stated and of two organisations."""
    return _are_unequal(one, other) and organisation_of(one) != organisation_of(other)


def _bind_encoded_body(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    least = parameter(parameters, "bytes_gte", int)

    def judge(mail: MailPayload) -> Sight | None:
        if mail.decoded_base64_bytes < least:
            return None
        return sight(mail, threshold={"bytes_gte": least}, counts={"decoded_base64_bytes": mail.decoded_base64_bytes})

    return about_mail(judge)


def _bind_date_skew(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    future, past = (seconds_of(parameter(parameters, name, str)) for name in ("future_gte", "past_gte"))
    threshold = {"future_seconds_gte": future, "past_seconds_gte": past}

    def judge(mail: MailPayload) -> Sight | None:
        skew = mail.date_skew_seconds
        if skew is None or -past < skew < future:
            return None
        return sight(mail, threshold=threshold, counts={"date_skew_seconds": skew}, headers=["date"])

    return about_mail(judge)


def _bind_received_hops(parameters: Parameters, tables: Tables, joins: Joins) -> Look | None:
    """So many hops are in networks of the table."""
    least, name = parameter(parameters, "listed_hops_gte", int), parameter(parameters, "networks", str)
    holders = {row.asn: row.holder for row in table_of(tables, name, _Holders).rows}
    if (networks := joins.networks) is None:
        return None

    def judge(mail: MailPayload) -> Sight | None:
        found = [network.asn for address in mail.hop_addresses if (network := networks.network_of(address)) is not None]
        listed = [f"AS{asn}" for asn in found if asn in holders]
        if len(listed) < least:
            return None
        counts = {"hops": mail.hops, "listed_hops": len(listed)}
        return sight(mail, threshold={"listed_hops_gte": least}, counts=counts, headers=["received"], signs=listed)

    return about_mail(judge)


def _bind_tracking_pixel(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    most, identified = parameter(parameters, "side_pixels_lte", int), parameter(parameters, "identifier_required", bool)

    def judge(mail: MailPayload) -> Sight | None:
        for pixel in mail.pixels:
            if pixel.side_pixels <= most and (pixel.has_identifier or not identified):
                return sight(mail, threshold={"side_pixels_lte": most}, domains=[pixel.host])
        return None

    return about_mail(judge)


PREDICATES: Mapping[str, Predicate] = {
    name: mail_predicate(bind)
    for name, bind in (
        ("email_relay_abuse", _bind_relay_abuse),
        ("email_body_seen_before", _bind_seen_before),
        ("email_mailer_listed", _bind_mailer_listed),
        ("email_confusable_link", _bind_confusable_link),
        ("email_sender_mismatch", _bind_sender_mismatch),
        ("email_encoded_body", _bind_encoded_body),
        ("email_date_skew", _bind_date_skew),
        ("email_received_hops", _bind_received_hops),
        ("email_tracking_pixel", _bind_tracking_pixel),
    )
}
"""Predicates that need nothing but the record, and what else is known of addresses and texts."""
