"""Predicates about a dialogue over SMTP, as the end of its session sums it up."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from decnet.errors import RuleError
from decnet.models.event import SESSION, SessionPayload
from decnet.ttp.lifters.base import Predicate, Sight, look_at_payload, parameter, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.event import Event
    from decnet.models.mail import SmtpFigures
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Tables

_MS_PER_SECOND = 1_000


def _look(judge: Callable[[SmtpFigures], Sight | None]) -> Look:
    def look(_event: Event, payload: SessionPayload) -> Sight | None:
        return judge(payload.smtp) if payload.smtp is not None else None

    return look_at_payload(SessionPayload, look)


def _bind_probe(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """Some verbs so often, or so often refused.

    :raises RuleError: the rule asks for neither.
    """
    verbs = parameter(parameters, "verbs", list[str])
    threshold = {name: parameter(parameters, name, int) for name in ("gte", "rejected_gte") if name in parameters}
    if not threshold:
        raise RuleError(["behavioral_smtp_probe: how often is missing; give gte, rejected_gte or both"])

    def judge(smtp: SmtpFigures) -> Sight | None:
        asked = sum(count for verb, count in smtp.asked.items() if verb in verbs)
        refused = sum(count for verb, count in smtp.refused.items() if verb in verbs)
        if asked < threshold.get("gte", 0) or refused < threshold.get("rejected_gte", 0):
            return None
        return Sight({"sign": " ".join(verbs), "threshold": threshold})

    return _look(judge)


def _bind_relay_probe(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """A recipient was named, both ends are foreign where the rule says so, and there was no more than a test."""
    sender, recipient = parameter(parameters, "foreign_sender", bool), parameter(parameters, "foreign_recipient", bool)
    messages, recipients = parameter(parameters, "messages_lte", int), parameter(parameters, "recipients_lte", int)
    threshold = {"messages_lte": messages, "recipients_lte": recipients}

    def judge(smtp: SmtpFigures) -> Sight | None:
        named = smtp.asked.get("RCPT", 0)
        if not 0 < max(named, smtp.recipients) <= recipients or smtp.messages > messages:
            return None
        if (sender and not smtp.foreign_sender) or (recipient and not smtp.foreign_recipient):
            return None
        return Sight({"sign": "relay_probe", "threshold": threshold})

    return _look(judge)


def _bind_starttls_refused(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    offered, signs = parameter(parameters, "offered", bool), frozenset(parameter(parameters, "signs", list[str]))

    def judge(smtp: SmtpFigures) -> Sight | None:
        if smtp.starttls_used or (offered and not smtp.starttls_offered) or smtp.starttls_sign not in signs:
            return None
        return Sight({"sign": smtp.starttls_sign})

    return _look(judge)


def _bind_mail_burst(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """So many messages to so many recipients within some time, all of it after a log-in where the rule says so."""
    messages, recipients = parameter(parameters, "messages_gte", int), parameter(parameters, "recipients_gte", int)
    after_login, within = parameter(parameters, "after_login", bool), parameter(parameters, "within", str)
    window_ms = seconds_of(within) * _MS_PER_SECOND
    threshold = {"messages_gte": messages, "recipients_gte": recipients, "within_seconds": window_ms // _MS_PER_SECOND}

    def judge(smtp: SmtpFigures) -> Sight | None:
        if after_login and smtp.login_ms is None:
            return None
        begun = smtp.login_ms or 0 if after_login else 0
        deliveries = sorted(delivery for delivery in smtp.deliveries if delivery[0] >= begun)
        if not _is_burst(deliveries, window_ms, messages, recipients):
            return None
        return Sight({"sign": "mail_burst", "threshold": threshold})

    return _look(judge)


def _is_burst(deliveries: list[tuple[int, int]], window_ms: int, messages: int, recipients: int) -> bool:
    """Whether some window holds so many of ``deliveries``, (ms, recipients) in order of time, to so many in all."""
    times = [at for at, _ in deliveries]
    sums = [0, *accumulate(count for _, count in deliveries)]
    for first, begin in enumerate(times):
        end = bisect_right(times, begin + window_ms)
        if end - first >= messages and sums[end] - sums[first] >= recipients:
            return True
    return False


PREDICATES: Mapping[str, Predicate] = {
    name: Predicate(frozenset({SESSION}), (SessionPayload,), bind)
    for name, bind in (
        ("behavioral_smtp_probe", _bind_probe),
        ("behavioral_relay_probe", _bind_relay_probe),
        ("behavioral_starttls_refused", _bind_starttls_refused),
        ("behavioral_mail_burst", _bind_mail_burst),
    )
}
