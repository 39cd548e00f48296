"""What each of OpenCanary's log types means to us: one small function per meaning, one table over all of them.

The table is held to OpenCanary's own list and to docs/reference/opencanary.md by tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from decnet.models.event import (
    AUTH_ATTEMPT,
    COMMAND,
    ENDED,
    FINGERPRINT,
    HTTP_REQUEST,
    PAYLOAD,
    SCAN,
    SESSION,
    STARTED,
    AuthPayload,
    CommandPayload,
    FilePayload,
    FingerprintPayload,
    HttpPayload,
    Payload,
    ScanPayload,
    SessionPayload,
    SourceKind,
)
from decnet.models.secret import SecretDigest
from decnet.models.text import canonical_text
from decnet.sources.opencanary_record import LogData

Found = tuple[SourceKind, Payload, tuple[str, ...]]
"""A kind, its payload, and the fields that carry meaning, for the event's id."""
Finder = Callable[[LogData, SecretDigest], tuple[Found, ...]]

_NOT_SUPPLIED = "<not supplied>"
_NOT_A_COMMON_PASSWORD = "<Password was not in the common list>"  # noqa: S105 - what OpenCanary says of a password
_NO_BASIC_TOKEN = "Invalid auth-token submitted"  # noqa: S105 - what OpenCanary says of a token
_NTLM_TOKEN = "TlRMTVNTUA"  # noqa: S105 - base64 of NTLMSSP and a NUL, how each NTLM message begins
_MONGO_UNKNOWN_USER = "unknown"
_MONGO_SECRET_WORDS = ("sasl", "authenticate", "payload", "pwd", "password", "createuser", "updateuser")
_SMB_READS = frozenset({"read", "pread", "pread_send", "pread_recv", "sendfile"})
_SMB_WRITES = frozenset(
    {
        *("write", "pwrite", "pwrite_send", "pwrite_recv", "recvfile", "ftruncate"),
        *("mkdir", "mkdirat", "rmdir", "rename", "renameat", "unlink", "unlinkat"),
    }
)
_SIP_METHODS = frozenset(
    {
        *("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY"),
        *("OPTIONS", "PRACK", "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"),
    }
)
FIREWALL_PROBES = frozenset({"port_syn", "nmap_os", "nmap_null", "nmap_xmas", "nmap_fin"})
"""Signatures whose port says more than the protocol."""
_REDIS_SECRET_SETTINGS = frozenset({"requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass"})


class Mapping(NamedTuple):
    """What becomes of one log type.

    ``name`` is OpenCanary's own. ``fields`` are the fields of ``logdata`` that are read, ``in_id`` those of them that
    are hashed into the event id. ``kinds`` are all that can come of it; none: the record is counted and gives no
    event. A service with a stream has one session per connection; ``has_ports`` is false where the records of one
    visit come from many ports or name none.
    """

    name: str
    service: str
    find: Finder
    kinds: tuple[SourceKind, ...]
    fields: tuple[str, ...] = ()
    in_id: tuple[str, ...] = ()
    is_stream: bool = True
    has_ports: bool = True


def _nothing(_data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return ()


# --- logins


def _login(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    return (_attempt(data.username, data.password, digest),)


def _attempt(username: str | None, password: str | None, digest: SecretDigest) -> Found:
    """One failed attempt: OpenCanary lets nobody in."""
    name, secret = canonical_text(username or ""), canonical_text(password or "")
    return AUTH_ATTEMPT, AuthPayload(name, success=False, secret=digest(secret)), (name, secret)


def _telnet_login(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    if data.error:
        return (_probe("telnet_protocol_error", data.error),)
    return _login(data, digest)


def _proxy_login(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    """An NTLM message stands where a user name should; it holds an answer made from the password."""
    username = data.username or ""
    if username.startswith(_NTLM_TOKEN):
        return (_attempt("", username, digest),)
    return (_attempt("" if username == _NO_BASIC_TOKEN else username, data.password, digest),)


def _mysql_login(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    """``PASSWORD`` is an answer to a random challenge: another one each time, so it says nothing of the password."""
    name = canonical_text(data.username or "")
    return ((AUTH_ATTEMPT, AuthPayload(name, success=False), (name, canonical_text(data.password or ""))),)


def _mssql_login(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    """A SQL login names itself ``UserName``, a Windows login ``USERNAME`` and perhaps ``DOMAINNAME``."""
    username = data.mssql_username or data.username or ""
    if data.domain_name:
        username = f"{data.domain_name}\\{username}"
    attempt = _attempt(username, data.mssql_password or data.password, digest)
    if not data.app_name and not data.client_library:
        return (attempt,)
    return attempt, _shown("mssql_client", data.app_name, f"{data.client_library} {data.host_name}".strip())


def _vnc_login(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    """The password is known only where it is one of eight that OpenCanary tries."""
    password = data.vnc_password
    return (_attempt("", "" if password == _NOT_A_COMMON_PASSWORD else password, digest),)


def _rdp(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    if data.username:
        return (_attempt(data.username, None, digest),)
    return _note("data_received")


def _user_module(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    """Nobody knows what an operator's own module logs, so only a login is taken from it."""
    if data.username or data.password:
        return _login(data, digest)
    return _note("user_module")


# --- HTTP


def _http_get(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return (_request("GET", data),)


def _http_login(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    username, password = _supplied(data.username or ""), _supplied(data.password or "")
    if not username and not password:
        return (_request("POST", data),)
    return _request("POST", data), _attempt(username, password, digest)


def _http_other(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return (_request(data.request_type, data),)


def _http_redirected(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    """Any method is redirected, and the record does not tell which it was."""
    return (_request("", data),)


def _request(method: str, data: LogData) -> Found:
    verb, path = canonical_text(method), canonical_text(data.path)
    host, agent = canonical_text(data.hostname), canonical_text(_supplied(data.user_agent))
    return HTTP_REQUEST, HttpPayload(verb, path, host=host, user_agent=agent), (verb, path, host, agent)


def _supplied(text: str) -> str:
    return "" if text == _NOT_SUPPLIED else text


# --- sessions


def _started(_data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return _note(STARTED)


def _login_begun(_data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return _note("login_begun")


def _secret_received(_data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    """The data holds the operator's own secret, so it is not kept."""
    return _note("keep_alive_secret")


def _smb_file(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    file = canonical_text(f"{data.share}/{data.filename}")
    account = f"{data.domain}\\{data.smb_user}" if data.domain else data.smb_user
    client = _shown(
        "smb_client", f"{data.smb_version} {data.smb_arch}".strip(), f"{account} {data.remote_name}".strip()
    )
    return *_note(_smb_action(data), file), client


def _smb_action(data: LogData) -> str:
    if not data.status.startswith("ok"):
        return "file_denied"
    if data.audit_action in _SMB_READS:
        return "file_read"
    return "file_write" if data.audit_action in _SMB_WRITES else "file_open"


def _tftp_file(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return _note("file_write" if data.opcode == "WRITE" else "file_read", canonical_text(data.filename))


def _git_clone(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return _note("git_clone", canonical_text(f"{data.git_host} {data.repo}".strip()))


def _llmnr_answer(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return _note("llmnr_response", canonical_text(f"{data.query_hostname}: {data.response}"))


def _note(action: str, text: str = "") -> tuple[Found, ...]:
    return ((SESSION, SessionPayload(action, text=text), (action, text)),)


# --- commands of data stores


def _redis(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    """A command, a login, or what is no Redis protocol at all."""
    error = (_probe("redis_protocol_error", data.error),) if data.error else ()
    if not data.cmd:
        return error
    words = canonical_text(f"{data.cmd} {data.args}").strip().split(" ")
    return *error, _redis_login(words, digest) or _typed("redis", words, _without_redis_secrets(words, digest))


def _redis_login(words: list[str], digest: SecretDigest) -> Found | None:
    """``AUTH [user] password``, and ``HELLO 3 AUTH user password``, which is how newer clients begin."""
    given = [word.upper() for word in words]
    if given[0] == "AUTH":
        *user, password = words[1:] or [""]
        return _attempt(" ".join(user), password, digest)
    if given[0] == "HELLO" and "AUTH" in given[1:]:
        name, secret, *_ = (*words[given.index("AUTH", 1) + 1 :], "", "")
        return _attempt(name, secret, digest)
    return None


def _without_redis_secrets(words: list[str], digest: SecretDigest) -> list[str]:
    """``words`` with the passwords of settings, users and remote servers as digests."""
    verb = [word.upper() for word in words[:2]]
    if verb == ["CONFIG", "SET"]:
        return [
            digest(word) if number and words[number - 1].lower() in _REDIS_SECRET_SETTINGS else word
            for number, word in enumerate(words)
        ]
    if verb == ["ACL", "SETUSER"]:
        return [word[0] + digest(word[1:]) if word[:1] in {">", "<", "#", "!"} else word for word in words]
    if verb[0] == "MIGRATE":
        begun = next((number for number, word in enumerate(words) if word.upper() in {"AUTH", "AUTH2"}), len(words))
        return words[: begun + 1] + [digest(word) for word in words[begun + 1 :]]
    return words


def _mongodb(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    _, _, action = data.mongo_action.partition("mongodb.")
    if action == "connection":
        return _note(STARTED)
    if action == "disconnect":
        return _note(ENDED)
    if action == "auth_attempt":
        name = "" if data.mongo_username == _MONGO_UNKNOWN_USER else data.mongo_username
        return (_attempt(name, None, digest),)
    if action == "command":
        return (_mongodb_command(data),)
    return (_probe("mongodb_protocol_error", data.mongo_error),)


def _mongodb_command(data: LogData) -> Found:
    """Documents that may hold a password, or an answer made from one, are not kept."""
    command, query = canonical_text(data.mongo_command), canonical_text(data.mongo_query)
    lowered = f"{command} {query}".lower()
    has_secret = any(word in lowered for word in _MONGO_SECRET_WORDS)
    return _typed("mongodb", [command, query], [command] if has_secret else [command, query])


def _typed(program: str, recorded: list[str], kept: list[str]) -> Found:
    """A line for ``program``, which is no shell: rules look at its text and do not read it as shell."""
    return COMMAND, CommandPayload(" ".join(kept).strip(), program, stdin=True), (program, *recorded)


# --- what the client shows of itself, probes, and bytes


def _ssh_version(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return (_shown("ssh_client_version", data.remote_version),)


def _shown(metric: str, value: str, detail: str = "") -> Found:
    shown, more = canonical_text(value), canonical_text(detail)
    return FINGERPRINT, FingerprintPayload(metric, shown, more), (metric, shown, more)


def _firewall_probe(signature: str) -> Finder:
    """The protocol alone; the port that was probed is one of the record's own fields, and is added from there."""

    def find(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
        return (_probe(signature, data.proto),)

    return find


def _ntp(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    return (_probe("ntp_monlist", data.ntp_command),)


def _snmp(data: LogData, digest: SecretDigest) -> tuple[Found, ...]:
    """The community string is SNMP's password; it names no account."""
    return _probe("snmp_request", " ".join(data.requests)), _attempt("", data.community, digest)


def _sip(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    """The method of a request stands in ``CSeq`` (RFC 3261 20.16): ``1 OPTIONS``."""
    if data.error:
        return (_probe("sip_protocol_error", data.error),)
    _, _, method = _header(data, "cseq").partition(" ")
    signature = f"sip_{method.lower()}" if method in _SIP_METHODS else "sip_request"
    agent = _header(data, "user-agent")
    probe = _probe(signature, _header(data, "to"))
    return (probe, _shown("sip_user_agent", agent)) if agent else (probe,)


def _header(data: LogData, name: str) -> str:
    """The first value of a header, whatever its case; empty when it is not there."""
    return next((values[0] for key, values in data.headers.items() if key.lower() == name and values), "").strip()


def _probe(signature: str, detail: str) -> Found:
    text = canonical_text(detail)
    return SCAN, ScanPayload(signature, text), (signature, text)


def _bytes_sent(data: LogData, _digest: SecretDigest) -> tuple[Found, ...]:
    text = canonical_text(data.data)
    return ((PAYLOAD, FilePayload("sent", text=text), ("sent", text)),)


_CREDENTIALS = ("USERNAME", "PASSWORD")
_HTTP = ("HOSTNAME", "PATH", "USERAGENT")
_SMB_CLIENT = ("SMBVER", "SMBARCH", "DOMAIN", "USER", "REMOTENAME")
_SMB = ("AUDITACTION", "STATUS", "SHARENAME", "FILENAME", *_SMB_CLIENT)
_MSSQL = ("UserName", "Password", "AppName", "CltIntName", "HostName")
_MONGODB = ("action", "username", "command", "query", "error")


def _ignored(name: str) -> Mapping:
    """What OpenCanary says of itself."""
    return Mapping(name, "", _nothing, ())


def _scan(name: str, signature: str) -> Mapping:
    """A probe that the firewall logged; it comes from, and goes to, any port."""
    find = _firewall_probe(signature)
    return Mapping(name, "portscan", find, (SCAN,), ("PROTO",), ("PROTO",), is_stream=False, has_ports=False)


def _datagram(name: str, service: str, find: Finder, kinds: tuple[SourceKind, ...], *fields: str) -> Mapping:
    return Mapping(name, service, find, kinds, fields, fields, is_stream=False)


MAPPINGS: dict[int, Mapping] = {
    1000: _ignored("LOG_BASE_BOOT"),
    1001: _ignored("LOG_BASE_MSG"),
    1002: _ignored("LOG_BASE_DEBUG"),
    1003: _ignored("LOG_BASE_ERROR"),
    1004: _ignored("LOG_BASE_PING"),
    1005: _ignored("LOG_BASE_CONFIG_SAVE"),
    1006: _ignored("LOG_BASE_EXAMPLE"),
    2000: Mapping("LOG_FTP_LOGIN_ATTEMPT", "ftp", _login, (AUTH_ATTEMPT,), _CREDENTIALS, _CREDENTIALS),
    2001: Mapping("LOG_FTP_AUTH_ATTEMPT_INITIATED", "ftp", _login_begun, (SESSION,)),
    3000: Mapping("LOG_HTTP_GET", "http", _http_get, (HTTP_REQUEST,), _HTTP, _HTTP),
    3001: Mapping(
        "LOG_HTTP_POST_LOGIN_ATTEMPT",
        "http",
        _http_login,
        (HTTP_REQUEST, AUTH_ATTEMPT),
        (*_HTTP, *_CREDENTIALS),
        (*_HTTP, *_CREDENTIALS),
    ),
    3002: Mapping(
        "LOG_HTTP_UNIMPLEMENTED_METHOD",
        "http",
        _http_other,
        (HTTP_REQUEST,),
        (*_HTTP, "REQUEST_TYPE"),
        (*_HTTP, "REQUEST_TYPE"),
    ),
    3003: Mapping("LOG_HTTP_REDIRECT", "http", _http_redirected, (HTTP_REQUEST,), _HTTP, _HTTP),
    4000: Mapping("LOG_SSH_NEW_CONNECTION", "ssh", _started, (SESSION,)),
    4001: Mapping(
        "LOG_SSH_REMOTE_VERSION_SENT", "ssh", _ssh_version, (FINGERPRINT,), ("REMOTEVERSION",), ("REMOTEVERSION",)
    ),
    4002: Mapping("LOG_SSH_LOGIN_ATTEMPT", "ssh", _login, (AUTH_ATTEMPT,), _CREDENTIALS, _CREDENTIALS),
    5000: Mapping(
        "LOG_SMB_FILE_OPEN", "smb", _smb_file, (SESSION, FINGERPRINT), _SMB, _SMB, is_stream=False, has_ports=False
    ),
    5001: _scan("LOG_PORT_SYN", "port_syn"),
    5002: _scan("LOG_PORT_NMAPOS", "nmap_os"),
    5003: _scan("LOG_PORT_NMAPNULL", "nmap_null"),
    5004: _scan("LOG_PORT_NMAPXMAS", "nmap_xmas"),
    5005: _scan("LOG_PORT_NMAPFIN", "nmap_fin"),
    6001: Mapping(
        "LOG_TELNET_LOGIN_ATTEMPT",
        "telnet",
        _telnet_login,
        (AUTH_ATTEMPT, SCAN),
        (*_CREDENTIALS, "ERROR"),
        (*_CREDENTIALS, "ERROR"),
    ),
    6002: Mapping("LOG_TELNET_CONNECTION_MADE", "telnet", _started, (SESSION,)),
    7001: Mapping(
        "LOG_HTTPPROXY_LOGIN_ATTEMPT", "httpproxy", _proxy_login, (AUTH_ATTEMPT,), _CREDENTIALS, _CREDENTIALS
    ),
    8001: Mapping("LOG_MYSQL_LOGIN_ATTEMPT", "mysql", _mysql_login, (AUTH_ATTEMPT,), _CREDENTIALS, _CREDENTIALS),
    9001: Mapping("LOG_MSSQL_LOGIN_SQLAUTH", "mssql", _mssql_login, (AUTH_ATTEMPT, FINGERPRINT), _MSSQL, _MSSQL),
    9002: Mapping(
        "LOG_MSSQL_LOGIN_WINAUTH",
        "mssql",
        _mssql_login,
        (AUTH_ATTEMPT,),
        (*_CREDENTIALS, "DOMAINNAME"),
        (*_CREDENTIALS, "DOMAINNAME"),
    ),
    9003: Mapping("LOG_MYSQL_CONNECTION_MADE", "mysql", _started, (SESSION,)),
    10001: _datagram("LOG_TFTP", "tftp", _tftp_file, (SESSION,), "FILENAME", "OPCODE"),
    11001: _datagram("LOG_NTP_MONLIST", "ntp", _ntp, (SCAN,), "NTP CMD"),
    12001: Mapping("LOG_VNC", "vnc", _vnc_login, (AUTH_ATTEMPT,), ("VNC Password",), ("VNC Password",)),
    13001: _datagram("LOG_SNMP_CMD", "snmp", _snmp, (SCAN, AUTH_ATTEMPT), "REQUESTS", "COMMUNITY_STRING"),
    14001: Mapping("LOG_RDP", "rdp", _rdp, (AUTH_ATTEMPT, SESSION), ("USERNAME",), ("USERNAME",)),
    15001: _datagram("LOG_SIP_REQUEST", "sip", _sip, (SCAN, FINGERPRINT), "HEADERS", "ERROR"),
    16001: Mapping("LOG_GIT_CLONE_REQUEST", "git", _git_clone, (SESSION,), ("HOST", "REPO"), ("HOST", "REPO")),
    17001: Mapping(
        "LOG_REDIS_COMMAND",
        "redis",
        _redis,
        (COMMAND, AUTH_ATTEMPT, SCAN),
        ("CMD", "ARGS", "ERROR"),
        ("CMD", "ARGS", "ERROR"),
    ),
    18001: Mapping("LOG_TCP_BANNER_CONNECTION_MADE", "tcpbanner", _started, (SESSION,)),
    18002: Mapping("LOG_TCP_BANNER_KEEP_ALIVE_CONNECTION_MADE", "tcpbanner", _started, (SESSION,)),
    18003: Mapping("LOG_TCP_BANNER_KEEP_ALIVE_SECRET_RECEIVED", "tcpbanner", _secret_received, (SESSION,)),
    18004: Mapping(
        "LOG_TCP_BANNER_KEEP_ALIVE_DATA_RECEIVED", "tcpbanner", _bytes_sent, (PAYLOAD,), ("DATA",), ("DATA",)
    ),
    18005: Mapping("LOG_TCP_BANNER_DATA_RECEIVED", "tcpbanner", _bytes_sent, (PAYLOAD,), ("DATA",), ("DATA",)),
    19001: _datagram("LOG_LLMNR_QUERY_RESPONSE", "llmnr", _llmnr_answer, (SESSION,), "query_hostname", "response"),
    20001: Mapping(
        "LOG_MONGODB_LOGIN_ATTEMPT", "mongodb", _mongodb, (SESSION, AUTH_ATTEMPT, COMMAND, SCAN), _MONGODB, _MONGODB
    ),
    **{
        99000 + number: Mapping(
            f"LOG_USER_{number}", f"user_{number}", _user_module, (AUTH_ATTEMPT, SESSION), _CREDENTIALS, _CREDENTIALS
        )
        for number in range(10)
    },
}
"""All 54 log types of OpenCanary 0.9.10 (its ``opencanary/logger.py``)."""
