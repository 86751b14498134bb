"""A PostgreSQL that the tests start for themselves, and a fresh database for each that asks.

- `postgres`            the server, one for the whole run
- `postgres_url`        an empty database
- `postgres_store_url`  a database with a new store in it

The server listens on a unix socket only, so it needs no port and nobody else finds it.
"""

import asyncio
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.store import create_store

STARTED_WITHIN = 30.0
ENDED_WITHIN = 10.0
TEMPLATE = "template_of_stores"

# Making a database takes longer than most tests, so one that holds a store is swept and used
# again. What every table held in the beginning is kept beside it.
KEEP_SEED = """
CREATE SCHEMA seed;
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TABLE seed.%I AS TABLE public.%I', name, name);
    END LOOP;
END $$
"""
SWEEP = """
SET lock_timeout = '2s';
DO $$ DECLARE name text; names text; BEGIN
    SELECT string_agg(format('public.%I', tablename), ', ') INTO names
        FROM pg_tables WHERE schemaname = 'public';
    EXECUTE 'TRUNCATE ' || names;
    FOR name IN SELECT DISTINCT tablename FROM pg_tables WHERE schemaname IN ('public', 'seed')
    LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM seed.%I', name, name);
    END LOOP;
END $$
"""

# Runs the server until its own input ends, which it also does when the tests are killed. SIGINT:
# end now and in order, whoever is connected.
GUARD = """
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ read -r _ <&3; kill -INT $server; } &
wait $server
"""

# What a crash would need, a server that is thrown away does not.
QUICK = ("fsync=off", "full_page_writes=off", "max_connections=200")


def find_programs() -> Path:
    """Return where PostgreSQL's programs are, or skip the test that needs them."""
    debian = Path("/usr/lib/postgresql")
    homes = [path for path in debian.glob("*/bin") if path.parent.name.isdecimal()]
    homes.sort(key=lambda path: int(path.parent.name), reverse=True)
    if found := shutil.which("postgres"):
        homes.append(Path(found).resolve().parent)
    for home in homes:
        if all((home / name).is_file() for name in ("initdb", "postgres", "psql")):
            return home
    pytest.skip("no PostgreSQL here: install it (Debian: apt-get install postgresql)")


def servant() -> str | None:
    """Return the user under whom the server runs: it refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    pytest.skip("PostgreSQL does not run as root, and there is neither postgres nor nobody here")


@dataclass
class Postgres:
    """A running server."""

    programs: Path
    home: Path
    user: str | None
    numbers: Iterator[int] = field(default_factory=itertools.count)
    swept: list[str] = field(default_factory=list)

    def url(self, database: str) -> str:
        """Return the address of *database*, as `gateway.store` takes it."""
        return f"postgresql+asyncpg://postgres@/{database}?host={self.home}"

    def run(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs; what it says is in the error, should there be one."""
        done = subprocess.run(
            [self.programs / name, *arguments],
            user=self.user,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name} failed: {done.stderr or done.stdout}")

    def sql(self, statement: str, database: str = "postgres") -> None:
        """Run *statement*; the first that fails is the end."""
        self.run(
            "psql", "-h", str(self.home), "-U", "postgres", "-X", "-q", "-v", "ON_ERROR_STOP=1",
            "-c", statement, database,
        )  # fmt: skip

    def create(self, template: str = "template1") -> str:
        """Make a database like *template* and return its name."""
        name = f"test_{next(self.numbers)}"
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def sweep(self, name: str) -> None:
        """Make the store in a database as new, or take the database away if that cannot be."""
        try:
            self.sql(SWEEP, name)
        except RuntimeError:
            # A test has changed its tables, or has left somebody connected who holds them.
            self.drop(name)
        else:
            self.swept.append(name)

    def drop(self, name: str) -> None:
        """Take a database away, whoever is still connected to it."""
        self.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def started(server: Postgres) -> subprocess.Popen[bytes]:
    """Start the server and wait until it answers."""
    data = server.home / "data"
    server.run(
        "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C",
        "--no-sync", "--no-instructions",
    )  # fmt: skip
    settings = [f"unix_socket_directories={server.home}", "listen_addresses=", *QUICK]
    command = [str(server.programs / "postgres"), "-D", str(data)]
    command += [f"-c{line}" for line in settings]
    with (server.home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", GUARD, "sh", *command],
            user=server.user,
            cwd=server.home,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + STARTED_WITHIN
    while True:
        try:
            server.sql("SELECT 1")
        except RuntimeError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                process.communicate()
                said = (server.home / "log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start: {said}") from error
            time.sleep(0.05)
        else:
            return process


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Yield a server that lives as long as the run."""
    programs, user = find_programs(), servant()
    # Not below pytest's own folder, which the server's user may not enter, and with a short
    # name, since that of a socket has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="pusterla-pg-", dir="/tmp"))
    try:
        if user is not None:
            shutil.chown(home, user)
        server = Postgres(programs, home, user)
        process = started(server)
        try:
            yield server
        finally:
            process.communicate(timeout=ENDED_WITHIN)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """Return the name of a database with a store in it, to be copied."""
    postgres.sql(f'CREATE DATABASE "{TEMPLATE}"')
    # In a thread, since the loop of whoever asks must not be disturbed.
    with ThreadPoolExecutor(1) as aside:
        aside.submit(lambda: asyncio.run(create_store(postgres.url(TEMPLATE)))).result()
    postgres.sql(KEEP_SEED, TEMPLATE)
    return TEMPLATE


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """Yield the address of an empty database."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def postgres_store_url(postgres: Postgres, postgres_template: str) -> Iterator[str]:
    """Yield the address of a database with a new store in it."""
    name = postgres.swept.pop() if postgres.swept else postgres.create(postgres_template)
    yield postgres.url(name)
    postgres.sweep(name)
