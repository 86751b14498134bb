"""Judging from the first contact on: into a real store, by lists from a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus

from ca.foreign.paths import PathFault
from ca.trust import RevocationReason
from gateway.core.changes import ChangeKind
from gateway.core.foreign import ForeignState, PersonBy, Presented, Verdict
from gateway.core.people import Fingerprint
from gateway.core.trusts import IdentityMap, PastEnd, Trust
from gateway.store import Store, address_of, create_store, open_store
from gateway.store.feed import rows_after
from gateway.verifier import desk as desk_module
from gateway.verifier.desk import Desk
from gateway.verifier.fetching import Fetcher
from gateway.verifier.keeping import FETCH_SECONDS
from tests.ca.foreign.chains import Extensions, Made, make_authority, make_person, make_root
from tests.ca.foreign.crl_makers import point_at
from tests.gateway.verifier.saying import say, told_by
from tests.gateway.verifier.web import Web, answer, open_web, silent

DAY = timedelta(days=1)
START = datetime.now(UTC).replace(microsecond=0)
LONG: dict[str, Any] = {"begin": START - DAY, "end": START + 300 * DAY}
ROOT = make_root("Corp", **LONG)
ANNA, BERTA = make_person(ROOT, **LONG), make_person(ROOT, **LONG)
LAB = make_root("Lab", **LONG)
LIST = "/corp.crl"


def listed_at(url: str) -> Extensions:
    """Let a certificate say that its list is at *url*."""
    return {x509.CRLDistributionPoints([point_at(url)]): False}


@dataclass(eq=False)
class Scene:
    """A desk, the store that it writes to, and the server where Corp's list is."""

    store: Store
    web: Web
    directory: Path
    shift: timedelta = timedelta()
    numbers: int = 0
    desk: Desk = field(init=False)

    def clock(self) -> datetime:
        """Return this moment, or the one that a test says."""
        return datetime.now(UTC) + self.shift

    def trust(self, **changes: object) -> dict[str, Trust]:
        """Return the trust in Corp."""
        one = Trust("corp", (ROOT.der,), IdentityMap.SAN_EMAIL, (self.web.url(LIST),))
        return {"corp": replace(one, **changes)}  # type: ignore[arg-type]

    def publish(
        self,
        *revoked: Made,
        life: timedelta = DAY,
        hold: bool = False,
        by: Made = ROOT,
        path: str = LIST,
    ) -> datetime:
        """Put a list that revokes *revoked* on the server; return when it ends."""
        self.numbers += 1
        begins = self.clock().replace(microsecond=0)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(by.certificate.subject)
            .last_update(begins)
            .next_update(begins + life)
            .add_extension(x509.CRLNumber(self.numbers), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()),
                critical=False,
            )
        )
        reason = x509.ReasonFlags.certificate_hold if hold else x509.ReasonFlags.key_compromise
        for made in revoked:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(made.certificate.serial_number)
                .revocation_date(begins)
                .add_extension(x509.CRLReason(reason), critical=False)
            )
            builder = builder.add_revoked_certificate(entry.build())
        crl = builder.sign(by.key, hashes.SHA256())
        self.web.answers[path] = answer(crl.public_bytes(Encoding.DER))
        return begins + life

    async def show(self, made: Made) -> None:
        """Present a certificate as an edge does."""
        await self.store.present(fingerprint_of(made), made.der)

    async def row(self, made: Made, fits: Callable[[Verdict], object]) -> Presented:
        """Return the row of a certificate, once its verdict *fits*."""
        async with asyncio.timeout(10):
            while True:
                rows = await self.store.presented(fingerprint=fingerprint_of(made))
                judged = [one for one in rows if one.verdict.state is not ForeignState.WAITING]
                if judged and fits(judged[0].verdict):
                    return judged[0]
                await asyncio.sleep(0.01)

    async def judged(
        self, made: Made, fits: Callable[[Verdict], object] = lambda _: True
    ) -> Verdict:
        """Return the verdict on a certificate, once there is one that *fits*."""
        return (await self.row(made, fits)).verdict

    async def told(self, after: int = 0) -> list[tuple[ChangeKind, str]]:
        """Return what the feed says behind *after*."""
        async with self.store.read() as connection:
            return [(one.kind, one.key) for one in await rows_after(connection, after)]


def fingerprint_of(made: Made) -> Fingerprint:
    """Return the name of a certificate."""
    return Fingerprint(made.certificate.fingerprint(hashes.SHA256()).hex())


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Yield a scene with a list, before anybody judges."""
    url = address_of(tmp_path / "store" / "pusterla.sqlite3")
    await create_store(url)
    async with open_web() as web:
        shift = timedelta()
        scene: Scene | None = None

        def clock() -> datetime:
            return datetime.now(UTC) + (shift if scene is None else scene.shift)

        async with open_store(url, clock) as store:
            scene = Scene(store, web, tmp_path / "foreign")
            scene.publish()
            yield scene


@asynccontextmanager
async def judging(
    scene: Scene, trusts: dict[str, Trust] | None = None, fetcher: Fetcher | None = None
) -> AsyncIterator[Desk]:
    """Let a desk judge by *trusts* until the block ends."""
    desk = Desk(scene.store, scene.directory, fetcher or Fetcher(), scene.clock)
    await desk.believe(scene.trust() if trusts is None else trusts)
    ready = asyncio.Event()
    running = asyncio.ensure_future(desk.run(ready.set))
    try:
        await asyncio.wait(
            [running, asyncio.ensure_future(ready.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        assert not running.done(), running.exception()
        yield desk
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_is_shown_is_judged(scene: Scene) -> None:
    """Whose it is, and until when its list holds; the edge is told."""
    ends = scene.publish()
    async with judging(scene):
        await scene.show(ANNA)
        verdict = await scene.judged(ANNA)
    assert (verdict.state, verdict.trust) == (ForeignState.ACCEPTED, "corp")
    assert (verdict.by, verdict.identity) == (PersonBy.EMAIL, "anna@example.com")
    assert (verdict.revocation, verdict.good_until) == (None, ends)
    assert verdict.not_after == ANNA.certificate.not_valid_after_utc
    assert (ChangeKind.CERTIFICATE, fingerprint_of(ANNA)) in await scene.told()


async def test_what_was_shown_before_is_judged_too(scene: Scene) -> None:
    """The verifier was away: its edge may still wait, or come again."""
    await scene.show(ANNA)
    async with judging(scene):
        await scene.judged(ANNA)


async def test_many_at_once_are_all_judged(scene: Scene) -> None:
    """Each once, and whatever the order."""
    people = [make_person(ROOT, **LONG) for _ in range(30)]
    async with judging(scene):
        await asyncio.gather(*map(scene.show, people))
        for one in people:
            assert (await scene.judged(one)).state is ForeignState.ACCEPTED


async def test_a_new_list_is_told_of_those_that_it_changes(scene: Scene) -> None:
    """Anna is revoked; that Berta is good for longer is told once, for the trust."""
    async with judging(scene, scene.trust()) as desk:
        for one in (ANNA, BERTA):
            await scene.show(one)
            await scene.judged(one)
        scene.publish(ANNA, hold=True)
        await desk.believe(scene.trust())
        await scene.judged(ANNA, lambda verdict: verdict.revocation)
        scene.publish()
        await desk.believe(scene.trust())
        await scene.judged(ANNA, lambda verdict: verdict.revocation is None)
        before = len(await scene.told())
        ends = scene.publish(ANNA, life=2 * DAY)
        await desk.believe(scene.trust())
        anna = await scene.judged(ANNA, lambda verdict: verdict.revocation)
        berta = await scene.judged(BERTA, lambda verdict: verdict.good_until == ends)
        assert anna.revocation is not None
        assert anna.revocation.reason is RevocationReason.KEY_COMPROMISE
        assert berta.revocation is None
        told = await scene.told(before)
        assert (ChangeKind.CERTIFICATE, fingerprint_of(ANNA)) in told
        assert (ChangeKind.CERTIFICATE, fingerprint_of(BERTA)) not in told
        assert told.count((ChangeKind.TRUST, "corp")) == 1


async def test_without_a_list_nobody_can_say(scene: Scene) -> None:
    """The verdict does not wait for ever, says why, and is another as soon as there is a list."""
    good = scene.web.answers.pop(LIST)
    async with judging(scene) as desk:
        await scene.show(ANNA)
        verdict = await scene.judged(ANNA)
        assert (verdict.state, verdict.good_until) == (ForeignState.ACCEPTED, None)
        assert scene.web.url(LIST) in verdict.words
        scene.web.answers[LIST] = good
        await desk.believe(scene.trust())
        await scene.judged(ANNA, lambda verdict: verdict.good_until)


async def test_the_responder_is_asked_at_the_first_contact(scene: Scene) -> None:
    """Though the list that is held has nothing against it."""
    card = make_person(ROOT, more=told_by(scene.web.url("/ocsp")), **LONG)
    said = say(ROOT, card.certificate, OCSPCertStatus.REVOKED, scene.clock().replace(microsecond=0))
    scene.web.answers["/ocsp"] = answer(said)
    async with judging(scene, scene.trust(ocsp=True)):
        await scene.show(ANNA)
        await scene.judged(ANNA)
        await scene.show(card)
        assert (await scene.judged(card)).revocation is not None


async def test_a_reload_asks_responders_again(scene: Scene) -> None:
    """Long before it would be time: whoever asks for one wants the newest."""
    card = make_person(ROOT, more=told_by(scene.web.url("/ocsp")), **LONG)
    now = scene.clock().replace(microsecond=0)
    said = say(ROOT, card.certificate, OCSPCertStatus.GOOD, now - timedelta(minutes=1))
    scene.web.answers["/ocsp"] = answer(said)
    async with judging(scene, scene.trust(ocsp=True)) as desk:
        await scene.show(card)
        assert (await scene.judged(card)).revocation is None
        said = say(ROOT, card.certificate, OCSPCertStatus.REVOKED, now)
        scene.web.answers["/ocsp"] = answer(said)
        await desk.believe(scene.trust(ocsp=True))
        await scene.judged(card, lambda verdict: verdict.revocation)


async def test_the_path_is_looked_at(scene: Scene) -> None:
    """What is above a certificate must be in the trust: a CA that is sent along is not asked."""
    below = make_authority(ROOT, "Below", **LONG)
    card = make_person(below, **LONG)
    async with judging(scene):
        await scene.show(card)
        verdict = await scene.judged(card)
    assert (verdict.state, verdict.fault) == (ForeignState.REFUSED, PathFault.UNKNOWN_ISSUER)
    assert "Below" in verdict.words


async def test_a_server_that_hangs_makes_only_its_own_people_wait(scene: Scene) -> None:
    """However many of them come before: those of another CA are judged meanwhile."""
    lab = make_root("Lab", **LONG)
    people = [make_person(lab, **LONG) for _ in range(20)]
    scene.web.answers["/lab.crl"] = silent()
    slow = replace(
        scene.trust()["corp"],
        name="lab",
        certificates=(lab.der,),
        crl_urls=(scene.web.url("/lab.crl"),),
    )
    async with judging(scene, {"lab": slow, **scene.trust()}):
        for one in people:
            await scene.show(one)
        await scene.show(ANNA)
        await scene.judged(ANNA)


async def test_a_list_that_hangs_holds_up_nobody_whom_another_covers(scene: Scene) -> None:
    """Of one trust: at the first contact, and when a list is new."""
    hanging = scene.web.url("/hangs.crl")
    scene.web.answers["/hangs.crl"] = silent()
    trusts = scene.trust(crl_urls=(hanging, scene.web.url(LIST)))
    ends = scene.publish()
    async with judging(scene, trusts) as desk, asyncio.timeout(FETCH_SECONDS - 1):
        await scene.show(ANNA)
        assert (await scene.judged(ANNA)).good_until == ends
        scene.publish(ANNA)
        await desk.believe(trusts)
        await scene.judged(ANNA, lambda verdict: verdict.revocation)
        # Nor is what has come the last of it, as long as the other hangs.
        scene.publish(ANNA, life=2 * DAY)
        await desk.believe(trusts)
        await scene.judged(ANNA, lambda verdict: verdict.good_until != ends)
        assert [one.target for one in scene.web.asked].count("/hangs.crl") == 1


async def test_a_list_that_hangs_holds_up_no_responder(scene: Scene) -> None:
    """Whose word is enough; and of one that hangs, nobody waits whom another tells."""
    card = make_person(ROOT, more=told_by(scene.web.url("/ocsp")), **LONG)
    other = make_person(ROOT, more=told_by(scene.web.url("/hangs")), **LONG)
    said = say(ROOT, card.certificate, OCSPCertStatus.GOOD, scene.clock().replace(microsecond=0))
    scene.web.answers |= {"/ocsp": answer(said), "/hangs": silent(), LIST: silent()}
    async with judging(scene, scene.trust(ocsp=True)), asyncio.timeout(FETCH_SECONDS - 1):
        await scene.show(other)
        await scene.show(card)
        assert (await scene.judged(card)).good_until


async def test_those_who_wait_for_a_server_keep_nobody_from_being_judged(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though they are more than are judged at once."""
    monkeypatch.setattr(desk_module, "JUDGES", 1)
    lab = make_root("Lab", **LONG)
    scene.web.answers["/lab.crl"] = silent()
    urls = (scene.web.url("/lab.crl"),)
    slow = replace(scene.trust()["corp"], name="lab", certificates=(lab.der,), crl_urls=urls)
    async with (
        judging(scene, {"lab": slow, **scene.trust()}),
        asyncio.timeout(FETCH_SECONDS - 1),
    ):
        for _ in range(3):
            await scene.show(make_person(lab, **LONG))
        await scene.show(ANNA)
        assert (await scene.judged(ANNA)).good_until


async def test_a_folder_that_nobody_can_work_in_ends_nothing(scene: Scene) -> None:
    """The trust that it is of goes by what it knows; others are judged as ever."""
    lab = make_root("Lab", **LONG)
    other = replace(scene.trust()["corp"], name="lab", certificates=(lab.der,))
    async with judging(scene, {"lab": other, **scene.trust()}):
        lists = scene.directory / "lab" / "lists"
        rmtree(lists)
        lists.write_bytes(b"")
        await scene.show(make_person(lab, **LONG))
        await scene.show(ANNA)
        assert (await scene.judged(ANNA)).state is ForeignState.ACCEPTED
        # Long enough for both who work there to fall.
        await asyncio.sleep(1)


async def test_what_took_too_long_is_looked_at_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine refuses nobody for good."""
    monkeypatch.setattr(desk_module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(desk_module, "PATH_SECONDS", 0.0)
    async with judging(scene):
        await scene.show(ANNA)
        assert (await scene.judged(ANNA)).fault == "too-costly"
        # However often: no trust was taken from whoever had none.
        await asyncio.sleep(0.3)
        assert (await scene.judged(ANNA)).fault == "too-costly"
        monkeypatch.setattr(desk_module, "PATH_SECONDS", 2.0)
        await scene.judged(ANNA, lambda verdict: verdict.state is ForeignState.ACCEPTED)


async def test_what_was_judged_is_not_undone_by_a_machine_without_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither good nor revoked; and what is revoked meanwhile is."""
    async with judging(scene):
        await scene.show(ANNA)
        await scene.show(BERTA)
        berta = await scene.judged(BERTA)
        await scene.judged(ANNA)
    monkeypatch.setattr(desk_module, "LOOK_SECONDS", 0.05)
    scene.publish(ANNA)
    async with judging(scene) as desk:
        await scene.judged(ANNA, lambda verdict: verdict.revocation)
        async with asyncio.timeout(5):
            while len(desk._found) < 2:  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)
        monkeypatch.setattr(desk_module, "PATH_SECONDS", 0.0)
        other = replace(scene.trust()["corp"], name="lab", certificates=(LAB.der,))
        await desk.believe({"lab": other, **scene.trust()})
        stranger = make_person(LAB, **LONG)
        await scene.show(stranger)
        assert (await scene.judged(stranger)).fault == "too-costly"
        await asyncio.sleep(0.3)
        assert (await scene.judged(ANNA)).revocation is not None
        assert (await scene.judged(BERTA)).identity == berta.identity
        scene.publish(ANNA, BERTA)
        await desk.believe({"lab": other, **scene.trust()})
        await scene.judged(BERTA, lambda verdict: verdict.revocation)
        await desk.believe({"lab": other})
        assert (await scene.judged(ANNA, lambda verdict: verdict.fault)).fault == "no-trust"


class Faulty(dict[str, str]):
    """People of a trust whom nobody can look up, but for those in it."""

    def get(self, key: str, default: Any = None) -> Any:
        """Fail where there is nobody, and not as an `Exception`: as a library's panic does."""
        if key not in self:
            raise BaseException("this certificate breaks whatever looks at it")  # noqa: TRY002 - see above
        return super().get(key, default)


async def test_one_that_breaks_the_judging_is_refused(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a reason, and one trace in the log; it ends no process, now or after a restart."""
    monkeypatch.setattr(desk_module, "LOOK_SECONDS", 0.05)
    people = Faulty({format(BERTA.certificate.serial_number, "x"): "berta"})
    trusts = scene.trust(identity=IdentityMap.SERIAL, people=people)
    async with judging(scene):
        await scene.show(ANNA)
        await scene.judged(ANNA)
    with caplog.at_level("ERROR"):
        async with judging(scene, trusts) as desk:
            assert (await scene.judged(ANNA, lambda one: one.fault)).fault == "not-judged"
            stranger = make_person(ROOT, **LONG)
            await scene.show(stranger)
            verdict = await scene.judged(stranger)
            assert (verdict.state, verdict.fault) == (ForeignState.REFUSED, "not-judged")
            assert "log" in verdict.words
            await scene.show(BERTA)
            assert (await scene.judged(BERTA)).identity == "berta"
            await asyncio.sleep(0.2)
            assert await desk.believe(scene.trust()) == ["trust corp changed"]
            await scene.judged(ANNA, lambda one: one.state is ForeignState.ACCEPTED)
    errors = [one for one in caplog.records if one.levelname == "ERROR"]
    assert [one.exc_info is not None for one in errors] == [True, True]


class Moody(Trust):
    """A trust that at times breaks whoever asks for how long something counts."""

    broken: ClassVar[bool] = False

    def good_until(self, end: datetime) -> datetime:
        """Answer, or fail as a library's panic does."""
        if self.broken:
            raise BaseException("this breaks whatever is to be judged by it")  # noqa: TRY002 - see above
        return super().good_until(end)


async def test_what_breaks_again_is_told_again(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for as long as it lasts; again after a reload, or where it was good meanwhile."""
    urls = (scene.web.url(LIST),)
    trusts: dict[str, Trust] = {"corp": Moody("corp", (ROOT.der,), IdentityMap.SAN_EMAIL, urls)}

    def told() -> int:
        return sum("could not be judged, and is refused" in one.message for one in caplog.records)

    async def look(desk: Desk, *, broken: bool) -> None:
        monkeypatch.setattr(Moody, "broken", broken)
        desk._known["corp"].wake()
        await scene.judged(ANNA, lambda one: (one.fault == "not-judged") is broken)

    async with judging(scene, trusts) as desk:
        await scene.show(ANNA)
        await scene.judged(ANNA)
        await look(desk, broken=True)
        desk._known["corp"].wake()
        await asyncio.sleep(0.5)
        assert told() == 1
        await look(desk, broken=False)
        await look(desk, broken=True)
        assert told() == 2
        await desk.believe(trusts)
        async with asyncio.timeout(5):
            while told() < 3:  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)


class Breaking(Fetcher):
    """One that fails at what is at a URL, as a library does that panics at an answer."""

    def __init__(self, url: str) -> None:
        """Fail at *url*."""
        super().__init__()
        self._breaks_at = url

    def believing(self, authorities: Iterable[bytes]) -> Fetcher:
        """Return itself."""
        return self

    async def download(self, url: str, *args: Any, **options: Any) -> Any:
        """Fetch a list, unless it is that one."""
        return await super().download(self._unbroken(url), *args, **options)

    async def fetch(self, url: str, *args: Any, **options: Any) -> Any:
        """Ask a responder, unless it is that one."""
        return await super().fetch(self._unbroken(url), *args, **options)

    def _unbroken(self, url: str) -> str:
        if url == self._breaks_at:
            raise BaseException("this answer breaks whatever reads it")  # noqa: TRY002 - no `Exception`
        return url


async def test_a_responder_whose_answer_breaks_what_reads_it_is_a_silent_one(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """The list counts; it is asked again as seldom as one that fails, and others as ever."""
    broken = make_person(ROOT, more=told_by(scene.web.url("/broken")), **LONG)
    whole = make_person(ROOT, more=told_by(scene.web.url("/ocsp")), **LONG)
    said = say(ROOT, whole.certificate, OCSPCertStatus.GOOD, scene.clock().replace(microsecond=0))
    scene.web.answers["/ocsp"] = answer(said)
    fetcher = Breaking(scene.web.url("/broken"))
    async with judging(scene, scene.trust(ocsp=True), fetcher):
        await scene.show(broken)
        verdict = await scene.judged(broken)
        assert (verdict.state, verdict.good_until is None) == (ForeignState.ACCEPTED, False)
        assert "asking there has failed" in verdict.words
        await scene.show(whole)
        assert (await scene.judged(whole)).good_until
        await asyncio.sleep(1)
    told = [one for one in caplog.records if one.levelname == "ERROR"]
    assert [(one.exc_info is not None, "/broken" in one.getMessage()) for one in told] == [
        (True, True)
    ]


async def test_a_list_that_breaks_what_fetches_it_ends_nothing(scene: Scene) -> None:
    """Its people are judged by what is known of them, and those of others as ever."""
    urls = (scene.web.url("/broken.crl"),)
    lab = replace(scene.trust()["corp"], name="lab", certificates=(LAB.der,), crl_urls=urls)
    card = make_person(LAB, **LONG)
    async with judging(scene, {"lab": lab, **scene.trust()}, Breaking(urls[0])):
        await scene.show(card)
        await scene.show(ANNA)
        assert (await scene.judged(ANNA)).good_until
        assert (await scene.judged(card)).good_until is None
        # Long enough for it to be tried again.
        await asyncio.sleep(1)


async def test_a_change_of_one_trust_lets_nobody_else_be_forgotten(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists of another revoke meanwhile, though everybody is to be looked at anew."""
    lab = replace(scene.trust()["corp"], name="lab", certificates=(LAB.der,))
    async with judging(scene, {"lab": lab, **scene.trust()}) as desk:
        for one in (ANNA, make_person(LAB, **LONG)):
            await scene.show(one)
            await scene.judged(one)
        assert len(desk._found) == 2
        monkeypatch.setattr(desk_module, "PATH_SECONDS", 0.0)
        scene.publish(ANNA)
        changed = replace(lab, identity=IdentityMap.SUBJECT_CN)
        await desk.believe({"lab": changed, **scene.trust()})
        # Of the one that has changed, nothing counts that was found by what it was.
        assert {*desk._found} == {fingerprint_of(ANNA)}
        await scene.judged(ANNA, lambda verdict: verdict.revocation)


async def test_what_is_refused_is_not_remembered(scene: Scene) -> None:
    """Strangers without end fill no memory."""
    stranger = make_person(make_root("Other", **LONG), **LONG)
    async with judging(scene) as desk:
        for one in (stranger, ANNA):
            await scene.show(one)
            await scene.judged(one)
        async with asyncio.timeout(5):
            while not desk._written:  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)
        assert {*desk._written} == {fingerprint_of(ANNA)}
    async with judging(scene) as desk:
        async with asyncio.timeout(5):
            while not desk._written:  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)
        assert {*desk._written} == {fingerprint_of(ANNA)}


async def test_what_was_taken_out_and_is_shown_again_is_judged_again(scene: Scene) -> None:
    """With the very same verdict: what was refused long ago is refused again, and waits not."""
    stranger = make_person(make_root("Other", **LONG), **LONG)
    async with judging(scene):
        await scene.show(stranger)
        first = await scene.judged(stranger)
        assert await scene.store.forget_presented(scene.clock() + DAY) == 1
        await scene.show(stranger)
        assert await scene.judged(stranger) == first


async def test_a_trust_that_goes_takes_its_certificates_with_it(scene: Scene) -> None:
    """And gives them back when it comes again; its lists are noted only while it is there."""
    async with judging(scene) as desk:
        await scene.show(ANNA)
        await scene.judged(ANNA)
        async with asyncio.timeout(10):
            while not await scene.store.foreign_lists():  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)
        assert await desk.believe({}) == ["trust corp removed"]
        assert (await scene.judged(ANNA, lambda verdict: verdict.fault)).fault == "no-trust"
        async with asyncio.timeout(10):
            while await scene.store.foreign_lists():  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)
        # A CA that was set up anew counts its lists from the beginning.
        assert [*scene.directory.iterdir()] == []
        assert await desk.believe(scene.trust()) == ["trust corp added"]
        await scene.judged(ANNA, lambda verdict: verdict.state is ForeignState.ACCEPTED)


async def test_a_trust_that_reads_names_otherwise_judges_anew(scene: Scene) -> None:
    """Whoever was known by an address is known by a name from then on."""
    async with judging(scene) as desk:
        await scene.show(ANNA)
        await scene.judged(ANNA)
        changed = scene.trust(identity=IdentityMap.SUBJECT_CN)
        assert await desk.believe(changed) == ["trust corp changed"]
        verdict = await scene.judged(ANNA, lambda verdict: verdict.by is PersonBy.USER)
        assert verdict.identity == "Anna"
        assert await desk.believe(changed) == []


async def test_a_restart_knows_what_was_known(scene: Scene) -> None:
    """Without the server, from what is on disk: those that were judged, and new ones."""
    async with judging(scene):
        await scene.show(ANNA)
        first = await scene.judged(ANNA)
    scene.web.answers.clear()
    before = len(await scene.told())
    async with judging(scene):
        await scene.show(BERTA)
        assert (await scene.judged(BERTA)).good_until == first.good_until
        assert await scene.judged(ANNA) == first
    # Nobody is told of what is as it was.
    assert (ChangeKind.CERTIFICATE, fingerprint_of(ANNA)) not in await scene.told(before)


async def test_past_its_end_a_list_goes_on_for_the_grace(scene: Scene) -> None:
    """The grace is in the end that the edge is told, so no edge knows of settings."""
    ends = scene.publish(life=timedelta(hours=1))
    grace = scene.trust(past_end=PastEnd.GO_ON, grace=timedelta(hours=12))
    async with judging(scene, grace):
        await scene.show(ANNA)
        assert (await scene.judged(ANNA)).good_until == ends + timedelta(hours=12)


async def test_a_path_that_ends_is_looked_at_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA ends before the person's certificate: until then, and not a moment longer."""
    monkeypatch.setattr(desk_module, "LOOK_SECONDS", 0.05)
    short = START + 10 * DAY
    issuing = make_authority(ROOT, "Issuing", begin=START - DAY, end=short)
    card = make_person(issuing, **LONG)
    trusts = scene.trust(certificates=(issuing.der, ROOT.der), past_end=PastEnd.GO_ON)
    async with judging(scene, trusts):
        await scene.show(card)
        assert (await scene.judged(card)).state is ForeignState.ACCEPTED
        scene.shift = 11 * DAY
        verdict = await scene.judged(card, lambda verdict: verdict.fault)
    assert verdict.fault == PathFault.AUTHORITY_DATES


async def test_one_that_is_not_valid_yet_is_looked_at_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as it is."""
    monkeypatch.setattr(desk_module, "LOOK_SECONDS", 0.05)
    card = make_person(ROOT, begin=START + DAY, end=START + 300 * DAY)
    async with judging(scene):
        await scene.show(card)
        assert (await scene.judged(card)).fault == PathFault.NOT_YET_VALID
        scene.shift = 2 * DAY
        await scene.judged(card, lambda verdict: verdict.state is ForeignState.ACCEPTED)


async def test_one_whose_ca_begins_tomorrow_is_looked_at_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as it does, and without a reload; where its list is, is learnt then."""
    monkeypatch.setattr(desk_module, "LOOK_SECONDS", 0.05)
    issuing = make_authority(ROOT, "Next", begin=START + DAY, end=START + 300 * DAY)
    card = make_person(issuing, more=listed_at(scene.web.url("/next.crl")), **LONG)
    scene.shift = 2 * DAY
    scene.publish(by=issuing, path="/next.crl", life=9 * DAY)
    scene.shift = timedelta()
    async with judging(scene, scene.trust(certificates=(issuing.der, ROOT.der), crl_urls=())):
        await scene.show(card)
        assert (await scene.judged(card)).fault == PathFault.AUTHORITY_DATES
        scene.shift = 3 * DAY
        await scene.judged(card, lambda verdict: verdict.good_until)


async def test_a_ca_above_that_is_revoked_takes_its_people_with_it(scene: Scene) -> None:
    """At the next list of the CA over it: on hold, back again, and for good."""
    issuing = make_authority(ROOT, "Issuing", more=listed_at(scene.web.url(LIST)), **LONG)
    card = make_person(issuing, more=listed_at(scene.web.url("/issuing.crl")), **LONG)
    ends = scene.publish(by=issuing, path="/issuing.crl", life=2 * DAY)
    above = scene.publish()
    trusts = scene.trust(certificates=(issuing.der, ROOT.der), crl_urls=())
    async with judging(scene, trusts) as desk:
        await scene.show(card)
        verdict = await scene.judged(card)
        # Known for no longer than each of them.
        assert (verdict.revocation, verdict.good_until) == (None, min(ends, above))
        scene.publish(issuing, hold=True)
        await desk.believe(trusts)
        verdict = await scene.judged(card, lambda verdict: verdict.revocation)
        assert verdict.revocation is not None
        assert verdict.revocation.reason is RevocationReason.CERTIFICATE_HOLD
        scene.publish()
        await desk.believe(trusts)
        await scene.judged(card, lambda verdict: verdict.revocation is None)
        scene.publish(issuing)
        await desk.believe(trusts)
        verdict = await scene.judged(card, lambda verdict: verdict.revocation)
        assert verdict.revocation is not None
        assert verdict.revocation.reason is RevocationReason.CA_COMPROMISE
        assert "Issuing,O=Example' above it: the CA has revoked it: keyCompromise" in verdict.words
