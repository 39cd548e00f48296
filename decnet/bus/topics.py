"""The only list of topics; a test holds docs/reference/topics.md to it.

A topic is dotted tokens: ``attacker.session.ended``. Some are variable and have a name in the pattern:
``finding.<source_kind>`` stands for ``finding.auth_attempt`` and all others of that shape. Subscriptions are made with
NATS patterns, where ``*`` is any one token and ``>``, as the last, is one or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from decnet.errors import BusError
from decnet.models import message

MAX_TOKEN = 128
"""The longest variable token, in characters."""
_ANY, _REST = "*", ">"
_TECHNIQUE_DIGITS = 4
_REMEMBERED = 1_024


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that is announced. ``publisher`` is who says it, ``about`` what it means, in one sentence."""

    pattern: str
    publisher: str
    about: str

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens as a NATS pattern has them: ``finding``, ``*``."""
        return tuple(_ANY if _is_variable(token) else token for token in self.pattern.split("."))

    @property
    def subject(self) -> str:
        """The NATS pattern of all topics of this shape: ``finding.*``."""
        return ".".join(self.tokens)

    def name(self, **variables: str) -> str:
        """The topic with its variable tokens filled in, each by its name.

        :raises BusError: a variable is missing, too many, or holds what is no token.
        """
        wanted = {token[1:-1] for token in self.pattern.split(".") if _is_variable(token)}
        if wanted != variables.keys():
            raise BusError(f"topic {self.pattern}: give {_listed(wanted)}, not {_listed(set(variables))}")
        return ".".join(
            _checked(self, token[1:-1], variables[token[1:-1]]) if _is_variable(token) else token
            for token in self.pattern.split(".")
        )

    def parse(self, name: str) -> dict[str, str] | None:
        """The variable tokens of ``name`` by their names; None when ``name`` is no topic of this shape."""
        ours, theirs = self.pattern.split("."), name.split(".")
        if len(ours) != len(theirs):
            return None
        variables = {}
        for our, their in zip(ours, theirs, strict=True):
            if _is_variable(our):
                if _fault(our[1:-1], their):
                    return None
                variables[our[1:-1]] = their
            elif our != their:
                return None
        return variables


EVENTS = Topic(message.EVENTS, "intake", "New events of one partition, in the order in which they were stored.")
FINDING = Topic(
    "finding.<source_kind>",
    "attribute worker, enrich",
    "A figure over several events is new or has changed; under intel_verdict, what a provider says is.",
)
ATTACKER_OBSERVED = Topic("attacker.observed", "attribution", "An attacker was seen for the first time.")
ATTACKER_SCORED = Topic(
    "attacker.scored", "attribution", "An attacker's day has the rhythm of a behaviour class for the first time."
)
SESSION_STARTED = Topic("attacker.session.started", "attribution", "A session began.")
SESSION_ENDED = Topic(
    "attacker.session.ended", "attribution", "A session is over; a late event makes it end again, one revision higher."
)
INTEL_ENRICHED = Topic("attacker.intel.enriched", "enrich", "A provider's verdict on an indicator has come in.")
CREDENTIAL_REUSE = Topic(
    "credential.reuse.detected",
    "attribution",
    "An identity used one pair of account and password at several places in a day.",
)
IDENTITY_FORMED = Topic("identity.formed", "attribution", "An identity has its second attacker.")
IDENTITY_LINKED = Topic("identity.observation.linked", "attribution", "An attacker joined an identity.")
IDENTITY_MERGED = Topic("identity.merged", "attribution", "Two identities are one now; the older one stays.")
IDENTITY_UNMERGED = Topic("identity.unmerged", "attribution", "An identity that had been merged is its own again.")
CAMPAIGN_FORMED = Topic("campaign.formed", "attribution", "A campaign has its second identity.")
CAMPAIGN_ASSIGNED = Topic("campaign.identity.assigned", "attribution", "An identity joined a campaign.")
CAMPAIGN_MERGED = Topic("campaign.merged", "attribution", "Two campaigns are one now; the older one stays.")
CAMPAIGN_UNMERGED = Topic("campaign.unmerged", "attribution", "A campaign that had been merged is its own again.")
CANARY_TRIGGERED = Topic("canary.<token>.triggered", "intake", "Somebody touched a canary.")
EMAIL_RECEIVED = Topic(
    "email.received", "intake", "A mail came in; the message holds a pointer, digests and counts, never the body."
)
TAGGED = Topic("ttp.tagged", "ttp worker", "Tags were stored that had not been there before, and only those.")
RULE_FIRED = Topic("ttp.rule.fired.<technique>", "ttp worker", "A rule fired; the token is the parent technique.")
RULE_SUPPRESSED = Topic("ttp.rule.suppressed", "ttp worker", "A rule fired so often that it is no longer announced.")
RULE_RELOADED = Topic("ttp.rule.reloaded.<rule>", "the worker that watches the store", "A rule was read anew.")
RULE_STATE = Topic(
    "ttp.rule.state.<rule>", "the worker that watches the store", "A rule was enabled, disabled or clipped."
)

TOPICS = (
    EVENTS,
    FINDING,
    ATTACKER_OBSERVED,
    ATTACKER_SCORED,
    SESSION_STARTED,
    SESSION_ENDED,
    INTEL_ENRICHED,
    CREDENTIAL_REUSE,
    IDENTITY_FORMED,
    IDENTITY_LINKED,
    IDENTITY_MERGED,
    IDENTITY_UNMERGED,
    CAMPAIGN_FORMED,
    CAMPAIGN_ASSIGNED,
    CAMPAIGN_MERGED,
    CAMPAIGN_UNMERGED,
    CANARY_TRIGGERED,
    EMAIL_RECEIVED,
    TAGGED,
    RULE_FIRED,
    RULE_SUPPRESSED,
    RULE_RELOADED,
    RULE_STATE,
)


@lru_cache(maxsize=4096)
def topic_of(name: str) -> Topic:
    """The declared topic that ``name`` is one of.

    :raises BusError: ``name`` is no declared topic.
    """
    for topic in TOPICS:
        if topic.parse(name) is not None:
            return topic
    raise BusError(f"topic {name!r} is not declared in decnet/bus/topics.py{_meant(name)}")


def declared(pattern: str) -> tuple[Topic, ...]:
    """The declared topics that a NATS ``pattern`` meets.

    :raises BusError: ``pattern`` is not well formed, or meets none.
    """
    tokens = _pattern_tokens(pattern)
    met = tuple(topic for topic in TOPICS if _meeting(tokens, topic.tokens) is not None)
    if not met:
        raise BusError(f"pattern {pattern!r} meets no topic of decnet/bus/topics.py{_meant(pattern)}")
    return met


def filters(patterns: str | tuple[str, ...]) -> tuple[str, ...]:
    """NATS patterns, each within one declared topic and none within another, that together take what ``patterns`` take.

    ``ttp.>`` becomes one filter for each topic below ``ttp``; ``finding.scan`` stays as it is.

    :raises BusError: as :func:`declared`.
    """
    found: dict[str, None] = {}
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        tokens = _pattern_tokens(pattern)
        for topic in declared(pattern):
            if met := _meeting(tokens, topic.tokens):
                found[".".join(met)] = None
    return tuple(one for one in found if not any(other != one and _covers(other, one) for other in found))


def matches(pattern: str, name: str) -> bool:
    """Whether the topic ``name`` is one that a well-formed NATS ``pattern`` takes."""
    return _meeting(tuple(pattern.split(".")), tuple(name.split("."))) is not None


@lru_cache(_REMEMBERED)
def takes(patterns: tuple[str, ...], name: str) -> bool:
    """Whether the topic ``name`` is one that any of the well-formed NATS ``patterns`` takes."""
    return any(matches(pattern, name) for pattern in patterns)


def _covers(pattern: str, other: str) -> bool:
    ours, theirs = pattern.split("."), other.split(".")
    return len(ours) == len(theirs) and all(our in {_ANY, their} for our, their in zip(ours, theirs, strict=True))


def _meeting(pattern: tuple[str, ...], topic: tuple[str, ...]) -> tuple[str, ...] | None:
    """What both take, token by token; only ``pattern`` may end in ``>``."""
    if pattern[-1] == _REST:
        head = len(pattern) - 1
        if len(topic) <= head:
            return None
        pattern = pattern[:-1] + topic[head:]
    if len(pattern) != len(topic):
        return None
    met = []
    for ours, theirs in zip(pattern, topic, strict=True):
        if _ANY not in {ours, theirs} and ours != theirs:
            return None
        met.append(theirs if ours == _ANY else ours)
    return tuple(met)


def _pattern_tokens(pattern: str) -> tuple[str, ...]:
    tokens = tuple(pattern.split("."))
    for place, token in enumerate(tokens):
        if token == _ANY or (token == _REST and place == len(tokens) - 1):
            continue
        if fault := _fault("", token):
            raise BusError(
                f"pattern {pattern!r}: token {token!r} {fault}; use a word, * for any one, or > at the end for the rest"
            )
    return tokens


def _checked(topic: Topic, variable: str, token: str) -> str:
    if fault := _fault(variable, token):
        raise BusError(f"topic {topic.pattern}: {variable} {token[:MAX_TOKEN]!r} {fault}")
    return token


def _fault(variable: str, token: str) -> str:
    """What is wrong with ``token``, or nothing."""
    if not token:
        return "is empty"
    if len(token) > MAX_TOKEN:
        return f"is longer than {MAX_TOKEN} characters"
    if not token.isascii() or not token.isprintable() or any(char in token for char in " .*>"):
        return "holds a dot, a space, a wildcard or what is not ASCII"
    if variable == "technique" and not _is_parent_technique(token):
        return "is no parent technique: name T1059, not its sub-technique"
    return ""


def _is_parent_technique(token: str) -> bool:
    return token[0] == "T" and len(token) == 1 + _TECHNIQUE_DIGITS and token[1:].isdigit()


def _is_variable(token: str) -> bool:
    return token.startswith("<")


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names)) or "no variable"


def _meant(name: str) -> str:
    close = get_close_matches(name, [topic.subject for topic in TOPICS], n=1)
    return f"; did you mean {close[0]}?" if close else ""
