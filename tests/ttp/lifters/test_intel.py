"""What verdicts show, by the tables that ship."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from decnet.errors import RuleError
from decnet.models.actor import AttackerUuid
from decnet.models.event import INTEL_VERDICT, PAYLOAD, CommandPayload, FilePayload
from decnet.models.finding import Finding
from decnet.models.intel import Agreement, Threat, Verdict
from decnet.ttp.lifter_engine import bind_rule
from decnet.ttp.lifters.base import Joins
from decnet.ttp.lifters.intel import PREDICATES, PROVIDERS
from decnet.ttp.store.filesystem import default_rules_folder
from tests.events import an_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.models.finding import Figures
    from decnet.ttp.lifters.base import Seen, Sight
    from decnet.ttp.pack import Pack

RULES = default_rules_folder()
KNOWN_BAD = "b1" * 32


def tables(name: str) -> object:
    return yaml.load((RULES / name).read_text("utf-8"), Loader=yaml.CSafeLoader)


class Digests:
    """A list of one file."""

    def holds(self, sha256: bytes) -> bool:
        return sha256 == bytes.fromhex(KNOWN_BAD)


def sight(pack: Pack, rule_id: str, seen: Seen | Figures, joins: Joins | None = None) -> Sight | None:
    """What the lifter of a rule that ships sees."""
    rule = pack.rule(rule_id)
    assert rule is not None
    (term,) = rule.lifters
    look = PREDICATES[term.predicate].bind(term.parameters, tables, joins or Joins(known_bad=Digests()))
    assert look is not None
    if isinstance(seen, Verdict | Agreement):
        seen = Finding("intel:x", INTEL_VERDICT, 0, 1, seen, AttackerUuid(bytes(16)))
    return look(seen)  # type: ignore[arg-type]


def shown(found: Sight | None) -> Mapping[str, float]:
    """Confidence by technique."""
    assert found is not None
    assert found.confidences is not None
    return {sub or technique: round(value, 4) for (technique, sub), value in found.confidences.items()}


def abuseipdb(score: int, *categories: int) -> Verdict:
    return Verdict("abuseipdb", "118.25.6.39", score=score, categories=categories)


def greynoise(classification: str, *tags: str) -> Verdict:
    return Verdict("greynoise", "118.25.6.39", classification=classification, tags=tags)


def threatfox(*threats: tuple[str, int]) -> Verdict:
    return Verdict("threatfox", "118.25.6.39", threats=tuple(Threat(*threat) for threat in threats))


@pytest.mark.parametrize(
    ("verdict", "techniques"),
    [
        (abuseipdb(100, 5), {"T1110": 0.9}),
        (abuseipdb(100, 7), {"T1566": 0.7}),
        (abuseipdb(100, 9), {"T1090": 0.7}),
        (abuseipdb(79, 11), {"T1496": 0.553}),
        (abuseipdb(80, 11), {"T1496": 0.56, "T1566": 0.56}),
        (abuseipdb(100, 13), {"T1090": 0.7}),
        (abuseipdb(100, 14), {"T1046": 0.9, "T1595.001": 0.9}),
        (abuseipdb(100, 15), {"T1190": 0.7}),
        (abuseipdb(100, 16), {"T1190": 0.9}),
        (abuseipdb(100, 17), {"T1566": 0.7}),
        (abuseipdb(100, 18), {"T1110": 0.9}),
        (abuseipdb(100, 18, 22), {"T1110": 0.9, "T1110.001": 0.9}),
        (abuseipdb(100, 22), {"T1110": 0.7}),
        (abuseipdb(100, 19), {"T1595.002": 0.7}),
        (abuseipdb(100, 20), {"T1078": 0.7}),
        (abuseipdb(100, 21), {"T1190": 0.9}),
        (abuseipdb(100, 23), {"T1190": 0.7}),
        (abuseipdb(50, 15, 16), {"T1190": 0.45}),
        (abuseipdb(0, 18), {"T1110": 0.0}),
    ],
)
def test_a_category_of_abuseipdb_shows_its_techniques_by_the_score(
    pack: Pack, verdict: Verdict, techniques: Mapping[str, float]
) -> None:
    assert shown(sight(pack, "R0054", verdict)) == techniques


@pytest.mark.parametrize("category", [1, 2, 3, 4, 6, 8, 10, 12, 24, 99, 0, -1])
def test_a_category_without_a_row_is_no_technique(pack: Pack, category: int) -> None:
    assert sight(pack, "R0054", abuseipdb(100, category)) is None


@pytest.mark.parametrize(
    ("verdict", "techniques"),
    [
        (greynoise("malicious"), {"T1071": 0.35}),
        (greynoise("malicious", "mirai"), {"T1071": 0.35}),
        (greynoise("malicious", "ssh_bruteforcer"), {"T1110.001": 0.9}),
        (greynoise("unknown", "tor_exit_node"), {"T1090.003": 0.9}),
        (greynoise("benign", "scanner"), {"T1595.002": 0.9}),
        (greynoise("unknown", "web_crawler"), {"T1595.002": 0.7}),
        (greynoise("malicious", "cobalt_strike"), {"T1071.001": 0.9, "T1588.001": 0.9}),
    ],
)
def test_tags_of_greynoise_say_more_than_a_bare_malicious(
    pack: Pack, verdict: Verdict, techniques: Mapping[str, float]
) -> None:
    assert shown(sight(pack, "R0055", verdict)) == techniques


@pytest.mark.parametrize(
    "verdict",
    [
        *(greynoise(classification) for classification in ("benign", "unknown", "suspicious", "scanner", "")),
        greynoise("benign", "web_crawler"),
        greynoise("benign", "googlebot"),
    ],
)
def test_a_classification_that_says_nothing_bad_is_no_technique(pack: Pack, verdict: Verdict) -> None:
    assert sight(pack, "R0055", verdict) is None


def test_feodo_lists_or_does_not(pack: Pack) -> None:
    listed = Verdict("feodo", "118.25.6.39", listed=True, malware="Emotet", pointer="https://feodo.example/")
    found = sight(pack, "R0056", listed)
    assert found is not None
    assert found.evidence == {
        "provider": "feodo",
        "signals": ["listed"],
        "score": 1.0,
        "families": ["Emotet"],
        "pointer": "https://feodo.example/",
    }
    assert sight(pack, "R0056", Verdict("feodo", listed=False)) is None
    assert sight(pack, "R0056", Verdict("feodo")) is None


@pytest.mark.parametrize(
    ("verdict", "techniques"),
    [
        (threatfox(("botnet_cc", 100)), {"T1071.001": 0.9, "T1588.001": 0.9}),
        (threatfox(("botnet_cc", 50), ("botnet_cc", 75)), {"T1071.001": 0.675, "T1588.001": 0.675}),
        (threatfox(("payload_delivery", 50)), {"T1105": 0.45, "T1588.001": 0.45}),
        (threatfox(("payload", 100)), {"T1588.001": 0.9}),
        (threatfox(("cc_skimming", 100)), {"T1056": 0.7}),
    ],
)
def test_threatfox_is_read_by_type_of_threat(pack: Pack, verdict: Verdict, techniques: Mapping[str, float]) -> None:
    assert shown(sight(pack, "R0057", verdict)) == techniques


def test_the_type_of_an_indicator_is_no_threat(pack: Pack) -> None:
    assert sight(pack, "R0057", Verdict("threatfox", threats=(Threat("", 100, "payload_delivery"),))) is None


def test_evidence_names_families_and_kinds_of_indicator(pack: Pack) -> None:
    threats = (Threat("botnet_cc", 75, "ip:port", "Cobalt Strike"), Threat("spam", 100, "url", "Other"))
    found = sight(pack, "R0057", Verdict("threatfox", threats=threats))
    assert found is not None
    assert found.evidence == {
        "provider": "threatfox",
        "signals": ["botnet_cc"],
        "score": 0.75,
        "families": ["Cobalt Strike"],
        "ioc_types": ["ip:port"],
    }


@pytest.mark.parametrize("rule_id", ["R0054", "R0055", "R0056", "R0057"])
def test_a_rule_is_about_its_own_provider(pack: Pack, rule_id: str) -> None:
    assert sight(pack, rule_id, Verdict("another", score=100, categories=(18,), listed=True, tags=("scanner",))) is None
    assert sight(pack, rule_id, an_event(PAYLOAD, CommandPayload("id"))) is None


def an_agreement(*verdicts: Verdict) -> Agreement:
    return Agreement("118.25.6.39", verdicts)


UNMAPPED = Verdict("abuseipdb", standing="malicious", score=90, categories=(4,))
ALSO = Verdict("threatfox", standing="malicious", threats=(Threat("spam", 100),))


def test_two_that_agree_and_name_nothing_lift_what_is_seen(pack: Pack) -> None:
    found = sight(pack, "R0058", an_agreement(UNMAPPED, ALSO))
    assert found is not None
    assert found.evidence == {"providers": ["abuseipdb", "threatfox"], "bump": 0.05}


@pytest.mark.parametrize(
    "verdicts",
    [
        (),
        (UNMAPPED,),
        (UNMAPPED, Verdict("threatfox", standing="suspicious")),
        (UNMAPPED, ALSO, Verdict("greynoise", standing="malicious", classification="malicious")),
        (UNMAPPED, ALSO, Verdict("feodo", standing="malicious", listed=True)),
        (Verdict("abuseipdb", standing="malicious", score=90, categories=(4, 18)), ALSO),
    ],
)
def test_one_alone_or_a_row_that_applies_lifts_nothing(pack: Pack, verdicts: tuple[Verdict, ...]) -> None:
    assert sight(pack, "R0058", an_agreement(*verdicts)) is None


@pytest.mark.parametrize("bump", [0.0, 0.06, -0.05, "much"])
def test_a_bump_beyond_its_limit_is_a_fault_of_the_rule(bump: object) -> None:
    parameters = {"providers_gte": 2, "verdict": "malicious", "bump": bump}
    with pytest.raises(RuleError, match="bump"):
        PREDICATES["intel_agreement"].bind(parameters, tables, Joins())


@pytest.mark.parametrize("action", ["uploaded", "downloaded", "captured"])
def test_a_file_on_the_list_is_known_malware(pack: Pack, action: str) -> None:
    file = FilePayload(action, sha256=KNOWN_BAD)  # type: ignore[arg-type]
    found = sight(pack, "R0064", an_event(PAYLOAD, file))
    assert found is not None
    assert found.evidence == {"provider": "malwarebazaar", "sha256": KNOWN_BAD, "action": action}


@pytest.mark.parametrize("sha256", ["", "b2" * 32, "b1", "nonsense", "b1" * 33, "é"])
def test_another_file_is_not(pack: Pack, sha256: str) -> None:
    assert sight(pack, "R0064", an_event(PAYLOAD, FilePayload("uploaded", sha256=sha256))) is None


def test_without_a_list_nothing_is_asked(pack: Pack) -> None:
    rule = pack.rule("R0064")
    assert rule is not None
    (term,) = rule.lifters
    assert PREDICATES[term.predicate].bind(term.parameters, tables, Joins()) is None


def test_every_table_of_a_provider_is_known_to_the_lifter() -> None:
    assert {path.stem for path in Path(RULES / "intel").glob("*.yaml")} == set(PROVIDERS)


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"provider": "feodo", "scale": "score", "table": "intel/abuseipdb.yaml"}, "is abuseipdb's, not feodo's"),
        ({"provider": "abuseipdb", "scale": "odd", "table": "intel/abuseipdb.yaml"}, "'odd' is none"),
        ({"provider": "abuseipdb", "scale": "score", "table": "data/default_credentials.yaml"}, "default_credentials"),
    ],
)
def test_a_table_that_does_not_fit_is_a_fault_of_the_rule(parameters: Mapping[str, object], fault: str) -> None:
    with pytest.raises(RuleError, match=fault):
        PREDICATES["intel_category"].bind(parameters, tables, Joins())


def test_a_row_that_names_what_its_rule_does_not_emit_is_a_fault_and_costs_the_term(pack: Pack) -> None:
    rule = pack.rule("R0054")
    assert rule is not None
    table = tables("intel/abuseipdb.yaml")
    assert isinstance(table, dict)
    emit = {"tactic": "TA0040", "technique_id": "T1498", "confidence": 0.9}
    grown = table | {"rows": [*table["rows"], {"signal": 4, "label": "DDoS Attack", "emits": [emit]}]}

    assert bind_rule(rule, tables, Joins()).faults == ()
    bound = bind_rule(rule, lambda _: grown, Joins())

    assert [fault.message for fault in bound.faults] == [
        "the table names T1498, which the rule does not emit; add it to emits"
    ]
    assert not bound.questions
