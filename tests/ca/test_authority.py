"""The authority: the order of effects, on real databases and real files."""

import asyncio
import secrets
import shutil
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs12
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger, lists, responders
from ca.authority import Authority, Order
from ca.csr import CertificateRequest
from ca.errors import (
    BundleRefused,
    CAError,
    FileRefused,
    IdentityRefused,
    IssuanceRefused,
    LedgerError,
)
from ca.identity import identity_of
from ca.issue import der, fingerprint
from ca.keys import SignerLock, load_certificates
from ca.kinds import PublicKey, make_key
from ca.ledger import CertificateRecord, CertificateState, RevocationOutcome
from ca.lists import CRLRecord
from ca.publishing import Publication
from ca.serials import parse_serial
from ca.trust import RevocationReason
from tests.ca.databases import Begin
from tests.ca.makers import ANNA, CA, CLIENT_PROFILE, CRL_URL, HOST, NOW

HOUR = timedelta(hours=1)
KEY = make_key()
ORDER = Order("anna", "stick-1", "anna@example.it", scope=("wiki", "crm"))
PASSPHRASE = "correct horse"
PUBLICATION = Publication(CRL_URL.removesuffix("issuing-1.crl"))


class Notes:
    """A witness that writes down what it was told, in order; and fails if asked to."""

    def __init__(self, failing: str = "") -> None:
        self.told: list[str] = []
        self.failing = failing

    def note(self, what: str) -> None:
        """Write down *what*."""
        if what == self.failing:
            raise RuntimeError(f"cannot write {what}")
        self.told.append(what)

    async def issued(self, connection: AsyncConnection, record: CertificateRecord) -> None:
        """A certificate was issued."""
        # The witness sees, in the same transaction, what is being recorded.
        assert record.fingerprint is not None
        assert await ledger.find_by_serial(connection, record.issuer, record.serial) == record
        self.note(f"issued {record.username}")

    async def certified(
        self, connection: AsyncConnection, issuer: str, certificate: x509.Certificate
    ) -> None:
        """A responder was certified."""
        self.note(f"certified {certificate.subject.rfc4514_string()} of {issuer}")

    async def revoked(self, connection: AsyncConnection, outcome: RevocationOutcome) -> None:
        """A certificate was taken back."""
        self.note(f"revoked {[one.username for one in outcome.newly]}")

    async def published(self, connection: AsyncConnection, crl: CRLRecord) -> None:
        """A CRL was published."""
        assert await lists.latest_crl(connection, crl.issuer, crl.scope, crl.kind) == crl
        self.note(f"published {crl.number}")


@pytest.fixture
async def notes() -> Notes:
    """Return a witness."""
    return Notes()


def authority_of(
    ca: CA,
    begin: Begin,
    tmp_path: Path,
    notes: Notes | None = None,
    patience: float = 30.0,
    publication: Publication = PUBLICATION,
) -> Authority:
    """Make an authority that writes to a real database."""
    return Authority(
        begin=begin,
        issuer=ca.issuing,
        profile=CLIENT_PROFILE,
        host=HOST,
        lock=SignerLock(tmp_path / "lock", patience=patience),
        entropy=secrets.token_bytes,
        witness=notes,
        publication=publication,
    )


@pytest.fixture
async def authority(ca: CA, begin: Begin, tmp_path: Path, notes: Notes) -> Authority:
    """Return an authority whose issuer the ledger knows."""
    async with begin() as connection:
        await ledger.record_issuer(
            connection, name=ca.issuing.name, der=der(ca.issuing.certificate)
        )
    return authority_of(ca, begin, tmp_path, notes)


async def records(begin: Begin) -> list[CertificateRecord]:
    """Return all that the ledger knows."""
    async with begin() as connection:
        return await ledger.list_certificates(connection)


async def revoke(begin: Begin, now: datetime, user: str = "anna") -> None:
    """Revoke somebody's certificates, as portal and command do, without any key."""
    async with begin() as connection:
        await ledger.revoke(connection, user=user, reason=RevocationReason.KEY_COMPROMISE, now=now)


def failing_at(begin: Begin, step: int, *, before: bool) -> Begin:
    """Open transactions of which the one number *step* cannot be opened, or not committed."""
    count = 0

    @asynccontextmanager
    async def transaction() -> AsyncIterator[AsyncConnection]:
        nonlocal count
        count += 1
        if count == step and before:
            raise ConnectionError("the database is away")
        async with begin() as connection:
            yield connection
            if count == step:
                raise ConnectionError("the database went away")

    return transaction


def doing_after(begin: Begin, step: int, action: Callable[[], Awaitable[None]]) -> Begin:
    """Open transactions, and do *action* as soon as the one number *step* is committed."""
    count = 0

    @asynccontextmanager
    async def transaction() -> AsyncIterator[AsyncConnection]:
        nonlocal count
        count += 1
        this = count
        async with begin() as connection:
            yield connection
        if this == step:
            await action()

    return transaction


class TestEnrol:
    async def test_a_partition_is_named_and_kept(
        self, ca: CA, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """Distribution point and ledger agree, and a number changed later moves nobody."""
        points = {}
        for partitions in (1, 4, 3):
            parted = authority_of(
                ca, begin, tmp_path, publication=replace(PUBLICATION, partitions=partitions)
            )
            enrolled = await parted.enrol(ORDER, KEY.public_key(), NOW)
            serial = enrolled.certificate.serial_number
            expected = {
                1: "issuing-1.crl",
                4: f"issuing-1~{serial % 4 + 1}-of-4.crl",
                3: f"issuing-1~{serial % 3 + 1}-of-3.crl",
            }[partitions]
            (point,) = enrolled.certificate.extensions.get_extension_for_class(
                x509.CRLDistributionPoints
            ).value
            assert point.full_name is not None
            assert [name.value for name in point.full_name] == [PUBLICATION.address + expected]
            points[enrolled.record.serial] = expected
        for record in await records(begin):
            scope = record.crl_partition
            assert points[record.serial] == f"issuing-1{f'~{scope}' if scope else ''}.crl"

    async def test_the_certificate_and_its_record(
        self, authority: Authority, begin: Begin, notes: Notes, ca: CA
    ) -> None:
        """What is handed out is what the ledger has, to the byte."""
        now = NOW + timedelta(days=1, microseconds=7)
        enrolled = await authority.enrol(ORDER, KEY.public_key(), now)
        assert identity_of(enrolled.certificate) == ANNA
        assert enrolled.certificate.public_key() == KEY.public_key()
        assert enrolled.chain == ca.issuing.chain
        record = enrolled.record
        assert await records(begin) == [record]
        assert record.state is CertificateState.VALID
        assert record.scope == ("crm", "wiki")
        assert record.serial == parse_serial(f"{enrolled.certificate.serial_number:X}")
        assert record.not_before == enrolled.certificate.not_valid_before_utc
        assert record.not_after == enrolled.certificate.not_valid_after_utc
        assert (record.reserved_at, record.issued_at) == (now, now)
        async with begin() as connection:
            kept = await connection.scalar(select(ledger.certificate.c.der))
        assert kept == der(enrolled.certificate)
        assert notes.told == ["issued anna"]

    async def test_lifetime(self, authority: Authority) -> None:
        """A certificate lasts as long as ordered."""
        order = replace(ORDER, lifetime=timedelta(days=30))
        enrolled = await authority.enrol(order, KEY.public_key(), NOW)
        assert enrolled.record.not_after == NOW + timedelta(days=30)

    @pytest.mark.parametrize(
        "order, refusal",
        [
            (replace(ORDER, user="an\0na"), IdentityRefused),
            (replace(ORDER, device="Stick"), IdentityRefused),
            (replace(ORDER, email="anna"), IdentityRefused),
            (replace(ORDER, scope=()), IssuanceRefused),
            (replace(ORDER, scope=("wiki", "")), IssuanceRefused),
            (replace(ORDER, lifetime=timedelta(days=3650)), IssuanceRefused),
        ],
    )
    async def test_orders_that_cannot_be_met(
        self,
        authority: Authority,
        begin: Begin,
        order: Order,
        refusal: type[IdentityRefused | IssuanceRefused],
    ) -> None:
        """A refused order leaves no trace, not even a serial."""
        with pytest.raises(refusal):
            await authority.enrol(order, KEY.public_key(), NOW)
        assert await records(begin) == []

    @pytest.mark.parametrize("step", [1, 2])
    @pytest.mark.parametrize("before", [True, False])
    async def test_a_failure_at_any_step(
        self, ca: CA, authority: Authority, begin: Begin, tmp_path: Path, step: int, before: bool
    ) -> None:
        """At most a reserved serial is left; what was not recorded was not handed out."""
        broken = authority_of(ca, failing_at(begin, step, before=before), tmp_path)
        with pytest.raises(ConnectionError):
            await broken.enrol(ORDER, KEY.public_key(), NOW)
        left = [record.state for record in await records(begin)]
        assert left == ([] if step == 1 else [CertificateState.RESERVED])

    async def test_a_witness_that_fails(
        self, ca: CA, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """No line in the log, no certificate: both are one transaction."""
        broken = authority_of(ca, begin, tmp_path, Notes(failing="issued anna"))
        with pytest.raises(RuntimeError, match="cannot write"):
            await broken.enrol(ORDER, KEY.public_key(), NOW)
        assert [record.state for record in await records(begin)] == [CertificateState.RESERVED]

    async def test_revoked_while_it_was_signed(
        self, ca: CA, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """A user revoked between the two steps gets nothing, and the serial is revoked."""

        async def revoke_anna() -> None:
            await revoke(begin, NOW)

        interrupted = authority_of(ca, doing_after(begin, 1, revoke_anna), tmp_path)
        with pytest.raises(LedgerError, match="must not be handed out"):
            await interrupted.enrol(ORDER, KEY.public_key(), NOW)
        assert [record.state for record in await records(begin)] == [CertificateState.REVOKED]

    async def test_an_issuer_that_the_ledger_does_not_know(
        self, ca: CA, begin: Begin, tmp_path: Path
    ) -> None:
        """Without its issuer on record nothing is signed."""
        with pytest.raises(LedgerError, match="the issuer is not recorded"):
            await authority_of(ca, begin, tmp_path).enrol(ORDER, KEY.public_key(), NOW)


class TestRequests:
    asked = CertificateRequest(KEY.public_key(), ())

    async def test_certificate_and_chain(
        self, authority: Authority, begin: Begin, tmp_path: Path, ca: CA
    ) -> None:
        """Anybody may read the file: the certificate of the key that was shown, then the chain."""
        path = tmp_path / "anna.pem"
        enrolled = await authority.enrol_request(ORDER, self.asked, path=path, now=NOW)
        leaf, *chain = load_certificates(path)
        assert (leaf, tuple(chain)) == (enrolled.certificate, ca.issuing.chain)
        assert leaf.public_key() == KEY.public_key()
        assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
        assert await records(begin) == [enrolled.record]

    async def test_a_place_that_is_taken(
        self, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """An existing file stays as it is, and costs no certificate."""
        path = tmp_path / "anna.pem"
        path.write_bytes(b"older")
        with pytest.raises(FileRefused, match="never overwritten"):
            await authority.enrol_request(ORDER, self.asked, path=path, now=NOW)
        assert path.read_bytes() == b"older"
        assert await records(begin) == []

    async def test_a_key_that_is_compromised(
        self, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """The request of a stick that was lost is no way back."""
        for number in (1, 2):
            # Not compromised, a key may be certified again: for another year.
            path = tmp_path / f"{number}.pem"
            await authority.enrol_request(ORDER, self.asked, path=path, now=NOW)
        await authority.enrol(ORDER, make_key().public_key(), NOW)
        await revoke(begin, NOW)
        with pytest.raises(IssuanceRefused, match="compromised") as caught:
            await authority.enrol_request(ORDER, self.asked, path=tmp_path / "3.pem", now=NOW)
        assert len(caught.value.reasons) == 2
        assert not (tmp_path / "3.pem").exists()
        fresh = CertificateRequest(make_key().public_key(), ())
        await authority.enrol_request(ORDER, fresh, path=tmp_path / "4.pem", now=NOW)

    async def test_a_key_that_is_compromised_meanwhile(
        self, ca: CA, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """Reported while the next certificate is being signed: nobody gets that one."""
        path = tmp_path / "1.pem"
        first = (await authority.enrol_request(ORDER, self.asked, path=path, now=NOW)).record

        async def report() -> None:
            async with begin() as connection:
                lost = RevocationReason.KEY_COMPROMISE
                await ledger.revoke(connection, serials=[first.serial], reason=lost, now=NOW)

        for step in (1, 2):
            overtaken = authority_of(ca, doing_after(begin, step, report), tmp_path)
            path = tmp_path / f"{step}-later.pem"
            with pytest.raises(IssuanceRefused, match=f"compromised: certificate {first.serial}"):
                await overtaken.enrol_request(ORDER, self.asked, path=path, now=NOW)
            assert not path.exists()
            assert {one.state for one in await records(begin)} == {CertificateState.REVOKED}

    async def test_a_key_of_somebody_else(
        self, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """Requests that were mixed up would let Anna in as Bruno."""
        await authority.enrol_request(ORDER, self.asked, path=tmp_path / "1.pem", now=NOW)
        bruno = replace(ORDER, user="bruno")
        with pytest.raises(IssuanceRefused, match="is anna's") as caught:
            await authority.enrol_request(bruno, self.asked, path=tmp_path / "2.pem", now=NOW)
        (record,) = await records(begin)
        assert record.serial in str(caught.value)
        assert not (tmp_path / "2.pem").exists()

    async def test_a_key_that_two_hand_in_at_once(
        self, ca: CA, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """One of them is told so and gets nothing, wherever the other comes in between."""
        bruno, refused = replace(ORDER, user="bruno"), list[str]()

        async def hand_in(at: Authority, order: Order) -> None:
            path = tmp_path / f"{order.user}-{step}.pem"
            try:
                await at.enrol_request(order, asked, path=path, now=NOW)
            except IssuanceRefused as error:
                refused.append(str(error))
                assert not path.exists()

        for step, loser in ((1, "anna"), (2, "bruno"), (3, "bruno")):
            asked = CertificateRequest(make_key().public_key(), ())
            between = doing_after(begin, step, lambda: hand_in(authority, bruno))
            await hand_in(authority_of(ca, between, tmp_path), ORDER)
            assert len(refused) == step
            assert refused[-1].endswith(f"{loser} makes a key of their own")
            assert len(await records(begin)) == step

    async def test_a_folder_that_goes(
        self, ca: CA, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """A certificate that could not be handed over is revoked again."""
        folder = tmp_path / "folder"
        folder.mkdir()

        async def remove() -> None:
            shutil.rmtree(folder)

        removed = authority_of(ca, doing_after(begin, 3, remove), tmp_path)
        with pytest.raises(FileRefused, match="cannot be written"):
            await removed.enrol_request(ORDER, self.asked, path=folder / "a.pem", now=NOW)
        assert [record.state for record in await records(begin)] == [CertificateState.REVOKED]


class TestBundles:
    async def enrol(self, authority: Authority, path: Path, **changes: str) -> None:
        """Order a bundle."""
        await authority.enrol_to_file(
            ORDER,
            name=changes.get("name", "Anna Rossi"),
            path=path,
            passphrase=changes.get("passphrase", PASSPHRASE),
            now=NOW,
        )

    async def test_key_certificate_and_chain(
        self, authority: Authority, begin: Begin, tmp_path: Path, ca: CA
    ) -> None:
        """The file is for its owner only, and holds all a browser needs, under the name."""
        path = tmp_path / "anna.p12"
        await self.enrol(authority, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        bundle = pkcs12.load_pkcs12(path.read_bytes(), PASSPHRASE.encode())
        assert bundle.key is not None
        assert bundle.cert is not None
        assert bundle.cert.friendly_name == b"Anna Rossi (stick-1)"
        assert bundle.cert.certificate.public_key() == bundle.key.public_key()
        assert {one.certificate for one in bundle.additional_certs} == set(ca.issuing.chain)
        (record,) = await records(begin)
        assert record.fingerprint == fingerprint(bundle.cert.certificate)

    async def test_a_place_that_is_taken(
        self, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """An existing file stays as it is, and costs no certificate."""
        path = tmp_path / "anna.p12"
        path.write_bytes(b"older")
        with pytest.raises(FileRefused, match="never overwritten"):
            await self.enrol(authority, path)
        assert path.read_bytes() == b"older"
        assert await records(begin) == []

    @pytest.mark.parametrize("changes", [{"passphrase": ""}, {"name": "Anna\0"}])
    async def test_what_no_bundle_may_have(
        self, authority: Authority, begin: Begin, tmp_path: Path, changes: dict[str, str]
    ) -> None:
        """A bad passphrase or name is told before anything is issued."""
        with pytest.raises(BundleRefused):
            await self.enrol(authority, tmp_path / "anna.p12", **changes)
        assert await records(begin) == []
        assert not (tmp_path / "anna.p12").exists()

    async def test_a_refused_order_leaves_no_file(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        """The file that was made first is gone again."""
        path = tmp_path / "anna.p12"
        with pytest.raises(IssuanceRefused):
            await authority.enrol_to_file(
                replace(ORDER, scope=()), name="Anna", path=path, passphrase=PASSPHRASE, now=NOW
            )
        assert not path.exists()

    @pytest.mark.parametrize("told", [True, False])
    async def test_a_stick_that_is_pulled_out(
        self,
        ca: CA,
        authority: Authority,
        begin: Begin,
        tmp_path: Path,
        notes: Notes,
        told: bool,
    ) -> None:
        """A certificate whose bundle could not be written is revoked again at once."""
        stick = tmp_path / "stick"
        stick.mkdir()

        async def pull_out() -> None:
            shutil.rmtree(stick)

        begin_and_pull = doing_after(begin, 2, pull_out)
        pulled = authority_of(ca, begin_and_pull, tmp_path, notes if told else None)
        with pytest.raises(FileRefused, match="cannot be written"):
            await self.enrol(pulled, stick / "anna.p12")
        (record,) = await records(begin)
        assert record.state is CertificateState.REVOKED
        assert record.reason is RevocationReason.CESSATION_OF_OPERATION
        assert notes.told == (["issued anna", "revoked ['anna']"] if told else [])

    async def test_a_task_that_is_cancelled(
        self, ca: CA, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """Stopped half-way, neither a file nor a valid certificate is left."""

        async def cancel() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

        cancelled = authority_of(ca, doing_after(begin, 2, cancel), tmp_path)
        task = asyncio.get_running_loop().create_task(self.enrol(cancelled, tmp_path / "anna.p12"))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [record.state for record in await records(begin)] == [CertificateState.REVOKED]
        assert not (tmp_path / "anna.p12").exists()


class TestResponders:
    async def asked(self, begin: Begin, public_key: PublicKey) -> responders.Request:
        """Ask to be a responder."""
        spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        request = responders.Request("issuing-1", sha256(spki).hexdigest(), spki)
        async with begin() as connection:
            await responders.ask(connection, request, NOW)
        return request

    async def test_who_asks_is_certified_once(
        self, authority: Authority, begin: Begin, notes: Notes, ca: CA
    ) -> None:
        """For OCSP and nothing else, for a week, and the record has every byte."""
        request = await self.asked(begin, KEY.public_key())
        (certificate,) = await authority.certify_responders(NOW)
        assert await authority.certify_responders(NOW) == ()
        certificate.verify_directly_issued_by(ca.issuing.certificate)
        assert certificate.public_key() == KEY.public_key()
        assert certificate.not_valid_after_utc == NOW + timedelta(days=7)
        async with begin() as connection:
            kept = await responders.certificate_of(connection, "issuing-1", request.key)
        assert kept == der(certificate)
        assert [one.partition(" ")[0] for one in notes.told] == ["certified"]

    async def test_a_failure_leaves_no_certificate_unrecorded(
        self, ca: CA, authority: Authority, begin: Begin, tmp_path: Path
    ) -> None:
        """Cut off before the record, nobody has a certificate; the next round makes one."""
        request = await self.asked(begin, KEY.public_key())
        failing = authority_of(ca, failing_at(begin, 3, before=True), tmp_path)
        with pytest.raises(ConnectionError):
            await failing.certify_responders(NOW)
        async with begin() as connection:
            assert await responders.certificate_of(connection, "issuing-1", request.key) is None
        (certificate,) = await authority.certify_responders(NOW)
        async with begin() as connection:
            kept = await responders.certificate_of(connection, "issuing-1", request.key)
        assert kept == der(certificate)

    async def test_what_cannot_be_signed_waits_until_it_can(
        self, authority: Authority, begin: Begin, ca: CA
    ) -> None:
        """Past the end of the issuing CA, as a clock has it that is put right afterwards."""
        await self.asked(begin, KEY.public_key())
        end = ca.issuing.certificate.not_valid_after_utc
        with pytest.raises(CAError):
            await authority.certify_responders(end + HOUR)
        assert len(await authority.certify_responders(NOW)) == 1

    async def test_only_keys_of_our_kinds(self, authority: Authority, begin: Begin) -> None:
        """A key that nobody should rely on, and what is no key, keep nobody else waiting."""
        await self.asked(begin, ec.generate_private_key(ec.SECP192R1()).public_key())
        async with begin() as connection:
            await responders.ask(connection, responders.Request("issuing-1", "0" * 64, b"?"), NOW)
        await self.asked(begin, KEY.public_key())
        (certificate,) = await authority.certify_responders(NOW)
        assert certificate.public_key() == KEY.public_key()
        async with begin() as connection:
            assert await responders.unanswered(connection, "issuing-1") == []
