"""A PostgreSQL server of the tests alone, in a folder that goes afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from made.service import free_port

TOOLS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
ABSENT = "no PostgreSQL server is installed here (Debian: apt-get install postgresql)"


class PostgresServer:
    """``address``: of its database. It refuses root, so it runs as the user ``postgres`` there."""

    def __init__(self) -> None:
        self.place, self.port = Path("/tmp") / f"lopore-pg-{free_port()}", free_port()
        self.address = f"postgresql://lopore@127.0.0.1:{self.port}/postgres"
        self.place.mkdir()
        self.place.chmod(0o777)
        self._run("initdb", "-U", "lopore", "-A", "trust", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it, or start it again after ``kill``."""
        options = f"-p {self.port} -c unix_socket_directories= -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-w", "-l", str(self.place / "log"), "-o", options, "start")

    def kill(self) -> None:
        """Kill -9 of the server and all its processes, as they are."""
        pid = int((self.place / "data" / "postmaster.pid").read_text().splitlines()[0])
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, below)):
            os.kill(one, signal.SIGKILL)
        while any(_lives(one) for one in (pid, *map(int, below))):
            time.sleep(0.01)
        (self.place / "data" / "postmaster.pid").unlink()  # a dead process that nobody reaps looks alive to pg_ctl

    def remove(self) -> None:
        """Stop it and take the folder away."""
        self._run("pg_ctl", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.place, ignore_errors=True)

    def _run(self, tool: str, *words: str, check: bool = True) -> None:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        command = [*as_user, str(TOOLS[-1] / tool), "-D", str(self.place / "data"), *words]
        done = subprocess.run(command, cwd=self.place, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if check and done.returncode:
            log = self.place / "log"
            raise AssertionError(f"{tool}: {done.stderr!r} {log.read_text()[-2000:] if log.exists() else ''}")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
