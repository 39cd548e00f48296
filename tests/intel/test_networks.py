"""Networks, countries and exits of addresses, from the files that operators bring."""

from __future__ import annotations

import gzip
import random
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest

from decnet.errors import InputRefused
from decnet.intel.exits import ExitFiles, write_exits
from decnet.intel.networks import NetworkFiles, install_networks, network_files
from decnet.intel.ranges import Range, RangeFile, address_bytes, range_of, write_ranges
from decnet.models.network import Network
from tests.intel.mmdb import write_mmdb

if TYPE_CHECKING:
    from pathlib import Path

TABLE = """\
1.0.0.0\t1.0.0.255\t13335\tUS\tCLOUDFLARENET
1.0.1.0\t1.0.3.255\t0\tNone\tNot routed
8.8.8.0\t8.8.8.255\t15169\tUS\tGOOGLE
118.24.0.0\t118.25.255.255\t45090\tCN\tTENCENT-NET-AP Shenzhen
2606:4700::\t2606:4700:ffff:ffff:ffff:ffff:ffff:ffff\t13335\tUS\tCLOUDFLARENET
"""
GOOGLE = Network(15169, "GOOGLE", "US")
ASN = {
    "8.8.8.0/24": {"autonomous_system_number": 15169, "autonomous_system_organization": "GOOGLE"},
    "2606:4700::/32": {"autonomous_system_number": 13335, "autonomous_system_organization": "CLOUDFLARENET"},
}
COUNTRY = {"8.8.8.0/24": {"country": {"iso_code": "US"}}, "9.9.9.0/24": {"country": {"iso_code": "CH"}}}
IPINFO = {"8.8.8.0/24": {"asn": "AS15169", "as_name": "GOOGLE", "country_code": "US", "country": "United States"}}


def installed(folder: Path, *sources: Path) -> NetworkFiles:
    install_networks(sources, folder / "intel")
    return NetworkFiles(network_files(folder / "intel"))


def table(folder: Path, text: str = TABLE, *, packed: bool = False) -> Path:
    path = folder / "ip2asn-combined.tsv"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return path


def mmdb(folder: Path, name: str, entries: dict[str, dict[str, Any]]) -> Path:
    path = folder / f"{name}.mmdb"
    write_mmdb(path, entries, name)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_the_tables_of_iptoasn_are_read(tmp_path: Path, *, packed: bool) -> None:
    networks = installed(tmp_path, table(tmp_path, packed=packed))

    assert networks.network_of("8.8.8.8") == GOOGLE
    assert networks.network_of("118.25.6.39") == Network(45090, "TENCENT-NET-AP Shenzhen", "CN")
    assert networks.network_of("2606:4700:4700::1111") == Network(13335, "CLOUDFLARENET", "US")


@pytest.mark.parametrize("address", ["1.0.2.1", "8.8.9.0", "8.8.7.255", "0.0.0.1", "ffff::", "nonsense", ""])
def test_what_no_range_holds_is_not_known(tmp_path: Path, address: str) -> None:
    assert installed(tmp_path, table(tmp_path)).network_of(address) is None


def test_an_mmdb_of_networks_and_one_of_countries_are_taken_together(tmp_path: Path) -> None:
    networks = installed(tmp_path, mmdb(tmp_path, "asn", ASN), mmdb(tmp_path, "country", COUNTRY))

    assert networks.network_of("8.8.8.8") == GOOGLE
    assert networks.network_of("9.9.9.9") == Network(None, "", "CH")
    assert networks.network_of("2606:4700::1") == Network(13335, "CLOUDFLARENET", "")
    assert networks.network_of("10.0.0.1") is None


def test_an_mmdb_in_the_words_of_ipinfo_is_understood(tmp_path: Path) -> None:
    assert installed(tmp_path, mmdb(tmp_path, "ipinfo", IPINFO)).network_of("8.8.8.8") == GOOGLE


@pytest.mark.parametrize("entry", [{}, {"asn": "ASx"}, {"asn": "", "country": "Nowhere"}, {"country": {"x": 1}}])
def test_an_entry_that_says_nothing_is_no_network(tmp_path: Path, entry: dict[str, Any]) -> None:
    assert installed(tmp_path, mmdb(tmp_path, "odd", {"8.8.8.0/24": entry})).network_of("8.8.8.8") is None


def test_what_is_installed_replaces_what_was_there(tmp_path: Path) -> None:
    installed(tmp_path, mmdb(tmp_path, "asn", ASN), mmdb(tmp_path, "country", COUNTRY))
    networks = installed(tmp_path, table(tmp_path))

    assert [path.name for path in network_files(tmp_path / "intel")] == ["networks.ranges"]
    assert networks.network_of("9.9.9.9") is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("8.8.8.0\t8.8.8.255\t15169\tUS\n", ":1: is no line of an iptoasn table"),
        ("<html>\n", ":1: is no line"),
        ("8.8.8.0\tmany\t15169\tUS\tGOOGLE\n", "'many' does not appear"),
        ("8.8.8.0\t8.8.8.255\tAS15169\tUS\tGOOGLE\n", "invalid literal"),
        ("1.0.1.0\t1.0.3.255\t0\tNone\tNot routed\n", "holds no networks"),
        ("", "holds no networks"),
    ],
)
def test_a_file_of_something_else_is_refused_and_nothing_changes(tmp_path: Path, text: str, fault: str) -> None:
    installed(tmp_path, table(tmp_path))
    with pytest.raises(InputRefused, match=fault):
        install_networks([table(tmp_path, text)], tmp_path / "intel")

    assert NetworkFiles(network_files(tmp_path / "intel")).network_of("8.8.8.8") == GOOGLE


def test_a_damaged_mmdb_is_refused(tmp_path: Path) -> None:
    path = mmdb(tmp_path, "asn", ASN)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"MaxMind.com") + 20])
    with pytest.raises(InputRefused, match=r"asn\.mmdb"):
        install_networks([path], tmp_path / "intel")


def test_a_table_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, TABLE * 500, packed=True)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputRefused, match="cannot be unpacked"):
        install_networks([path], tmp_path / "intel")


def test_ranges_answer_as_a_walk_over_all_of_them_does(tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311 - any ranges
    ranges = []
    for number in range(0, 3_000, 3):
        first = number * 1_000
        last = first + chance.randint(0, 2_500)
        ranges.append(Range(address_bytes(IPv4Address(first)), address_bytes(IPv4Address(last)), (number % 50,)))
    write_ranges(tmp_path / "some.ranges", ranges)
    file = RangeFile(tmp_path / "some.ranges")

    assert len(file) == len(ranges)
    for _ in range(2_000):
        wanted = IPv4Address(chance.randint(0, 3_010_000))
        key = address_bytes(wanted)
        expected = next((one.fact for one in ranges if one.first <= key <= one.last), None)
        assert file.fact_of(str(wanted)) == expected


def test_a_mapped_address_is_the_ipv4_that_it_stands_for(tmp_path: Path) -> None:
    write_ranges(tmp_path / "some.ranges", [range_of(ip_network("8.8.8.0/24"), ("x",))])
    assert RangeFile(tmp_path / "some.ranges").fact_of("::ffff:8.8.8.8") == ("x",)


def test_of_ranges_that_overlap_the_later_is_cut(tmp_path: Path) -> None:
    networks = [ip_network(text) for text in ("10.0.0.0/8", "10.1.0.0/16", "10.255.255.0/24")]
    beyond = Range(address_bytes(ip_address("10.255.255.0")), address_bytes(ip_address("11.0.0.5")), ("b",))
    write_ranges(tmp_path / "some.ranges", [*(range_of(one, ("a",)) for one in networks), beyond])
    file = RangeFile(tmp_path / "some.ranges")

    assert len(file) == 2
    assert file.fact_of("10.255.255.9") == ("a",)
    assert file.fact_of("11.0.0.5") == ("b",)
    assert file.fact_of("11.0.0.6") is None


@pytest.mark.parametrize("keep", [0, 10, 30, -1])
def test_a_damaged_table_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "some.ranges"
    write_ranges(path, [range_of(ip_network("10.0.0.0/8"), ("a",))])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputRefused, match="no table of addresses"):
        RangeFile(path)


def exits(folder: Path, kind: str, text: str) -> Path:
    source, path = folder / f"{kind}.txt", folder / f"exits-{kind}.ranges"
    source.write_text(text)
    write_exits(path, source, kind)
    return path


def test_an_address_can_be_an_exit_of_both_kinds(tmp_path: Path) -> None:
    known = ExitFiles(
        {
            "tor": exits(tmp_path, "tor", "# exits\n185.220.101.1\n185.220.101.2 ; two\n2001:67c:e60:c0c::1\n"),
            "vpn": exits(tmp_path, "vpn", "185.220.101.2/31\n45.9.148.0/24  # a provider\nnot an address\n"),
        }
    )

    assert known.kinds_of("185.220.101.1") == {"tor"}
    assert known.kinds_of("185.220.101.2") == {"tor", "vpn"}
    assert known.kinds_of("2001:67c:e60:c0c::1") == {"tor"}
    assert known.kinds_of("45.9.148.99") == {"vpn"}
    assert known.kinds_of("8.8.8.8") == frozenset()


@pytest.mark.parametrize("text", ["", "# nothing\n", "<html>\n<body>\n1.2.3.4\n</body>\n</html>\n"])
def test_a_page_of_something_else_is_no_list_of_exits(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputRefused, match="no list of addresses"):
        exits(tmp_path, "tor", text)
