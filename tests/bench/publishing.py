"""Part 7: a million revoked certificates: full list, delta, OCSP, and serving them."""

import asyncio
import http.client
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ca.hierarchy import ISSUER_NAME
from ca.ocsp import issuer_ids
from ca.scopes import CRLKind
from ca.serials import serial_text
from ca.trust import RevocationReason
from gateway.bootstrap.command import open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.core.headers import EDGE_ADDRESS, EDGE_LISTENER, Listener
from gateway.store import Store
from tests.bench.bulk import revoke_in_bulk
from tests.bench.measuring import FIRST, cpu_seconds, on_processor, percentile, resident_kib
from tests.bench.report import Section, at_most
from tests.bench.sites import HOST
from tests.issuing import issuing_certificate

SIGN_SECONDS = 20.0
SIGN_MIB = 1024.0
DELTA_SECONDS = 1.0
OCSP_MS = 5.0
_AT_ONCE = 20_000
_DAY = 86_400_000_000
_PATIENCE_SECONDS = 120.0
_MIB = 1024


def measure_publishing(directory: Path, *, quick: bool) -> Section:
    """Sign, tell and serve the revocation of many certificates."""
    count, asked, news = (100_000, 300, 3) if quick else (1_000_000, 2000, 20)
    bulk = 1_000 if quick else 10_000
    folder = asyncio.run(_make_site(directory / "site"))
    serials = _revoke_many(folder, count)
    # What takes years elsewhere was written in a minute, and the disk is not done with it.
    os.sync()
    print(f"publishing: {count:,} revoked", flush=True)
    seconds, cpu, mib = _sign(folder)
    print(f"publishing: full list in {seconds:.1f} s ({cpu:.1f} of CPU), {mib:.0f} MiB", flush=True)
    size = _judged(folder, directory, count)
    with _running("authority", folder), _running("portal", folder) as portal:
        _make_due(folder)
        deltas = asyncio.run(_tell_news(folder, serials, news))
        print(f"publishing: deltas in {max(deltas):.2f} s", flush=True)
        answer_ms = _ask(folder, portal, serials, asked)
        serve_ms, resident = _fetch(folder, portal, size)
    bulk_seconds, longest = asyncio.run(revoke_in_bulk(directory / "bulk", bulk, bulk * 3 // 10))
    rows = [
        (
            "full list signed and recorded",
            f"{cpu:.1f} s of CPU",
            f"{seconds:.1f} s beside what else ran, {mib:.0f} MiB at its peak",
        ),
        ("… its size", f"{size / 2**20:.1f} MiB", ""),
        (
            "from a revocation to its delta",
            f"{percentile(deltas, 0.5):.2f} s",
            f"{max(deltas):.2f} s the worst of {news}",
        ),
        ("OCSP answer with a nonce", f"{answer_ms:.2f} ms of CPU", f"{asked:,} POSTs"),
        ("the full list, served once", f"{serve_ms:.0f} ms of CPU", f"{resident:.0f} MiB resident"),
        (
            f"{bulk:,} certificates revoked by one command",
            f"{bulk_seconds:.1f} s",
            f"another writer waited for {longest:.2f} s at the most",
        ),
    ]
    figures = [
        at_most(f"full CRL of {count:,}, signed and recorded", seconds, SIGN_SECONDS, " s", 1),
        at_most("… memory of its signer", mib, SIGN_MIB, " MiB", 0),
        at_most("from a revocation to its delta CRL, worst", max(deltas), DELTA_SECONDS, " s"),
        at_most("OCSP answer, processor time", answer_ms, OCSP_MS, " ms"),
    ]
    return Section(
        "publishing",
        "Revocation lists and OCSP",
        f"{count:,} revoked certificates in SQLite. The full list is that of `pusterla crl "
        "publish`, from the start of the process to its end, and openssl verifies it. Deltas are "
        "those of the running authority while it signs the full list anew, from the return of the "
        "store's call to the list's being in the store. OCSP is asked of the portal "
        "on its socket, one request after the other, about a thousand certificates in turn. Many are "
        "revoked by one `pusterla cert revoke` on a site of its own, three or four of each person, "
        "from the start of the process to its end, the signed list included.",
        ("what", "measured", "besides"),
        rows,
        figures,
    )


async def _make_site(directory: Path) -> SiteFolder:
    folder = await create_site(directory, NewSite(host=HOST, port=8443), clock, lambda _: None)
    text = folder.settings.read_text().replace("# delta = false", "delta = true")
    folder.settings.write_text(text)
    return folder


def _revoke_many(folder: SiteFolder, count: int) -> list[int]:
    """Write *count* revoked certificates and a few good ones straight into the ledger."""
    now = int(clock().timestamp() * 1e6)
    drawn = random.Random(5)
    good = [drawn.getrandbits(126) | 1 << 126 for _ in range(1000)]
    states: list[tuple[int, str, int | None, str | None, int | None, int | None]] = [
        (one, "valid", None, None, None, None) for one in good
    ]
    with closing(sqlite3.connect(folder.database)) as connection:
        for begin in range(0, count, _AT_ONCE):
            states += [
                (
                    drawn.getrandbits(126) | 1 << 126,
                    "revoked",
                    now - drawn.randrange(300 * _DAY),
                    RevocationReason.KEY_COMPROMISE.value,
                    1,
                    1,
                )
                for _ in range(begin, min(count, begin + _AT_ONCE))
            ]
            connection.executemany(
                "INSERT INTO certificate (issuer, serial, fingerprint, username, device,"
                " not_before, not_after, der, reserved_at, state, revoked_at, reason, change,"
                " crl_number) VALUES (?, ?, ?, 'stranger', 'stick', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(ISSUER_NAME, serial_text(serial), f"{serial:064x}"),
                        *(now - _DAY, now + 300 * _DAY, bytes(700), now),
                        *status,
                    )
                    for serial, *status in states
                ],
            )
            states = []
        # As if the list that there is told of them, so that deltas need not.
        connection.execute("UPDATE issuer SET changes = 1")
        connection.execute("UPDATE crl SET covers = 1")
        connection.commit()
    return good


def _make_due(folder: SiteFolder) -> None:
    """Make the full list older than it is, so that it is signed with the first that happens."""
    with closing(sqlite3.connect(folder.database)) as connection:
        connection.execute("UPDATE crl SET this_update = this_update - ?", (3 * _DAY,))
        connection.commit()


def _sign(folder: SiteFolder) -> tuple[float, float, float]:
    """Publish by the command; return the seconds, those of a processor, and the MiB at the peak."""
    program = (sys.executable, "-c", "from gateway.cli import main; main()")
    command = [*on_processor(FIRST), *program, "--site", str(folder.path), "crl", "publish"]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("pusterla crl publish failed")
    took = time.perf_counter() - begun
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss / _MIB


def _judged(folder: SiteFolder, directory: Path, count: int) -> int:
    """Let openssl verify the full list; return its bytes."""
    file = directory / "full.crl"
    with closing(sqlite3.connect(folder.database)) as connection:
        (der,) = connection.execute(
            "SELECT der FROM crl WHERE kind = 'full' ORDER BY number DESC LIMIT 1"
        ).fetchone()
    file.write_bytes(der)
    words = ("openssl", "crl", "-inform", "DER", "-in", str(file), "-noout", "-verify")
    done = subprocess.run(
        [*words, "-CAfile", str(folder.client_trust)], capture_output=True, check=True
    )
    if b"verify OK" not in done.stderr or len(x509.load_der_x509_crl(der)) != count:
        raise SystemExit("the full list is not what it should be")
    return len(der)


@contextmanager
def _running(name: str, folder: SiteFolder) -> Iterator[int]:
    """Run a process of the site until it serves, and to the block's end."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", f"gateway.bootstrap.{name}", "--site", str(folder.path)]
    process = subprocess.Popen(
        [*on_processor(FIRST), *command, "--ready-fd", str(writing)],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        if not os.read(reading, 16):
            raise SystemExit(f"the {name} does not start")
        yield process.pid
    finally:
        os.close(reading)
        process.terminate()
        process.wait()


async def _tell_news(folder: SiteFolder, serials: list[int], news: int) -> list[float]:
    """Revoke one after the other; return the seconds to each delta."""
    took = []
    async with open_command(folder, clock) as command:
        for number, serial in enumerate(serials[:news]):
            await command.store.revoke_certificates(
                serial=serial_text(serial), reason=RevocationReason.KEY_COMPROMISE, by="bench"
            )
            begun = time.perf_counter()
            await _until_told(command.store, number + 1)
            took.append(time.perf_counter() - begun)
            await asyncio.sleep(0.3)
    return took


async def _until_told(store: Store, entries: int) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            delta = await store.latest_crl(ISSUER_NAME, kind=CRLKind.DELTA)
            if delta is not None and delta.entries >= entries:
                return
            await asyncio.sleep(0.005)


class _Connection(http.client.HTTPConnection):
    """A connection to the portal's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("portal")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def _send(connection: _Connection, method: str, path: str, body: bytes | None = None) -> bytes:
    fields = {EDGE_LISTENER: Listener.PLAIN_HTTP.value, EDGE_ADDRESS: "192.0.2.7"}
    connection.request(method, path, body, fields)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != http.client.OK:
        raise SystemExit(f"{method} {path}: {answer.status}")
    return content


def _ask(folder: SiteFolder, portal: int, serials: list[int], asked: int) -> float:
    """Return the milliseconds of processor time for each answer."""
    issuer = x509.load_pem_x509_certificate(issuing_certificate(folder).read_bytes())
    named = issuer_ids(issuer)[1]

    def request(number: int) -> bytes:
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            named.name_hash, named.key_hash, serials[number % len(serials)], hashes.SHA256()
        )
        nonce = x509.OCSPNonce(number.to_bytes(32))
        return builder.add_extension(nonce, critical=False).build().public_bytes(Encoding.DER)

    requests = [request(number) for number in range(1, asked + 1)]
    with closing(_Connection(folder.portal_socket)) as connection:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _is_answered(_send(connection, "POST", "/ocsp", requests[0])):
            if time.monotonic() > deadline:
                raise SystemExit("nobody certifies the portal's responder")
            time.sleep(0.1)
        before = cpu_seconds([portal])
        answers = [_send(connection, "POST", "/ocsp", one) for one in requests]
        used = cpu_seconds([portal]) - before
    if not all(map(_is_answered, answers)):
        raise SystemExit("an OCSP request was not answered")
    return used / asked * 1e3


def _is_answered(der: bytes) -> bool:
    status = ocsp.load_der_ocsp_response(der).response_status
    return status is ocsp.OCSPResponseStatus.SUCCESSFUL


def _fetch(folder: SiteFolder, portal: int, size: int) -> tuple[float, float]:
    """Fetch the full list; return the milliseconds of processor time, and the portal's MiB."""
    path = f"/crl/{ISSUER_NAME}.crl"
    with closing(_Connection(folder.portal_socket)) as connection:
        _send(connection, "GET", path)
        before = cpu_seconds([portal])
        times = 5
        for _ in range(times):
            if len(_send(connection, "GET", path)) < size:
                raise SystemExit("the full list came in part")
        used = cpu_seconds([portal]) - before
    return used / times * 1e3, resident_kib(portal) / _MIB


if __name__ == "__main__":
    import tempfile

    from tests.bench import report

    with tempfile.TemporaryDirectory() as place:
        found = measure_publishing(Path(place), quick="--quick" in sys.argv)
        print(report.text(found), json.dumps([one.value for one in found.figures]))
