"""Decodes one line of an OpenCanary log into the fields that we use.

::

    {"dst_host": "192.0.2.10", "dst_port": 21, "local_time": "2026-11-23 01:36:18.612765",
     "local_time_adjusted": "2026-11-23 02:36:18.612801", "logdata": {"PASSWORD": "x", "USERNAME": "root"},
     "logtype": 2000, "node_id": "decoy-1", "src_host": "198.51.100.14", "src_port": 40222,
     "utc_time": "2026-11-23 01:36:18.612790"}

(one line in the file; opencanary/logger.py of release 0.9.10). The usual line goes straight into a struct; one with
values of other types, or with what is no text, is read again field by field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from decnet.sources.records import Refused, as_integer, as_text, object_in, parsed_time

if TYPE_CHECKING:
    from collections.abc import Callable

_US_TEXT_LENGTH = len("2026-11-23 01:36:18.612790")
_MAX_LIST_ITEMS = 64
_S = TypeVar("_S", bound=msgspec.Struct)


class LogData(
    msgspec.Struct,
    gc=False,
    rename={
        "alert": "ALERT_STRING",
        "app_name": "AppName",
        "args": "ARGS",
        "audit_action": "AUDITACTION",
        "client_library": "CltIntName",
        "cmd": "CMD",
        "community": "COMMUNITY_STRING",
        "data": "DATA",
        "domain": "DOMAIN",
        "domain_name": "DOMAINNAME",
        "error": "ERROR",
        "filename": "FILENAME",
        "git_host": "HOST",
        "headers": "HEADERS",
        "host_name": "HostName",
        "hostname": "HOSTNAME",
        "mongo_action": "action",
        "mongo_command": "command",
        "mongo_error": "error",
        "mongo_query": "query",
        "mongo_username": "username",
        "mode": "MODE",
        "mssql_password": "Password",
        "mssql_username": "UserName",
        "ntp_command": "NTP CMD",
        "opcode": "OPCODE",
        "password": "PASSWORD",
        "path": "PATH",
        "proto": "PROTO",
        "remote_name": "REMOTENAME",
        "remote_version": "REMOTEVERSION",
        "repo": "REPO",
        "request_type": "REQUEST_TYPE",
        "requests": "REQUESTS",
        "share": "SHARENAME",
        "smb_arch": "SMBARCH",
        "smb_user": "USER",
        "smb_version": "SMBVER",
        "status": "STATUS",
        "user_agent": "USERAGENT",
        "username": "USERNAME",
        "vnc_password": "VNC Password",
    },
):
    """What a service logs about a visit: the fields of all services that mean something to us."""

    username: str | None = None
    password: str | None = None

    hostname: str = ""
    path: str = ""
    user_agent: str = ""
    request_type: str = ""

    remote_version: str = ""
    cmd: str = ""
    args: str = ""
    error: str = ""
    data: str = ""
    alert: str = ""

    smb_user: str = ""
    remote_name: str = ""
    share: str = ""
    smb_version: str = ""
    smb_arch: str = ""
    domain: str = ""
    audit_action: str = ""
    status: str = ""
    filename: str = ""

    proto: str = ""
    opcode: str = ""
    mode: str = ""
    ntp_command: str = ""
    vnc_password: str = ""
    community: str = ""
    requests: list[str] = []
    headers: dict[str, list[str]] = {}
    repo: str = ""
    git_host: str = ""

    mssql_username: str | None = None
    mssql_password: str | None = None
    host_name: str = ""
    app_name: str = ""
    client_library: str = ""
    domain_name: str = ""

    query_hostname: str = ""
    response: str = ""
    mongo_action: str = ""
    mongo_username: str = ""
    mongo_command: str = ""
    mongo_query: str = ""
    mongo_error: str = ""


class OpenCanaryRecord(msgspec.Struct, gc=False):
    """The fields of every record; OpenCanary writes -1 for a port that it does not know, and text for some ports."""

    dst_host: str = ""
    dst_port: int | str | None = None
    honeycred: bool = False
    local_time: str = ""
    logdata: LogData = msgspec.field(default_factory=LogData)
    logtype: int | None = None
    node_id: str = ""
    src_host: str = ""
    src_port: int | str | None = None
    utc_time: str = ""


decode_usual: Final = msgspec.json.Decoder(OpenCanaryRecord).decode
"""The record in a line as OpenCanary writes it today; raises one of ``records.UNUSUAL`` on any other."""


def decode_tolerantly(line: bytes, on_wrong_field: Callable[[str], None]) -> OpenCanaryRecord | Refused:
    """The record in ``line``, for lone surrogates, invalid UTF-8 and unexpected types.

    ``on_wrong_field`` gets the name of each field whose value was of no use.
    """
    found = object_in(line)
    if isinstance(found, Refused):
        return found
    logdata = found.get("logdata")
    data = _read(LogData, logdata if isinstance(logdata, dict) else {}, on_wrong_field)
    record = _read(OpenCanaryRecord, found, on_wrong_field)
    return msgspec.structs.replace(record, logdata=data)


def observed_at(record: OpenCanaryRecord) -> int | None:
    """When it happened, in µs UTC; None when the record does not tell.

    ``local_time`` is UTC in spite of its name, and all there is in old releases; ``local_time_adjusted`` is the
    honeypot's own time without a zone, and not read.
    """
    stamp = record.utc_time or record.local_time
    return parsed_time(stamp) if 0 < len(stamp) <= _US_TEXT_LENGTH + len("+00:00") else None


def _read(kind: type[_S], found: dict[str, Any], on_wrong_field: Callable[[str], None]) -> _S:
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        value = found.get(field.encode_name)
        if value is None or field.type is LogData:
            continue
        usable = _READERS.get(field.type, as_text)(value)
        if usable is None:
            on_wrong_field(field.encode_name)
        else:
            values[field.name] = usable
    return kind(**values)


def _as_flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _as_texts(value: object) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [text for each in value[:_MAX_LIST_ITEMS] if (text := as_text(each)) is not None]


def _as_headers(value: object) -> dict[str, list[str]] | None:
    """Header names with their values; a value alone counts as a list of one."""
    if not isinstance(value, dict):
        return None
    lists = {name: _as_texts(each if isinstance(each, list) else [each]) for name, each in value.items()}
    return {name: texts for name, texts in lists.items() if texts}


_READERS: dict[Any, Callable[[object], Any]] = {
    int | None: as_integer,
    int | str | None: as_text,
    bool: _as_flag,
    list[str]: _as_texts,
    dict[str, list[str]]: _as_headers,
}
