"""What all predicates about mail share: the kinds that they are for, and evidence that names no person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.models.event import SourceKind
from decnet.models.mail import MailPayload
from decnet.ttp.lifters.base import Predicate, Sight, look_at_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from decnet.models.event import Event
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Tables

KINDS = frozenset(map(SourceKind, ("email", "email_header", "email_body", "email_attachment")))
MAX_NAMED = 8
"""Domains, digests and signs that evidence names."""


def sight(
    mail: MailPayload,
    *,
    threshold: Mapping[str, int] | None = None,
    counts: Mapping[str, int] | None = None,
    headers: Iterable[str] = (),
    domains: Iterable[str] = (),
    digests: Iterable[str] = (),
    signs: Iterable[str] = (),
) -> Sight:
    """Evidence about ``mail``, see :class:`~decnet.models.tag.MailEvidence`; what is empty is left out."""
    named = {"headers": headers, "domains": domains, "digests": digests, "signs": signs}
    evidence: dict[str, object] = {"message_sha256": mail.message_sha256}
    evidence |= {name: dict(given) for name, given in (("threshold", threshold), ("counts", counts)) if given}
    for name, given in named.items():
        if found := [each for each in dict.fromkeys(given) if each][:MAX_NAMED]:
            evidence[name] = found
    return Sight(evidence)


def about_mail(judge: Callable[[MailPayload], Sight | None]) -> Look:
    """``judge``, asked about events that are mails."""

    def look(_event: Event, mail: MailPayload) -> Sight | None:
        return judge(mail)

    return look_at_payload(MailPayload, look)


def mail_predicate(bind: Callable[[Parameters, Tables, Joins], Look | None]) -> Predicate:
    """The predicate that ``bind`` binds."""
    return Predicate(KINDS, (MailPayload,), bind)
