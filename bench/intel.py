"""Known malware and networks: how long a look-up takes, and what the lists cost in memory."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
from ipaddress import IPv4Address
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, TypeVar

from decnet.intel.digests import write_digests
from decnet.intel.kept import DIGESTS_NAME, KeptDigests, KeptNetworks
from decnet.intel.ranges import Range, address_bytes, write_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DIGESTS = 1_000_000
RANGES = 500_000
LOOKUPS = 200_000
ROUNDS = 5
T = TypeVar("T")
TARGET_US, TARGET_MB = 5.0, 100.0

_MEMORY = """
import sys
from pathlib import Path
from decnet.intel.digests import DigestFile
def kept():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Rss:")))
before = kept()
known = DigestFile(Path(sys.argv[1]))
for number in range(65_536):
    known.holds(number.to_bytes(2, "big") * 16)
print(kept() - before)
"""


def main() -> None:
    chance = random.Random(1)
    print("intel")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        digests = [chance.randbytes(32) for _ in range(DIGESTS)]
        begun = perf_counter()
        write_digests(folder / DIGESTS_NAME, digests)
        print(f"  {DIGESTS:,} digests of malware made into a file in {perf_counter() - begun:.1f} s")
        known = KeptDigests(folder)
        strange = [chance.randbytes(32) for _ in range(LOOKUPS)]
        for name, asked in (("on the list", digests[:LOOKUPS]), ("not on it", strange)):
            took = _microseconds(known.holds, asked)
            print(f"  a digest that is {name}: {took:.2f} µs (target {TARGET_US:.0f} µs)")
        print(f"  memory with every page of the list read: {_megabytes(folder):.0f} MB (target {TARGET_MB:.0f} MB)")
        _networks(folder, chance)


def _networks(folder: Path, chance: random.Random) -> None:
    starts = sorted(chance.sample(range(1 << 32), RANGES))
    write_ranges(
        folder / "networks.ranges",
        (
            Range(address_bytes(IPv4Address(at)), address_bytes(IPv4Address(at)), (number % 80_000, "NET", "US"))
            for number, at in enumerate(starts)
        ),
    )
    asked = [str(IPv4Address(chance.randrange(1 << 32))) for _ in range(LOOKUPS // 4)]
    took = _microseconds(KeptNetworks(folder).network_of, asked, rounds=1)
    print(f"  the network of an address among {RANGES:,} ranges, seen for the first time: {took:.1f} µs")


def _microseconds(ask: Callable[[T], object], asked: Sequence[T], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        begun = process_time()
        for one in asked:
            ask(one)
        times.append((process_time() - begun) / len(asked) * 1e6)
    return statistics.median(times)


def _megabytes(folder: Path) -> float:
    line = [sys.executable, "-c", _MEMORY, str(folder / DIGESTS_NAME)]
    return int(subprocess.run(line, capture_output=True, text=True, check=True).stdout) / 1_024


if __name__ == "__main__":
    main()
