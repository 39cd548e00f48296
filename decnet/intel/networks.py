"""Networks and countries of addresses, from files that the operator brings; nothing is fetched unasked.

Two kinds of file are taken:

* MMDB (https://maxmind.github.io/MaxMind-DB/), as MaxMind, DB-IP and IPinfo offer:
  ``{"autonomous_system_number": 15169, "autonomous_system_organization": "GOOGLE"}`` and
  ``{"country": {"iso_code": "US"}}``, or IPinfo's
  ``{"asn": "AS15169", "as_name": "Google LLC", "country_code": "US"}``. It is kept as it is.
* the public-domain tables of https://iptoasn.com, plain or gzip: first and last address, number, country, description,
  with tabs between them. They are made into one compact file::

      8.8.8.0	8.8.8.255	15169	US	GOOGLE

What is installed replaces all that was there before.
"""

from __future__ import annotations

import gzip
import zlib
from functools import lru_cache
from ipaddress import ip_address
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from decnet.attack.files import write_whole
from decnet.errors import InputRefused
from decnet.intel.ranges import Range, RangeFile, address_bytes, write_ranges
from decnet.models.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_FILE_BYTES = 1 << 30
"""The largest MMDB with cities is near 150 MB."""
MAX_NAME = 120
MAX_LINE_BYTES = 4 << 10

_TABLE_NAME = "networks.ranges"
_FIELDS = 5
_GZIP = b"\x1f\x8b"
_METADATA = b"\xab\xcd\xefMaxMind.com"
_METADATA_WITHIN = 128 << 10
_REMEMBERED = 16_384
_NOT_ROUTED = 0
_COUNTRY_CHARS = 2


class _Source(Protocol):
    def network_of(self, address: str) -> Network | None: ...


class _Tables:
    def __init__(self, path: Path) -> None:
        self._ranges = RangeFile(path)

    def network_of(self, address: str) -> Network | None:
        fact = self._ranges.fact_of(address)
        return Network(*fact) if fact is not None else None


class _Mmdb:
    def __init__(self, path: Path) -> None:
        from maxminddb import MODE_MMAP, InvalidDatabaseError, open_database

        try:
            self._reader = open_database(path, MODE_MMAP)
        except (InvalidDatabaseError, ValueError) as error:
            raise InputRefused(f"{path}: {error}; fetch it again") from None
        self._invalid = InvalidDatabaseError

    def network_of(self, address: str) -> Network | None:
        try:
            found: Any = self._reader.get(address)
        except (ValueError, self._invalid):  # no address, IPv6 in a file of IPv4 only, a damaged entry
            return None
        return _network_in(found) if isinstance(found, dict) else None


class NetworkFiles:
    """See :class:`~decnet.models.network.Networks`: what the files in a folder know, taken together.

    Where several know a network or a country, the first by name is right. Many threads may ask.

    :raises InputRefused: a file is damaged.
    :raises OSError: a file cannot be read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._sources: list[_Source] = [
            _Tables(path) if path.name == _TABLE_NAME else _Mmdb(path) for path in sorted(paths)
        ]
        self._network_of = lru_cache(_REMEMBERED)(self._look)

    def network_of(self, address: str) -> Network | None:
        """The network of ``address`` (IPv4 or IPv6), None where it is not known."""
        return self._network_of(address)

    def _look(self, address: str) -> Network | None:
        found = [network for source in self._sources if (network := source.network_of(address)) is not None]
        announced = next((network for network in found if network.asn is not None), None)
        country = next((network.country for network in found if network.country), "")
        if announced is None and not country:
            return None
        return Network(announced.asn, announced.organisation, country) if announced else Network(None, "", country)


def network_files(folder: Path) -> list[Path]:
    """The files of networks in ``folder``."""
    return sorted([*folder.glob("networks*.mmdb"), *folder.glob(_TABLE_NAME)])


def install_networks(sources: Sequence[Path], folder: Path) -> list[Path]:
    """``folder`` holds what ``sources`` know, and nothing of what was there before; returns its files.

    :raises InputRefused: one of them cannot be used; everything is as it was.
    :raises OSError: one cannot be read, or the folder cannot be written.
    """
    databases = [path for path in sources if _is_mmdb(path)]
    tables = [path for path in sources if path not in databases]
    for path in databases:
        _Mmdb(path)
    ranges = list(chain.from_iterable(map(_ranges_in, tables)))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    installed = []
    for number, path in enumerate(databases, 1):
        installed.append(folder / f"networks-{number}.mmdb")
        write_whole(installed[-1], path.read_bytes())
    if ranges:
        installed.append(folder / _TABLE_NAME)
        write_ranges(installed[-1], ranges)
    for old in network_files(folder):
        if old not in installed:
            old.unlink()
    return installed


def _is_mmdb(path: Path) -> bool:
    """Whether the metadata of an MMDB stand within the last 128 KiB, as the format wants it."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise InputRefused(f"{path}: is longer than {MAX_FILE_BYTES:,} bytes, which no file of networks is")
    with path.open("rb") as file:
        file.seek(max(size - _METADATA_WITHIN, 0))
        return _METADATA in file.read()


def _ranges_in(path: Path) -> list[Range]:
    found: list[Range] = []
    for number, line in enumerate(_lines(path), 1):
        fields = line.rstrip(b"\r\n").split(b"\t", _FIELDS - 1)
        if len(fields) != _FIELDS:
            raise InputRefused(f"{path}:{number}: is no line of an iptoasn table; take ip2asn-combined.tsv.gz")
        try:
            first, last = (ip_address(field.decode("ascii")) for field in fields[:2])
            asn = int(fields[2])
        except ValueError as error:
            raise InputRefused(f"{path}:{number}: {error}; take ip2asn-combined.tsv.gz") from None
        if asn != _NOT_ROUTED and first.version == last.version:
            fact = (asn, _name(fields[4].decode("utf-8", "replace")), _country(fields[3].decode("ascii", "replace")))
            found.append(Range(address_bytes(first), address_bytes(last), fact))
    if not found:
        raise InputRefused(f"{path}: holds no networks; take an MMDB, or ip2asn-combined.tsv.gz of iptoasn.com")
    return found


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as plain:
        is_packed = plain.read(len(_GZIP)) == _GZIP
        plain.seek(0)
        file = gzip.GzipFile(fileobj=plain) if is_packed else plain
        read = 0
        try:
            while line := file.readline(MAX_LINE_BYTES):
                read += len(line)
                if read > MAX_FILE_BYTES:
                    raise InputRefused(f"{path}: is longer than {MAX_FILE_BYTES:,} bytes, which no table is")
                yield line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputRefused(f"{path}: cannot be unpacked: {error}; fetch it again") from None


def _network_in(found: dict[str, Any]) -> Network:
    """What an entry says, in the words of any of the vendors; what it does not say is empty."""
    number = found.get("autonomous_system_number") or found.get("asn")
    if isinstance(number, str):
        digits = number.upper().removeprefix("AS")
        number = int(digits) if digits.isascii() and digits.isdigit() else None
    country = found.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else found.get("country_code") or country
    organisation = found.get("autonomous_system_organization") or found.get("as_name") or ""
    return Network(number if isinstance(number, int) and number else None, _name(str(organisation)), _country(code))


def _name(text: str) -> str:
    return text.strip()[:MAX_NAME]


def _country(code: object) -> str:
    """Two capitals, or empty for what is no country (``None``, ``ZZ`` and such stand for unknown)."""
    text = str(code).strip().upper() if isinstance(code, str) else ""
    return text if len(text) == _COUNTRY_CHARS and text.isascii() and text.isalpha() and text != "ZZ" else ""
