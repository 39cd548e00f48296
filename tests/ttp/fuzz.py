"""Random attacks on the whole engine: ``python -m tests.ttp.fuzz 100000 [SEED]``.

Each input is a mutated line; Hyperscan with confirmation, RE2 alone and the naive evaluation of every term must fire
the same rules on it, and no input may raise. The slowest reading is printed.
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
from tests.shell.fuzz import mutated

SHOWN_EVERY = 20_000


def main(count: int, seed: int) -> None:
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


def _rules(hits: object) -> list[tuple[str, int]]:
    assert isinstance(hits, list | tuple)
    return [(hit.rule.rule_id, len(hit.emits)) for hit in hits if isinstance(hit, Hit)]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
