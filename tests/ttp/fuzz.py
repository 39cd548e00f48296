"""Random attacks on the whole engine; each input is a mutated line, and none may raise.

``python -m tests.ttp.fuzz matchers 100000 [SEED]``: Hyperscan with confirmation, RE2 alone and the naive evaluation of
every term must fire the same rules. ``python -m tests.ttp.fuzz engine 1000000 [SEED]``: the engine as it is used, in
sessions of twenty lines, up to its tags; no line may take as long as a second.
"""

from __future__ import annotations

import random
import sys
import time

from decnet.models.text import canonical_text
from decnet.shell import unroll
from decnet.ttp.engine import RuleEngine
from decnet.ttp.index import Hit, RuleIndex
from decnet.ttp.naive import NaiveIndex
from decnet.ttp.store.filesystem import load_pack
from tests.events import NOON, a_command
from tests.shell.fuzz import mutated

SHOWN_EVERY = 20_000
LINES_PER_SESSION = 20
TOO_SLOW_S = 1.0


def compare_matchers(count: int, seed: int) -> None:
    """Compare on ``count`` inputs; an input on which two ways differ ends the run with it."""
    pack = load_pack()
    indexes = (RuleIndex(pack, "hyperscan"), RuleIndex(pack, "re2"), NaiveIndex(pack))
    engine = RuleEngine(pack, remembered=0)
    source = random.Random(seed)
    slowest, hits = 0.0, 0
    for number in range(1, count + 1):
        text = canonical_text(mutated(source))
        commands = unroll(text).commands
        fired = [_rules(index.match("command", {"command_text": text}, commands)) for index in indexes]
        if any(one != fired[0] for one in fired):
            raise AssertionError(f"{text!r}: {fired}")
        hits += len(fired[0])
        begun = time.perf_counter()
        engine.read(text)
        slowest = max(slowest, time.perf_counter() - begun)
        if number % SHOWN_EVERY == 0 or number == count:
            print(f"{number:,} inputs, {hits:,} rules fired, the same by all three; slowest {slowest * 1e3:.1f} ms")


def attack_engine(count: int, seed: int) -> None:
    """Tag ``count`` inputs; one that raises or takes a second ends the run with it."""
    engine = RuleEngine(load_pack())
    source = random.Random(seed)
    slowest, tags = 0.0, 0
    for number in range(count):
        text = canonical_text(mutated(source))
        event = a_command(text, at=NOON + number, session=f"s{number // LINES_PER_SESSION}")
        begun = time.process_time()
        try:
            tags += len(engine.tag(event))
        except Exception:
            print(repr(text))
            raise
        taken = time.process_time() - begun
        slowest = max(slowest, taken)
        if taken > TOO_SLOW_S:
            raise AssertionError(f"{taken:.1f} s for {text!r}")
        if (number + 1) % SHOWN_EVERY == 0 or number + 1 == count:
            print(f"{number + 1:,} inputs, {tags:,} tags; slowest {slowest * 1e3:.1f} ms")


def _rules(hits: object) -> list[tuple[str, int]]:
    assert isinstance(hits, list | tuple)
    return [(hit.rule.rule_id, len(hit.emits)) for hit in hits if isinstance(hit, Hit)]


if __name__ == "__main__":
    run = {"matchers": compare_matchers, "engine": attack_engine}[sys.argv[1]]
    run(int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
