"""Every engine proposes what RE2 finds, and every way of matching fires the same rules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decnet.errors import DecnetError
from decnet.models.rule import Case, CaseEvent, SessionCaseEvent
from decnet.shell import unroll
from decnet.ttp import scan
from decnet.ttp.condition import Leaf, finder_of
from decnet.ttp.dialect import pattern_form
from decnet.ttp.index import RuleIndex
from decnet.ttp.match import find_pattern
from decnet.ttp.naive import NaiveIndex
from decnet.ttp.scan import scanner_of
from decnet.ttp.store.filesystem import default_rules_folder, load_pack
from decnet.ttp.store.pattern import pattern_fault
from decnet.ttp.store.yaml_file import read_yaml
from tests.require import lacking
from tests.ttp.packs import pack_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from decnet.shell import SimpleCommand
    from decnet.ttp.index import Hit
    from decnet.ttp.scan import Engine, Scanner

ENGINES: list[Engine] = ["hyperscan", "re2"]

PIECES = [
    *("a", "b", "k", "S", "é", "ſ", "K", ".", " ", "\n", "-", "}", "{,3}", "^", "$", r"\A", r"\z", r"\b", r"\B"),
    *(
        r"\s",
        r"\S",
        r"\w",
        r"\W",
        r"\d",
        r"\D",
        r"\v",
        r"\n",
        r"\x0b",
        r"\x00",
        r"\x{41}",
        r"\xe9",
        r"\012",
        r"\Qa.b\E",
    ),
    *("[ab]", "[^a]", r"[\s-x]", r"[^\sb]", r"[^\S]", r"[\w.-]", "[a-k]", "[]a]", "[^]a]", "[é]", "[^é]", "[[a]"),
    *("[[:alpha:]]", "[[:^space:]]", r"[\x00-\x20]", "[+--]", r"[a\-k]"),
]
WRAPPED = [
    "(?:%s)",
    "(%s)",
    "(?P<n>%s)",
    "(?i:%s)",
    "(?m:%s)",
    "(?s:%s)",
    "(?:%s)*",
    "(?:%s)+",
    "(?:%s)?",
    "(?:%s){1,2}",
]
PATTERNS = st.recursive(
    st.sampled_from(PIECES),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map("|".join),
        st.tuples(st.sampled_from(WRAPPED), inner).map(lambda pair: pair[0].replace("%s", pair[1])),
    ),
    max_leaves=8,
).filter(lambda pattern: pattern_fault(pattern) is None)
TEXTS = st.one_of(
    st.text("abkKsSéÉſK.\n\r\t\v\f\0 09-}{x;A_", max_size=8).map(str.encode),
    st.binary(max_size=12),
    st.text(max_size=12).map(str.encode),
)


@pytest.fixture(params=ENGINES, scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    if chosen == "hyperscan" and not scan.hyperscan_is_installed():
        lacking("hyperscan", "the package is not installed")
    return chosen


def leaves_of(*patterns: str) -> dict[int, Leaf]:
    return {number: Leaf("command_text", "pattern", (pattern,)) for number, pattern in enumerate(patterns)}


def disagreements(scanner: Scanner, leaves: dict[int, Leaf], data: bytes) -> list[str]:
    """Terms that are true and were missed, or certain and not true."""
    proposed = set(scanner.propose(data))
    true = {number for number, leaf in leaves.items() if finder_of(leaf)(data) is not None}
    wrong = (true - proposed) | (proposed & scanner.exact) - true
    return [leaves[number].values[0] for number in wrong]


@given(patterns=st.lists(PATTERNS, min_size=1, max_size=12), texts=st.lists(TEXTS, min_size=1, max_size=12))
@example(
    patterns=[r"a\S", r"b$", r"(?i)k", "(?m)^b", r"\x00", "é+"], texts=[b"a\v", b"b\n", b"K", b"a\nb\n", b"\0", b"\xc3"]
)
def test_engines_propose_what_re2_finds(engine: Engine, patterns: list[str], texts: list[bytes]) -> None:
    leaves = leaves_of(*patterns)
    scanner = scanner_of(leaves, engine)
    assert [disagreements(scanner, leaves, data) for data in texts if data] == [[] for data in texts if data]


@given(word=st.text(min_size=1, max_size=6), text=st.text(max_size=6))
def test_literals_are_found_whatever_they_hold(engine: Engine, word: str, text: str) -> None:
    leaves = {
        number: Leaf("raw_url", operator, (word,))
        for number, operator in enumerate(["contains", "startswith", "endswith"])
    }
    scanner = scanner_of(leaves, engine)
    for data in (text, text + word, word + text, text + word + text):
        assert disagreements(scanner, leaves, data.encode()) == []


def test_what_hyperscan_refuses_is_left_to_re2(caplog: pytest.LogCaptureFixture) -> None:
    leaves = leaves_of("(?:a$|b)c", "bc")
    assert set(scanner_of(leaves, "hyperscan").propose(b"bc")) == {0, 1}
    assert "RE2 tries it on every text" in caplog.text


def test_many_terms_do_not_exhaust_the_filter_of_re2() -> None:
    leaves = leaves_of(*(rf"\bword{number:05}\s+-\w" for number in range(6_000)))
    assert scanner_of(leaves, "re2").propose(b"x; word05999 -a") == [5_999]


def test_an_engine_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "hyperscan_is_installed", lambda: False)
    assert type(scanner_of(leaves_of("a"))).__name__ == "Re2Scanner"
    with pytest.raises(DecnetError, match="'hyperscan' is not installed"):
        scanner_of(leaves_of("a"), "hyperscan")


@pytest.mark.parametrize("pattern", [r"a(?:;|\s*$)", "(?:^|;)a", r"a\s*$", "^a$"])
def test_anchors_at_the_ends_are_taken_without_asking_hyperscan(pattern: str) -> None:
    assert not pattern_form(pattern).has_inner_anchor


# ---- whole packs

WHEN = """\
  - {tactic: TA0011, technique_id: T1071, confidence: 0.7, when: {any: [{contains: k}, {not: {contains: a}}]}}
"""


TERMS = st.recursive(
    st.sampled_from(
        [
            "{contains: a}",
            "{contains: é}",
            "{startswith: b}",
            "{endswith: k}",
            "{equals: ab}",
            "{in_set: [a, b, 'é']}",
            r"{pattern: 'a\s'}",
            r"{pattern: '(?i)K'}",
            r"{pattern: 'b$'}",
            "{field: account, contains: a}",
            "{field: account, equals: k}",
        ]
    ),
    lambda inner: st.one_of(
        inner.map(lambda term: f"{{not: {term}}}"),
        st.tuples(st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)).map(
            lambda pair: f"{{{pair[0]}: [{', '.join(pair[1])}]}}"
        ),
    ),
    max_leaves=6,
)


def seen(hits: Sequence[Hit]) -> list[tuple[str, int, dict[str, object]]]:
    return [(hit.rule.rule_id, len(hit.emits), dict(hit.proof)) for hit in hits]


@given(
    matches=st.lists(TERMS, min_size=1, max_size=5),
    texts=st.lists(st.text("abkKé \n", max_size=4), min_size=1, max_size=8),
    account=st.sampled_from(["", "a", "k"]),
)
def test_an_index_fires_what_the_naive_way_fires(
    engine: Engine, matches: list[str], texts: list[str], account: str
) -> None:
    pack = pack_of(*matches, emits=WHEN)
    index, naive = RuleIndex(pack, engine), NaiveIndex(pack)
    for text in texts:
        fields = {"command_text": text, "account": account}
        assert seen(index.match("command", fields)) == seen(naive.match("command", fields))


@cache
def shipped(engine: Engine) -> RuleIndex:
    return RuleIndex(load_pack(), engine)


@cache
def naive() -> NaiveIndex:
    return NaiveIndex(load_pack())


@cache
def case_events() -> list[tuple[str, dict[str, str]]]:
    """Every event of every case file, those of session cases one by one."""
    events: list[CaseEvent | SessionCaseEvent] = []
    for path in sorted((default_rules_folder() / "cases").glob("*.yaml")):
        value = read_yaml(path.read_text("utf-8")).value
        assert isinstance(value, list)
        for case in map(Case.model_validate, value):
            events += [case.event] if case.event else (case.session or ())
    return [(event.source_kind, {name: str(v) for name, v in (event.payload or {}).items()}) for event in events]


def commands_of(fields: Mapping[str, str]) -> Sequence[SimpleCommand]:
    return unroll(fields["command_text"]).commands if "command_text" in fields else ()


@pytest.mark.timeout(90)
def test_engines_agree_on_every_case(engine: Engine) -> None:
    assert len(case_events()) > 0
    for kind, fields in case_events():
        commands = commands_of(fields)
        assert seen(shipped(engine).match(kind, fields, commands)) == seen(naive().match(kind, fields, commands))


@pytest.mark.timeout(90)
@given(st.data())
def test_engines_agree_on_mutated_cases(engine: Engine, data: st.DataObject) -> None:
    kind, fields = data.draw(st.sampled_from(case_events()))
    cut = data.draw(st.integers(0, 40))
    noise = data.draw(st.text("é\0\r\n\v ;|&$'\"ax", max_size=3))
    changed = {name: text[:cut] + noise + text[cut:] for name, text in fields.items()}
    commands = commands_of(changed)
    assert seen(shipped(engine).match(kind, changed, commands)) == seen(naive().match(kind, changed, commands))


def test_kinds_share_rules_and_each_looks_at_its_own_field(engine: Engine) -> None:
    index = RuleIndex(pack_of("{contains: etc}", applies_to="command, http_request"), engine)
    assert len(index.match("command", {"command_text": "ls /etc"})) == 1
    assert len(index.match("http_request", {"raw_url": "/etc"})) == 1
    assert index.match("http_request", {"command_text": "ls /etc"}) == ()
    assert index.match("scan", {"signature": "etc"}) == ()


def test_many_threads_get_what_one_gets(engine: Engine) -> None:
    texts = [fields.get("command_text", "") for kind, fields in case_events() if kind == "command"]

    def fired(text: str) -> list[str]:
        return [hit.rule.rule_id for hit in shipped(engine).match("command", {"command_text": text})]

    alone = [fired(text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(fired, texts * 5)) == alone * 5


def test_a_hostile_text_is_scanned_in_linear_time() -> None:
    find = find_pattern(r"(a+)+$|(?:x*)*y")
    assert find(b"a" * 50_000 + b"!") is None
