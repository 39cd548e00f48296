"""Predicates about files in a mail, by what the extractor found in their bytes and the ends of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from decnet.errors import RuleError
from decnet.models.mail import Attachment, Trait
from decnet.ttp.lifters.base import parameter
from decnet.ttp.lifters.email.sight import about_mail, mail_predicate, sight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.mail import MailPayload
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Predicate, Sight, Tables

KNOWN_BAD = "known_bad"
"""Stands among the traits of a rule for a file that a list of malware has."""


def _look(signs_of: Callable[[Attachment], list[str]], threshold: Mapping[str, int] | None = None) -> Look:
    """True of a mail with a file of which ``signs_of`` tells any."""

    def judge(mail: MailPayload) -> Sight | None:
        found = [(file.sha256, signs) for file in mail.attachments if (signs := signs_of(file))]
        if not found:
            return None
        return sight(
            mail,
            threshold=threshold,
            counts={"attachments": len(found)},
            digests=[digest for digest, _ in found],
            signs=[sign for _, signs in found for sign in signs],
        )

    return about_mail(judge)


def _bind_attachment(parameters: Parameters, _tables: Tables, joins: Joins) -> Look | None:
    """A file has any of these traits; without a list of malware none is known to be bad.

    :raises RuleError: a trait is none that the extractor tells.
    """
    wanted = parameter(parameters, "any_of", list[str])
    if unknown := [trait for trait in wanted if trait not in {*get_args(Trait), KNOWN_BAD}]:
        raise RuleError([f"any_of: {unknown[0]!r} is no trait; use {', '.join([*get_args(Trait), KNOWN_BAD])}"])
    known_bad = joins.known_bad if KNOWN_BAD in wanted else None
    if known_bad is None and set(wanted) == {KNOWN_BAD}:
        return None

    def signs_of(file: Attachment) -> list[str]:
        signs = [trait for trait in file.traits if trait in wanted]
        is_bad = known_bad is not None and known_bad.holds(bytes.fromhex(file.sha256))
        return [*signs, KNOWN_BAD] if is_bad else list(signs)

    return _look(signs_of)


def _bind_encrypted_archive(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    formats = frozenset(parameter(parameters, "formats", list[str]))

    def signs_of(file: Attachment) -> list[str]:
        return [file.archive_format] if file.archive_format in formats and "encrypted_archive" in file.traits else []

    return _look(signs_of)


def _bind_html_smuggling(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    least, wanted = parameter(parameters, "signs_gte", int), frozenset(parameter(parameters, "signs", list[str]))

    def signs_of(file: Attachment) -> list[str]:
        signs: list[str] = [sign for sign in file.signs if sign in wanted]
        return signs if len(signs) >= least else []

    return _look(signs_of, {"signs_gte": least})


def _bind_type_mismatch(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """A file that runs is named as one that does not, has two ends, or a name that is turned round.

    :raises RuleError: the rule asks for contradictions between files that do not run.
    """
    if not parameter(parameters, "executable_required", bool):
        raise RuleError(["executable_required: false cannot be answered, others do no harm; write true"])
    wanted = {"type_mismatch"} | {
        name for name in ("double_extension", "right_to_left_override") if parameter(parameters, name, bool)
    }

    def signs_of(file: Attachment) -> list[str]:
        return [trait for trait in file.traits if trait in wanted]

    return _look(signs_of)


PREDICATES: Mapping[str, Predicate] = {
    name: mail_predicate(bind)
    for name, bind in (
        ("email_attachment", _bind_attachment),
        ("email_encrypted_archive", _bind_encrypted_archive),
        ("email_html_smuggling", _bind_html_smuggling),
        ("email_type_mismatch", _bind_type_mismatch),
    )
}
"""Predicates about files."""
