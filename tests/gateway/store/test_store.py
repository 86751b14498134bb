"""The store as a whole, against a model of what it must answer."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from ca.ledger import CertificateRecord
from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.people import Fingerprint
from gateway.core.ports import EdgeStore
from gateway.core.sessions import Session
from gateway.store import (
    Credentials,
    NoSuchPerson,
    PersonExists,
    SignInOvertaken,
    Store,
    open_store,
)
from tests.gateway.store.conftest import sqlite_store
from tests.gateway.store.scenes import TODAY, Clock, issue, new_person, session_of

T = TypeVar("T")
USERS = st.sampled_from(["anna", "bruno"])
CHANGES = st.sampled_from(["disable", "enable", "password", "totp", "remove"])


def test_the_edge_can_stand_on_it(store: Store) -> None:
    """It keeps the promises that the edge relies on, as far as types say them."""
    port: EdgeStore = store
    assert port is store


@dataclass
class Account:
    """What the model knows of a person: *life* changes whenever older sign-ins must fail."""

    enabled: bool = True
    life: object = field(default_factory=object)
    step: int = 0


@dataclass
class Stick:
    """What the model knows of a certificate."""

    record: CertificateRecord
    revoked: bool = False
    stolen: bool = False


class StoreMachine(RuleBasedStateMachine):
    """People come, sign in, are changed and go, in any order."""

    sticks = Bundle("sticks")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.clock = Clock()
        self.accounts: dict[str, Account] = {}
        self.known: list[Stick] = []
        self.sessions: dict[str, Session] = {}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* on the machine's own loop."""
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """Make a store."""
        self.folder = Path(tempfile.mkdtemp(prefix="pusterla-store-"))
        url = self.do(sqlite_store(self.folder))
        self.store = self.do(self.stack.enter_async_context(open_store(url, self.clock)))

    def teardown(self) -> None:
        """Close the store, and look at its log for the last time."""
        if hasattr(self, "store"):
            assert self.do(self.store.audit_break()) is None
            self.do(self.stack.aclose())
            shutil.rmtree(self.folder)
        self.runner.close()

    def end(self, **wanted: str) -> None:
        """End the model's sessions that fit."""
        for key, session in self.sessions.items():
            fits = all(getattr(session, name) == value for name, value in wanted.items())
            if fits and session.live(self.clock.now):
                self.sessions[key] = replace(session, ended_at=self.clock.now)

    # ------------------------------------------------------------ what may happen

    @rule(user=USERS)
    def add(self, user: str) -> None:
        """Somebody comes, or is there already."""
        try:
            self.do(self.store.add_person(new_person(user)))
            assert user not in self.accounts
            self.accounts[user] = Account()
            # What was issued to the name while nobody had it.
            for stick in self.known:
                stick.revoked = stick.revoked or stick.record.username == user
        except PersonExists:
            assert user in self.accounts

    @rule(user=USERS, change=CHANGES)
    def change(self, user: str, change: str) -> None:
        """Somebody is changed, and whoever is just signing in with the old ones must fail."""
        work: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "disable": lambda: self.store.set_enabled(user, enabled=False),
            "enable": lambda: self.store.set_enabled(user, enabled=True),
            "password": lambda: self.store.set_password(user, "another"),
            "totp": lambda: self.store.set_totp(user, b"another"),
            "remove": lambda: self.store.remove_person(user, TODAY),
        }
        try:
            self.do(work[change]())
        except NoSuchPerson:
            assert user not in self.accounts
            return
        account = self.accounts[user]
        account.life = object()
        self.end(user=user)
        match change:
            case "disable" | "enable":
                account.enabled = change == "enable"
            case "totp":
                account.step = 0
            case "remove":
                del self.accounts[user]
                for stick in self.known:
                    stick.revoked = stick.revoked or stick.record.username == user

    @rule(target=sticks, user=USERS)
    def issue(self, user: str) -> Stick:
        """A certificate is issued, also when its person has just been removed."""
        stick = Stick(self.do(issue(self.store, user)))
        self.known.append(stick)
        return stick

    @rule(stick=sticks)
    def revoke(self, stick: Stick) -> None:
        """A stick is lost."""
        new = self.do(
            self.store.revoke_certificates(
                serial=stick.record.serial, reason=RevocationReason.KEY_COMPROMISE, by="test"
            )
        )
        # For this reason also what another one had revoked, and no more than once.
        assert len(new) == (not stick.stolen)
        stick.revoked = stick.stolen = True
        self.end(fingerprint=stick.record.fingerprint or "")

    @rule(stick=sticks, meanwhile=st.none() | CHANGES, late=st.booleans())
    def sign_in(self, stick: Stick, meanwhile: str | None, late: bool) -> None:
        """Somebody signs in, and perhaps they are changed while their password is checked."""
        record, user = stick.record, stick.record.username
        verified = self.do(self.store.credentials(user))
        assert (verified is not None) == (user in self.accounts)
        life = self.accounts[user].life if user in self.accounts else None
        if meanwhile is not None:
            self.change(user, meanwhile)
        if late:
            self.add(user)
        session = session_of(
            record,
            created_at=self.clock.now,
            expires_at=self.clock.now + timedelta(hours=8),
        )
        account = self.accounts.get(user)
        may = account is not None and account.enabled and account.life is life and not stick.revoked
        nobody = Credentials("", b"", 0, 0)
        try:
            self.do(
                self.store.open_session(
                    session, record.device, record.serial, verified=verified or nobody
                )
            )
        except SignInOvertaken:
            assert not may
        else:
            assert may
            self.sessions[session.id] = session

    @rule(user=USERS, step=st.integers(1, 5))
    def burn(self, user: str, step: int) -> None:
        """A code is used."""
        account = self.accounts.get(user)
        burnt = self.do(self.store.burn_step(user, step))
        assert burnt == (account is not None and step > account.step)
        if burnt and account is not None:
            account.step = step

    @rule(user=USERS)
    def sign_out(self, user: str) -> None:
        """Somebody signs out everywhere."""
        self.do(self.store.end_sessions(user=user, kind=AuditKind.SIGNED_OUT, by=user))
        self.end(user=user)

    @rule(hours=st.integers(1, 5))
    def wait(self, hours: int) -> None:
        """Time goes by."""
        self.clock.now += timedelta(hours=hours)

    # ------------------------------------------------------------ what always holds

    @invariant()
    def sessions_are_those_of_the_model(self) -> None:
        """The live ones are listed, and every one ever opened is what the model says."""
        if not hasattr(self, "store"):
            return
        live = {key: one for key, one in self.sessions.items() if one.live(self.clock.now)}
        assert {session.id: session for session in self.do(self.store.sessions())} == live

    @invariant()
    def holders_are_those_of_the_model(self) -> None:
        """A certificate that is not revoked leads to the person who was there when it came."""
        for stick in self.known:
            holder = self.do(self.store.holder(Fingerprint(stick.record.fingerprint or "")))
            assert holder is not None
            account = self.accounts.get(holder.user)
            assert (holder.person is None) == (account is None)
            if holder.person is not None and account is not None:
                assert holder.person.enabled == account.enabled
            assert (holder.revoked_at is not None) == stick.revoked


StoreMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
TestStore = StoreMachine.TestCase
