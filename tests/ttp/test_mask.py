from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.ttp.mask import mask_secrets


@pytest.mark.parametrize(
    "command",
    [
        "echo 'root:hunter2'|chpasswd",
        'echo "admin:hunter2" | sudo chpasswd',
        "curl http://bob:hunter2@203.0.113.7/x",
        "mysql -uroot -phunter2 -e 'show databases'",
        "sshpass -p'hunter2' ssh root@203.0.113.7",
        "tool --password=hunter2",
        "PGPASSWORD=hunter2 psql",
        "curl -u bob:hunter2 http://203.0.113.7",
        "redis-cli -a hunter2 ping",
    ],
)
def test_a_secret_in_a_known_position_is_starred_out(command: str) -> None:
    masked = mask_secrets(command.encode()).decode()
    assert "hunter2" not in masked
    assert len(masked) == len(command)


@pytest.mark.parametrize("command", ["wget http://203.0.113.7:8080/x.sh", "ls -p /tmp", "ps aux", "tar -pxf a.tar"])
def test_what_is_no_secret_stays(command: str) -> None:
    assert mask_secrets(command.encode()) == command.encode()


@given(st.binary())
def test_length_never_changes(data: bytes) -> None:
    assert len(mask_secrets(data)) == len(data)
