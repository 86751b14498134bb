"""A whole portal on a real store, spoken to as the edge speaks to it."""

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from html import unescape
from pathlib import Path

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application as AiohttpApplication
from aiohttp.web import Request
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from ca import ledger
from ca.authority import Authority
from ca.issue import der as der_of
from ca.issuers import known_issuers
from ca.keys import SignerLock
from ca.publishing import Publication
from ca.trust import RevocationReason
from gateway.bootstrap.renewal_files import RenewalFiles
from gateway.config import Configuration
from gateway.core.agreements import AgreementDocument
from gateway.core.audit import AuditKind, AuditLine
from gateway.core.cookies import COOKIE_NAME, read_cookie
from gateway.core.credentials import totp_code
from gateway.core.headers import (
    EDGE_ADDRESS,
    EDGE_FINGERPRINT,
    EDGE_LISTENER,
    EDGE_SESSION,
    Listener,
)
from gateway.core.people import Fingerprint
from gateway.core.recovery import CODE_BYTES, CODES, code_digests, new_codes
from gateway.core.request_ids import REQUEST_ID
from gateway.core.sealing import seal
from gateway.core.sessions import SessionId
from gateway.core.site import Application, Limits, Lists, Site, parse_upstream
from gateway.core.tickets import TICKET_BYTES, Ticket, new_ticket, plain_ticket, ticket_digest
from gateway.mail.letters import Letter
from gateway.portal.app import Services, make_app
from gateway.portal.responders import Responders
from gateway.store import NewPerson, Store, create_store, open_store
from policies.model import AppPolicy, Effect, Rule
from tests.ca.makers import CA, CLIENT_PROFILE, make_ca

NOW = datetime(2026, 11, 21, 9, 0, 10, tzinfo=UTC)
ISSUER = "issuing-1"
PASSWORD = "correct horse battery staple"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ADDRESS = "192.0.2.7"
SITE_KEY, COOKIE_KEY = b"s" * 32, b"c" * 32

NUMBER = "bvqflyq-k3v7qh2-1f"
SITE = Site(
    host="pusterla.localhost",
    port=8443,
    http_port=8080,
    name="Pusterla",
    contact="help@example.it",
    listen="127.0.0.1",
    workers=1,
    store_url=None,
    session_lifetime=timedelta(hours=12),
    crl=Lists(),
    feed_grace=timedelta(seconds=5),
    limits=Limits(),
)
PORTAL_ORIGIN = "https://pusterla.localhost:8443"
WIKI_ORIGIN = "https://wiki.pusterla.localhost:8443"


@cache
def password_hash() -> str:
    """Hash the password as little as argon2id can, so that a hundred sign-ins take no minute."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@cache
def house_ca() -> CA:
    """Return root and issuing CA."""
    return make_ca(NOW - timedelta(days=1))


@cache
def assertion_key() -> ec.EllipticCurvePublicKey:
    """Return the public half of a key of assertions."""
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def application(name: str, title: str, group: str, description: str = "") -> Application:
    """Return an application that opens to *group*."""
    rule = Rule(group, Effect.ALLOW, users=None, groups=frozenset({group}))
    return Application(
        name=name,
        host=f"{name}.{SITE.host}",
        upstreams=(parse_upstream("http://127.0.0.1:9000"),),
        policy=AppPolicy(app=name, rules=(rule,)),
        title=title,
        description=description,
    )


APPLICATIONS = {
    app.name: app
    for app in (
        application("wiki", "Wiki", "technicians", "How everything works, and who to call."),
        application("crm", "Customers & contracts", "technicians"),
        application("payroll", "Payroll", "office"),
    )
}


@dataclass
class Clock:
    """The time of a test: it stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """Say what time it is."""
        return self.now

    def advance(self, **span: float) -> None:
        """Let *span* (as of `timedelta`) pass."""
        self.now += timedelta(**span)


@dataclass
class House:
    """A portal, its store and clock, and somebody (anna, with stick-1) who may come in."""

    folder: Path
    store: Store
    clock: Clock
    applications: dict[str, Application] = field(default_factory=lambda: dict(APPLICATIONS))
    agreements: dict[str, AgreementDocument] = field(default_factory=dict)
    site: Site = SITE
    sticks: dict[str, Fingerprint] = field(default_factory=dict)
    client: "TestClient[Request, AiohttpApplication] | None" = None
    responders: Responders = field(init=False)
    letters: list[Letter] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Nobody may answer OCSP yet; see `certify`."""
        self.responders = Responders(self.store, self.clock)

    def services(self) -> Services:
        """Return what the portal stands on."""
        return Services(
            configuration=lambda: Configuration(self.site, self.applications, self.agreements),
            store=self.store,
            site_key=SITE_KEY,
            cookie_key=COOKIE_KEY,
            assertion_key=assertion_key(),
            responders=self.responders,
            clock=self.clock,
            post=self.letters.append,
            kit_files=RenewalFiles(SITE_KEY),
        )

    @asynccontextmanager
    async def another_portal(self) -> AsyncIterator["House"]:
        """Serve one more portal on the same store, as a second machine would."""
        house = House(
            self.folder,
            self.store,
            self.clock,
            self.applications,
            self.agreements,
            self.site,
            self.sticks,
        )
        async with TestClient(TestServer(make_app(house.services()))) as client:
            house.client = client
            yield house

    # ------------------------------------------------------------ people

    async def add_person(self, user: str, name: str, *groups: str) -> None:
        """Add somebody with the password and the TOTP secret of everybody."""
        await self.store.add_person(
            NewPerson(
                user=user,
                name=name,
                email=f"{user}@example.it",
                groups=frozenset(groups),
                password_hash=password_hash(),
                sealed_totp=seal(SITE_KEY, user, SECRET, b"n" * 12),
            )
        )

    async def hand_ticket(self, user: str = "anna", *, days: float = 7) -> str:
        """Give somebody a ticket, and return it as they read it."""
        entropy = sha256(f"{user} {self.clock()} {days}".encode()).digest()[:TICKET_BYTES]
        ticket = new_ticket(entropy)
        digest = ticket_digest(SITE_KEY, user, plain_ticket(ticket) or "")
        ends_at = self.clock() + timedelta(days=days)
        await self.store.make_ticket(user, Ticket(digest, ends_at))
        return ticket

    async def add_newcomer(self, user: str = "nina", name: str = "Nina Bianchi") -> None:
        """Add somebody with a certificate (on stick-nina) and nothing to sign in with."""
        await self.store.add_person(
            NewPerson(user, name, f"{user}@example.it", frozenset({"technicians"}))
        )
        await self.add_stick(user, f"stick-{user}")

    async def make_recovery_codes(self, user: str = "anna") -> tuple[str, ...]:
        """Give somebody their sheet of paper."""
        codes = new_codes(bytes(range(CODES * CODE_BYTES)))
        await self.store.set_recovery_codes(user, code_digests(SITE_KEY, user, codes))
        return codes

    async def add_stick(
        self,
        user: str,
        device: str,
        *,
        scope: frozenset[str] | None = None,
        days: float = 365,
        starts: timedelta = timedelta(hours=-1),
    ) -> Fingerprint:
        """Write a certificate of *user* into the ledger; its bytes are nobody's concern here."""
        der = f"{user} {device}".encode()
        fingerprint = Fingerprint(sha256(der).hexdigest())
        serial = fingerprint[:32]
        async with self.store.begin() as connection:
            if not await known_issuers(connection):
                issuer = der_of(house_ca().issuing.certificate)
                await ledger.record_issuer(connection, name=ISSUER, der=issuer)
            await ledger.reserve_serial(
                connection,
                issuer=ISSUER,
                serial=serial,
                username=user,
                device=device,
                scope=scope,
                not_before=NOW + starts,
                not_after=NOW + timedelta(days=days),
                now=NOW,
            )
            await ledger.record_certificate(
                connection, issuer=ISSUER, serial=serial, fingerprint=fingerprint, der=der, now=NOW
            )
        self.sticks[device] = fingerprint
        return fingerprint

    async def revoke(self, user: str, device: str) -> None:
        """Revoke a certificate."""
        await self.store.revoke_certificates(
            user=user, device=device, reason=RevocationReason.KEY_COMPROMISE, by="test"
        )

    def code(self, **off: float) -> str:
        """Return the code of this moment, or of one that is *off* from it."""
        return totp_code(SECRET, self.clock() + timedelta(**off))

    def break_store(self) -> None:
        """Overwrite the store's files, under everybody's feet."""
        for file in self.folder.glob("pusterla.sqlite3*"):
            file.write_bytes(b"this is no database" * 1000)

    # ------------------------------------------------------------ requests

    async def ask(
        self,
        method: str,
        path: str,
        *,
        listener: Listener = Listener.PORTAL,
        stick: str | None = "stick-1",
        session: SessionId | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> ClientResponse:
        """Ask the portal as the edge would, for a browser with *stick* and *session*."""
        edge = {
            "Host": f"{self.site.host}:{self.site.port}",
            "Accept": "text/html,*/*;q=0.8",
            EDGE_LISTENER: listener.value,
            EDGE_ADDRESS: ADDRESS,
            REQUEST_ID: NUMBER,
        }
        if stick is not None and listener is Listener.PORTAL:
            edge[EDGE_FINGERPRINT] = self.sticks[stick]
        if session is not None:
            edge[EDGE_SESSION] = session
        assert self.client is not None
        # The path goes out as it is written here, with nothing tidied up.
        address = URL(str(self.client.make_url("/")) + path.removeprefix("/"), encoded=True)
        response = await self.client.session.request(
            method,
            address,
            data=form or body,
            headers={**edge, **(headers or {})},
            allow_redirects=False,
        )
        await response.read()
        return response

    async def get(
        self, path: str, session: SessionId | None = None, **headers: str
    ) -> ClientResponse:
        """Ask for a page of the portal; *headers* have underscores for hyphens."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("GET", path, session=session, headers=fields)

    async def sign_in(
        self,
        *,
        user: str = "anna",
        password: str = PASSWORD,
        code: str | None = None,
        to: str = "",
        stick: str = "stick-1",
        headers: Mapping[str, str] | None = None,
    ) -> ClientResponse:
        """Send the sign-in form."""
        form = {"user": user, "password": password, "code": code or self.code(), "to": to}
        fields = {"Sec-Fetch-Site": "same-origin", **(headers or {})}
        return await self.ask("POST", "/sign-in", stick=stick, form=form, headers=fields)

    async def signed_in(self, stick: str = "stick-1", user: str = "anna") -> SessionId:
        """Sign in with the next code that nobody has used, and return the session."""
        self.clock.advance(seconds=30)
        response = await self.sign_in(stick=stick, user=user)
        session = session_of(response)
        assert session is not None
        return session

    # ------------------------------------------------------------ what came of it

    async def failures(self) -> list[str]:
        """Return the reasons of the failed sign-ins in the audit log."""
        return [line.event.reason for line in await self.audit(AuditKind.SIGN_IN_FAILED)]

    async def audit(self, kind: AuditKind) -> list[AuditLine]:
        """Return the audit lines of *kind*."""
        return [line for line in await self.store.audit_tail(1000) if line.event.kind is kind]


async def certify(house: House, *, look: bool = True) -> None:
    """Let the authority certify who asks to answer OCSP; with *look*, the portal sees to both."""
    authority = Authority(
        begin=house.store.begin,
        issuer=house_ca().issuing,
        profile=CLIENT_PROFILE,
        host=house.site.host,
        lock=SignerLock(house.folder / "lock"),
        entropy=secrets.token_bytes,
        publication=Publication("http://public.pusterla.localhost:8080/crl/"),
        witness=house.store.witness("test"),
    )
    if look:
        await house.responders.look()
    await authority.certify_responders(house.clock())
    if look:
        await house.responders.look()


def session_of(response: ClientResponse) -> SessionId | None:
    """Return the session that *response* gives the browser of the portal's host."""
    for field_value in response.headers.getall("Set-Cookie", []):
        value = field_value.partition(";")[0].removeprefix(f"{COOKIE_NAME}=")
        if value:
            return read_cookie(COOKIE_KEY, value, SITE.host)
    return None


async def text_of(response: ClientResponse) -> str:
    """Return what a person reads: the page without its tags."""
    html = await response.text()
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@asynccontextmanager
async def open_house(folder: Path, site: Site = SITE) -> AsyncIterator[House]:
    """Open a portal on a new store in *folder*, with anna and her stick."""
    address = f"sqlite+aiosqlite:///{folder / 'pusterla.sqlite3'}"
    clock = Clock()
    await create_store(address)
    async with open_store(address, clock) as store:
        house = House(folder, store, clock, site=site)
        await house.add_person("anna", "Anna Rossi", "technicians")
        await house.add_stick("anna", "stick-1")
        async with TestClient(TestServer(make_app(house.services()))) as client:
            house.client = client
            yield house
