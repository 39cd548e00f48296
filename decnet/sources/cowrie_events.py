"""What each of Cowrie's event ids means to us: one small function per meaning, one table over all of them.

The table is held to Cowrie's own list and to docs/reference/cowrie.md by tests.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import md5
from typing import Literal, NamedTuple

from decnet.models.event import (
    AUTH_ATTEMPT,
    COMMAND,
    FINGERPRINT,
    INTEL_VERDICT,
    PAYLOAD,
    SCAN,
    SESSION,
    AuthPayload,
    CommandPayload,
    FilePayload,
    FingerprintPayload,
    IntelPayload,
    Payload,
    ScanPayload,
    SessionPayload,
    SourceKind,
)
from decnet.models.secret import SecretDigest
from decnet.models.text import canonical_text
from decnet.sources.cowrie_record import CowrieRecord, duration_ms, names_in, text_in
from decnet.sources.records import bounded, without_password

Found = tuple[SourceKind, Payload, tuple[str, ...]]
"""A kind, its payload, and the fields that carry meaning, for the event's id."""
Finder = Callable[[CowrieRecord, SecretDigest], tuple[Found, ...]]

_LARGEST_PORT = 2**32 - 1  # direct-tcpip carries the port as uint32, and an attacker may use all of it
_GREYNOISE_CLASSES = ("malicious", "suspicious", "benign", "unknown")
FileAction = Literal["downloaded", "uploaded", "captured", "failed", "malformed", "sent"]

_NO_URL = ("", "stdin", "/dev/null")


class Mapping(NamedTuple):
    """What becomes of one event id.

    ``fields`` are the record's fields that are read beside those of every record, ``in_id`` those of them that are
    hashed into the event id. No kinds: the record is counted and gives no event.
    """

    find: Finder
    kinds: tuple[SourceKind, ...]
    fields: tuple[str, ...]
    in_id: tuple[str, ...]
    needs_session: bool = True


def _nothing(_record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return ()


# --- sessions


def _connect(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    payload = SessionPayload("started", dst_ip=canonical_text(record.dst_ip), dst_port=_port(record.dst_port))
    return ((SESSION, payload, ("started",)),)


def _closed(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return ((SESSION, SessionPayload("ended", duration_ms=duration_ms(record)), ("ended",)),)


def _params(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _session_note("params", canonical_text(record.arch))


def _log_opened(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _session_note("log_opened", canonical_text(record.ttylog))


def _log_closed(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    ttylog = canonical_text(record.ttylog)
    payload = SessionPayload(
        "log_closed", text=ttylog, duration_ms=duration_ms(record), size_bytes=bounded(record.size)
    )
    return ((SESSION, payload, ("log_closed", ttylog)),)


def _command_failed(record: CowrieRecord, digest: SecretDigest) -> tuple[Found, ...]:
    return _command_note("command_failed", record, digest)


def _command_succeeded(record: CowrieRecord, digest: SecretDigest) -> tuple[Found, ...]:
    return _command_note("command_success", record, digest)


def _command_note(action: str, record: CowrieRecord, digest: SecretDigest) -> tuple[Found, ...]:
    typed = canonical_text(record.input)
    return ((SESSION, SessionPayload(action, text=without_password(record.realm, typed, digest)), (action, typed)),)


def _session_note(action: str, text: str) -> tuple[Found, ...]:
    return ((SESSION, SessionPayload(action, text=text), (action, text)),)


# --- port forwarding: dst_* is what the attacker asks for, and says nothing of where the attacker is


def _forward_requested(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _forward("forward_request", record, "")


def _forward_data(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _forward("forward_data", record, canonical_text(record.data))


def _forward_redirected(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _forward("forward_redirect", record, _endpoint(record.new_ip, record.new_port))


def _forward_tunnelled(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _forward("forward_tunnel", record, _endpoint(record.new_ip, record.new_port))


def _forward(action: str, record: CowrieRecord, text: str) -> tuple[Found, ...]:
    target, port = canonical_text(record.dst_ip), _port(record.dst_port)
    payload = SessionPayload(action, text=text, dst_ip=target, dst_port=port)
    return ((SESSION, payload, (action, target, str(port), text)),)


# --- commands


def _command(record: CowrieRecord, digest: SecretDigest) -> tuple[Found, ...]:
    """Cowrie names a realm when a program, not the shell, reads the line."""
    return _typed(record, digest, is_stdin=bool(record.realm))


def _program_input(record: CowrieRecord, digest: SecretDigest) -> tuple[Found, ...]:
    return _typed(record, digest, is_stdin=True)


def _typed(record: CowrieRecord, digest: SecretDigest, *, is_stdin: bool) -> tuple[Found, ...]:
    typed = canonical_text(record.input)
    realm = canonical_text(record.realm)
    payload = CommandPayload(without_password(realm, typed, digest), realm, is_stdin)
    return ((COMMAND, payload, (typed, realm)),)


def _password_changed(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    realm, account = canonical_text(record.realm), canonical_text(record.username)
    return ((COMMAND, CommandPayload("chpasswd", realm, account=account), ("chpasswd", realm, account)),)


# --- logins


def _login_succeeded(record: CowrieRecord, digest: SecretDigest) -> tuple[Found, ...]:
    return _login(record, digest, has_succeeded=True)


def _login_failed(record: CowrieRecord, digest: SecretDigest) -> tuple[Found, ...]:
    return _login(record, digest, has_succeeded=False)


def _login(record: CowrieRecord, digest: SecretDigest, *, has_succeeded: bool) -> tuple[Found, ...]:
    if record.fingerprint:
        return (_key_attempt(record, has_succeeded=has_succeeded),)
    username = canonical_text(record.username)
    if record.password is None:
        payload, password = AuthPayload(username, has_succeeded), ""
    else:
        password = canonical_text(record.password)
        payload = AuthPayload(username, has_succeeded, secret=digest(password))
    return ((AUTH_ATTEMPT, payload, ("1" if has_succeeded else "0", username, password, "")),)


def _key_offered(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    key_type, key = canonical_text(record.key_type), canonical_text(record.fingerprint)
    shown = FingerprintPayload("ssh_public_key", key, key_type)
    return ((FINGERPRINT, shown, ("ssh_public_key", key, canonical_text(record.username))),)


def _key_attempt(record: CowrieRecord, *, has_succeeded: bool) -> Found:
    username, key = canonical_text(record.username), canonical_text(record.fingerprint)
    payload = AuthPayload(
        username, has_succeeded, "publickey", key_fingerprint=key, key_type=canonical_text(record.key_type)
    )
    return AUTH_ATTEMPT, payload, ("1" if has_succeeded else "0", username, "", key)


# --- what the client shows of itself


def _client_version(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    version = _fingerprint("ssh_client_version", _unquoted(canonical_text(record.version)))
    if not names_in(record.kex_algs):
        return (version,)
    algorithms = _hassh_algorithms(record)  # until 2018 the algorithms came with the version
    return version, _fingerprint("hassh", _hassh(algorithms), algorithms)


def _client_kex(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    algorithms = canonical_text(record.hassh_algorithms) or _hassh_algorithms(record)
    return (_fingerprint("hassh", canonical_text(record.hassh) or _hassh(algorithms), algorithms),)


def _hassh_algorithms(record: CowrieRecord) -> str:
    """What HASSH is taken over, in the client's order: key exchange; ciphers; MACs; compressions."""
    lists = (record.kex_algs, record.enc_cs, record.mac_cs, record.comp_cs)
    return canonical_text(";".join(",".join(_unquoted(name) for name in names_in(names)) for names in lists))


def _hassh(algorithms: str) -> str:
    """See https://github.com/salesforce/hassh: an MD5, used as a name and not for safety."""
    return md5(algorithms.encode(), usedforsecurity=False).hexdigest()


def _terminal_size(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return (_fingerprint("terminal_size", f"{record.width or 0}x{record.height or 0}"),)


def _client_variable(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return (_fingerprint("client_var", f"{canonical_text(record.name)}={canonical_text(record.value)}"),)


def _telnet_option(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return (_fingerprint("telnet_option", canonical_text(f"{record.command} {record.option_name}")),)


def _ja4(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return (_fingerprint("ja4", canonical_text(record.ja4), _endpoint(record.dst_ip, record.dst_port)),)


def _ja4h(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return (_fingerprint("ja4h", canonical_text(record.ja4h), _endpoint(record.dst_ip, record.dst_port)),)


def _fingerprint(metric: str, value: str, detail: str = "") -> Found:
    return FINGERPRINT, FingerprintPayload(metric, value, detail), (metric, value, detail)


# --- files and other bytes


def _file_downloaded(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    """A record without a URL is a file that the attacker wrote: by a redirect, or through standard input."""
    url, destination = canonical_text(record.url), canonical_text(record.destfile)
    is_path = url.startswith("/") and url not in _NO_URL  # before 2019 a redirect's target stood in the url field
    action: FileAction = "captured" if is_path or url in _NO_URL else "downloaded"
    return _file(
        action,
        record,
        url="" if action == "captured" else url,
        destination=destination or (url if is_path else ""),
    )


def _download_failed(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _file("failed", record, url=canonical_text(record.url), text=canonical_text(record.error))


def _file_uploaded(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _file("uploaded", record, destination=canonical_text(record.destfile))


def _file(
    action: FileAction, record: CowrieRecord, *, url: str = "", destination: str = "", text: str = ""
) -> tuple[Found, ...]:
    filename, sha256 = canonical_text(record.filename), canonical_text(record.shasum)
    payload = FilePayload(action, url, filename, destination, sha256, text=text)
    return ((PAYLOAD, payload, (action, url, filename, destination, sha256, text)),)


def _tunnelled_data(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _bytes_sent("sent", canonical_text(record.data))


def _malformed_packet(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _bytes_sent("malformed", canonical_text(record.data), bounded(record.datalen))


def _exploit_attempted(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _bytes_sent("sent", canonical_text(f"{record.cve} {record.name}={record.value}"))


def _exploit_succeeded(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    """``attempted_command`` stays out: it is what was typed where a password is asked for."""
    return _bytes_sent(
        "sent", canonical_text(f"{record.cve} login as {record.username}, asked for {record.original_username}")
    )


def _bytes_sent(action: FileAction, text: str, size_bytes: int | None = None) -> tuple[Found, ...]:
    return ((PAYLOAD, FilePayload(action, text=text, size_bytes=size_bytes), (action, text)),)


def _telnet_error(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    error = canonical_text(record.error)
    return ((SCAN, ScanPayload("telnet_protocol_error", error), ("telnet_protocol_error", error)),)


# --- what third parties say


def _scanned_file(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _virustotal(record, canonical_text(record.sha256))


def _scanned_url(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _virustotal(record, canonical_text(record.url))


def _virustotal(record: CowrieRecord, indicator: str) -> tuple[Found, ...]:
    positives, total = bounded(record.positives), bounded(record.total)
    if positives is None:
        verdict = "new" if str(record.is_new).lower() == "true" else ""
    else:
        verdict = "malicious" if positives else "clean"
    return _verdict("virustotal", indicator, verdict, positives, total)


def _greynoise(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    """The class is told in the message only, in Cowrie's words, before anything that GreyNoise wrote.

    ::

        GreyNoise: 192.0.2.7 has been observed scanning the Internet. GreyNoise classification is malicious and ...
        GreyNoise: 192.0.2.7 belongs to a benign service or provider. The owner is ...
    """
    message = text_in(record.message)
    _, _, after = message.partition(" classification is ")
    said = after.partition(" ")[0]
    if not after and " belongs to a benign service" in message:
        said = "benign"
    return _verdict("greynoise", canonical_text(record.src_ip), said if said in _GREYNOISE_CLASSES else "")


def _reverse_name(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _verdict("reversedns", canonical_text(record.src_ip), canonical_text(record.ptr))


def _reverse_name_of_target(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _verdict("reversedns", canonical_text(record.dst_ip), canonical_text(record.ptr))


def _urlhaus(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _verdict("urlhaus", canonical_text(record.url), canonical_text(record.result))


def _malwarebazaar(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _verdict("malwarebazaar", canonical_text(record.sha256), canonical_text(record.result))


def _abuseipdb_reported(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _verdict("abuseipdb", canonical_text(record.account_ip), "reported", bounded(record.confidence), 100)


def _abuseipdb_failed(record: CowrieRecord, _digest: SecretDigest) -> tuple[Found, ...]:
    return _verdict("abuseipdb", canonical_text(record.account_ip), "report_failed")


def _verdict(
    provider: str, indicator: str, verdict: str, positives: int | None = None, total: int | None = None
) -> tuple[Found, ...]:
    payload = IntelPayload(provider, indicator, verdict, positives, total)
    return ((INTEL_VERDICT, payload, (provider, indicator, verdict, str(positives), str(total))),)


# --- small parts


def _port(number: int | None) -> int | None:
    return bounded(number, _LARGEST_PORT)


def _endpoint(host: str, port: int | None) -> str:
    return canonical_text(host if port is None else f"{host}:{port}")


def _unquoted(text: str) -> str:
    """``text`` without the ``b'…'`` that releases of 2017 and 2018 left around bytes."""
    bare = text[1:] if text[:2] in {"b'", 'b"'} else text
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"" else text


_KEY_FIELDS = ("username", "fingerprint", "type")
_LOGIN_FIELDS = ("username", "password", "fingerprint", "type")
_LOGIN_ID = ("username", "password", "fingerprint")
_TARGET = ("dst_ip", "dst_port")
_NEW_TARGET = (*_TARGET, "new_ip", "new_port")
_KEX_FIELDS = ("hassh", "hasshAlgorithms", "kexAlgs", "encCS", "macCS", "compCS")
_IGNORED = Mapping(_nothing, (), (), (), needs_session=False)

MAPPINGS: dict[str, Mapping] = {
    "cowrie.abuseipdb.ratelimited": _IGNORED,
    "cowrie.abuseipdb.reportedip": Mapping(
        _abuseipdb_reported, (INTEL_VERDICT,), ("IP", "confidence"), ("IP", "confidence"), needs_session=False
    ),
    "cowrie.abuseipdb.reportfail": Mapping(_abuseipdb_failed, (INTEL_VERDICT,), ("IP",), ("IP",), needs_session=False),
    "cowrie.abuseipdb.started": _IGNORED,
    "cowrie.abuseipdb.wakeup": _IGNORED,
    "cowrie.client.fingerprint": Mapping(_key_offered, (FINGERPRINT,), _KEY_FIELDS, ("username", "fingerprint")),
    "cowrie.client.kex": Mapping(_client_kex, (FINGERPRINT,), _KEX_FIELDS, ("hassh", "hasshAlgorithms")),
    "cowrie.client.malformed_packet": Mapping(_malformed_packet, (PAYLOAD,), ("data", "datalen"), ("data",)),
    "cowrie.client.size": Mapping(_terminal_size, (FINGERPRINT,), ("width", "height"), ("width", "height")),
    "cowrie.client.var": Mapping(_client_variable, (FINGERPRINT,), ("name", "value"), ("name", "value")),
    "cowrie.client.version": Mapping(
        _client_version, (FINGERPRINT,), ("version", *_KEX_FIELDS[2:]), ("version", *_KEX_FIELDS[2:])
    ),
    "cowrie.command.chpasswd": Mapping(_password_changed, (COMMAND,), ("realm", "username"), ("realm", "username")),
    "cowrie.command.failed": Mapping(_command_failed, (SESSION,), ("input", "realm"), ("input",)),
    "cowrie.command.input": Mapping(_command, (COMMAND,), ("input", "realm"), ("input", "realm")),
    "cowrie.command.success": Mapping(_command_succeeded, (SESSION,), ("input", "realm"), ("input",)),
    "cowrie.direct-tcpip.data": Mapping(_forward_data, (SESSION,), (*_TARGET, "data"), (*_TARGET, "data")),
    "cowrie.direct-tcpip.ja4": Mapping(_ja4, (FINGERPRINT,), ("ja4", *_TARGET), ("ja4", *_TARGET)),
    "cowrie.direct-tcpip.ja4h": Mapping(_ja4h, (FINGERPRINT,), ("ja4h", *_TARGET), ("ja4h", *_TARGET)),
    "cowrie.direct-tcpip.redirect": Mapping(_forward_redirected, (SESSION,), _NEW_TARGET, _NEW_TARGET),
    "cowrie.direct-tcpip.request": Mapping(_forward_requested, (SESSION,), _TARGET, _TARGET),
    "cowrie.direct-tcpip.tunnel": Mapping(_forward_tunnelled, (SESSION,), _NEW_TARGET, _NEW_TARGET),
    "cowrie.greynoise.result": Mapping(_greynoise, (INTEL_VERDICT,), ("message",), ("message",)),
    "cowrie.log.closed": Mapping(_log_closed, (SESSION,), ("ttylog", "size", "duration_ms", "duration"), ("ttylog",)),
    "cowrie.log.open": Mapping(_log_opened, (SESSION,), ("ttylog",), ("ttylog",)),
    "cowrie.login.failed": Mapping(_login_failed, (AUTH_ATTEMPT,), _LOGIN_FIELDS, _LOGIN_ID),
    "cowrie.login.success": Mapping(_login_succeeded, (AUTH_ATTEMPT,), _LOGIN_FIELDS, _LOGIN_ID),
    "cowrie.malwarebazaar.submitted": Mapping(
        _malwarebazaar, (INTEL_VERDICT,), ("sha256", "result"), ("sha256", "result")
    ),
    "cowrie.proxy.backend_connect_error": _IGNORED,
    "cowrie.proxy.backend_connected": _IGNORED,
    "cowrie.proxy.backend_disconnected": _IGNORED,
    "cowrie.proxy.client_disconnect": _IGNORED,
    "cowrie.proxy.ssh": _IGNORED,
    "cowrie.reversedns.connect": Mapping(_reverse_name, (INTEL_VERDICT,), ("ptr",), ("ptr",)),
    "cowrie.reversedns.forward": Mapping(
        _reverse_name_of_target, (INTEL_VERDICT,), ("dst_ip", "ptr"), ("dst_ip", "ptr")
    ),
    "cowrie.session.closed": Mapping(_closed, (SESSION,), ("duration_ms", "duration"), ()),
    "cowrie.session.connect": Mapping(_connect, (SESSION,), _TARGET, ()),
    "cowrie.session.file_download": Mapping(
        _file_downloaded,
        (PAYLOAD,),
        ("url", "filename", "destfile", "shasum"),
        ("url", "filename", "destfile", "shasum"),
    ),
    "cowrie.session.file_download.failed": Mapping(
        _download_failed,
        (PAYLOAD,),
        ("url", "filename", "shasum", "error"),
        ("url", "filename", "shasum", "error"),
    ),
    "cowrie.session.file_upload": Mapping(
        _file_uploaded, (PAYLOAD,), ("filename", "destfile", "shasum"), ("filename", "destfile", "shasum")
    ),
    "cowrie.session.input": Mapping(_program_input, (COMMAND,), ("input", "realm"), ("input", "realm")),
    "cowrie.session.params": Mapping(_params, (SESSION,), ("arch",), ("arch",)),
    "cowrie.telnet.error": Mapping(_telnet_error, (SCAN,), ("error",), ("error",)),
    "cowrie.telnet.exploit_attempt": Mapping(
        _exploit_attempted, (PAYLOAD,), ("cve", "name", "value"), ("cve", "name", "value")
    ),
    "cowrie.telnet.exploit_success": Mapping(
        _exploit_succeeded,
        (PAYLOAD,),
        ("cve", "username", "original_username"),
        ("cve", "username", "original_username"),
    ),
    "cowrie.telnet.option": Mapping(
        _telnet_option, (FINGERPRINT,), ("command", "option_name"), ("command", "option_name")
    ),
    "cowrie.tunnelproxy-tcpip.data": Mapping(_tunnelled_data, (PAYLOAD,), ("data",), ("data",)),
    "cowrie.urlhaus.submitted": Mapping(_urlhaus, (INTEL_VERDICT,), ("url", "result"), ("url", "result")),
    "cowrie.virustotal.scanfile": Mapping(
        _scanned_file,
        (INTEL_VERDICT,),
        ("sha256", "is_new", "positives", "total"),
        ("sha256", "is_new", "positives", "total"),
    ),
    "cowrie.virustotal.scanurl": Mapping(
        _scanned_url,
        (INTEL_VERDICT,),
        ("url", "is_new", "positives", "total"),
        ("url", "is_new", "positives", "total"),
    ),
}
"""All 49 event ids of Cowrie 3.1 (its ``cowrie/core/eventids.py``)."""
