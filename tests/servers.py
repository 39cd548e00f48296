"""Servers of a test's own, in a folder of its own, that may be killed and started again: MariaDB, PostgreSQL, NATS."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager, suppress
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from tests.require import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_TIMEOUT_S = 30.0


class OwnServer(ABC):
    """A server on a free port of loopback."""

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder."""

    @abstractmethod
    def command(self) -> list[str]:
        """What runs the server in the foreground."""

    @property
    @abstractmethod
    def url(self) -> str:
        """How the program under test reaches it."""

    def start(self) -> None:
        """Run the server until it takes connections."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.is_ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"{self.name} did not start:\n{(self.folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Whether somebody listens."""
        with closing(socket.socket()) as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End the server and its children at once, as a power cut would."""
        if self._process is not None:
            pid = self._process.pid
            # PostgreSQL's children leave the group, and would answer until they notice that they are orphans
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            self._process.wait()
            self._process = None


class OwnMariaDB(OwnServer):
    name = "mariadb"

    def prepare(self) -> None:
        data = str(self.folder / "data")
        install = ["mariadb-install-db", "--no-defaults", f"--user={_user()}", f"--datadir={data}"]
        subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True)

    def command(self) -> list[str]:
        server = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin") or "mariadbd"
        folder = self.folder
        places = [f"--datadir={folder / 'data'}", f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"]
        return [
            server,
            "--no-defaults",
            f"--user={_user()}",
            *places,
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
        ]

    @property
    def url(self) -> str:
        return f"mysql+asyncmy://root@127.0.0.1:{self.port}/test"

    def is_ready(self) -> bool:
        """It listens before it answers."""
        ask = ["mariadb-admin", "--no-defaults", "-uroot", "-h127.0.0.1", f"-P{self.port}", "ping"]
        return subprocess.run(ask, check=False, capture_output=True).returncode == 0


class OwnPostgreSQL(OwnServer):
    name = "postgresql"

    def prepare(self) -> None:
        if os.getuid() == 0:  # it refuses to run as root
            shutil.chown(self.folder, "postgres")
            self.folder.chmod(0o755)
        made = [_postgres("initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*_as_postgres(), *made], check=True, capture_output=True, cwd=self.folder)

    def command(self) -> list[str]:
        places = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-h", "127.0.0.1", "-p", str(self.port)]
        return [*_as_postgres(), _postgres("postgres"), *places]

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/postgres"

    def is_ready(self) -> bool:
        """It listens before it answers."""
        ask = [_postgres("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ask, check=False).returncode == 0


class OwnNats(OwnServer):
    name = "nats"

    def prepare(self) -> None:
        """It makes its folder itself."""

    def command(self) -> list[str]:
        server = shutil.which("nats-server", path=f"{os.environ['PATH']}:/usr/sbin") or "nats-server"
        return [server, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder / "data")]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"


@contextmanager
def own_server(name: str) -> Iterator[OwnServer]:
    """A running server; a program that is missing here ends the test."""
    folder = Path(tempfile.mkdtemp(prefix=f"decnet-{name}-"))  # not below pytest's, which only its user may enter
    kinds: dict[str, type[OwnMariaDB | OwnPostgreSQL | OwnNats]] = {
        kind.name: kind for kind in (OwnMariaDB, OwnPostgreSQL, OwnNats)
    }
    server = kinds[name](folder)
    try:
        server.prepare()
        server.start()
    except FileNotFoundError as error:
        lacking(name, f"cannot be started here: {error}")
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


def _postgres(program: str) -> str:
    found = sorted(glob(f"/usr/lib/postgresql/*/bin/{program}"))  # noqa: PTH207 - Debian keeps them off the path
    return found[-1] if found else program


def _as_postgres() -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []


def _user() -> str:
    return "root" if os.getuid() == 0 else str(os.getuid())


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
