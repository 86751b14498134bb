from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf

from gateway.core.people import Fingerprint
from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Limits
from gateway.edge.connections import TOLD, Connections, cut_all
from gateway.edge.cut_reasons import CutReason

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANNA, BRUNO = Fingerprint("a" * 64), Fingerprint("b" * 64)


@dataclass(eq=False)
class Line:
    """A connection that only writes down what is done to it."""

    fingerprint: Fingerprint | None = None
    deadline: float = inf
    ends: datetime | None = None
    exchange: object | None = None
    done: list[str] = field(default_factory=list)

    def time_out(self) -> None:
        self.done.append("timed out")

    def ends_at(self) -> datetime | None:
        return self.ends

    def cut(self, reason: str) -> None:
        self.done.append(reason)

    def drain(self) -> None:
        self.done.append("drained")


async def test_connections_are_found_by_certificate() -> None:
    """Those of one certificate, and no others."""
    register: Connections[Line] = Connections()
    nobody, first, second, other = Line(), Line(ANNA), Line(ANNA), Line(BRUNO)
    for line in (nobody, first, second, other):
        register.add(line)
    assert len(register) == 4
    assert set(register) == {nobody, first, second, other}
    assert set(register.of(ANNA)) == {first, second}
    assert register.of(Fingerprint("c" * 64)) == []
    assert [register.count(one) for one in (ANNA, BRUNO, Fingerprint("c" * 64))] == [2, 1, 0]


async def test_what_is_closed_is_struck_out() -> None:
    """The last of a certificate takes the certificate with it; striking out twice is no error."""
    register: Connections[Line] = Connections()
    first, second = Line(ANNA), Line(ANNA)
    for line in (first, second):
        register.add(line)
    register.remove(first)
    assert register.of(ANNA) == [second]
    register.remove(second)
    register.remove(second)
    assert register.of(ANNA) == register.of(BRUNO) == []
    assert len(register) == 0


async def test_vacancy_is_told() -> None:
    """Set while there is no connection; striking out a stranger does not clear it."""
    register: Connections[Line] = Connections()
    assert register.vacant.is_set()
    line = Line()
    register.add(line)
    assert not register.vacant.is_set()
    register.remove(Line(ANNA))
    assert not register.vacant.is_set()
    register.remove(line)
    assert register.vacant.is_set()


async def test_the_register_may_change_while_it_is_gone_through() -> None:
    """Cutting closes, and closing strikes out."""
    register: Connections[Line] = Connections()
    lines = [Line() for _ in range(3)]
    for line in lines:
        register.add(line)
    for line in register:
        register.remove(line)
    assert len(register) == 0


async def test_a_sweep_ends_what_has_waited_too_long_and_what_has_lost_its_right() -> None:
    """And leaves everything else alone."""
    register: Connections[Line] = Connections()
    late, ended = Line(deadline=10.0), Line(ends=NOON - timedelta(microseconds=1))
    in_time, last_moment, unbound = Line(deadline=11.0), Line(ends=NOON), Line()
    for line in (late, ended, in_time, last_moment, unbound):
        register.add(line)
    register.sweep(10.5, NOON)
    assert late.done == ["timed out"]
    assert ended.done == ["expired"]
    assert in_time.done == last_moment.done == unbound.done == []


def test_cutting_all_counts_them() -> None:
    """Each is told why."""
    lines = [Line(), Line()]
    assert cut_all(lines, Refusal.CERTIFICATE_REVOKED) == 2
    assert [line.done for line in lines] == [[Refusal.CERTIFICATE_REVOKED]] * 2


async def test_the_oldest_handshake_goes_for_a_new_one() -> None:
    """As many as there may be at once stay."""
    register: Connections[Line] = Connections()
    limits = Limits(handshakes=2)
    lines = [Line() for _ in range(4)]
    for line in lines:
        assert register.make_room(limits)
        register.arrive(line)
    assert [line.done != [] for line in lines] == [True, True, False, False]
    assert len(register) == 2


async def test_a_stranger_goes_before_anybody_is_refused() -> None:
    """The one that came first among those that wait; then whoever is in the middle of something."""
    register: Connections[Line] = Connections()
    limits = Limits(connections=4)
    holder, busy, first, second = Line(ANNA), Line(exchange="a page"), Line(), Line()
    for line in (holder, busy, first, second):
        register.add(line)
    register.hold(holder)
    for _ in range(4):
        assert register.make_room(limits)
        register.arrive(Line())
    gone = [bool(line.done) for line in (holder, busy, first, second)]
    assert gone == [False, True, True, True]
    assert len(register) == 4


async def test_an_unfinished_handshake_goes_when_there_is_no_other_stranger() -> None:
    """A slow one keeps nobody out, however few connections are left."""
    register: Connections[Line] = Connections()
    limits = Limits(connections=2)
    newcomer, holder = Line(), Line(ANNA)
    register.add(holder)
    register.hold(holder)
    register.arrive(newcomer)
    assert register.make_room(limits)
    assert newcomer.done


async def test_who_was_not_judged_goes_after_strangers_and_handshakes() -> None:
    """But before anybody is turned away: so it is no use to hold places and ask nothing."""
    register: Connections[Line] = Connections()
    limits = Limits(connections=4)
    good, unjudged, bad, newcomer = Line(ANNA), Line(BRUNO), Line(BRUNO), Line()
    for line in (good, unjudged, bad):
        register.add(line)
    register.hold(good)
    register.doubt(bad)
    register.arrive(newcomer)
    assert (register.held, register.unjudged()) == (1, [unjudged])
    gone = []
    for _ in range(3):
        assert register.make_room(limits)
        gone.append([bool(line.done) for line in (bad, newcomer, unjudged)])
        register.arrive(late := Line())
        register.enter(late, late)
        register.hold(late)
    assert gone == [[True, False, False], [True, True, False], [True, True, True]]
    assert good.done == []
    assert register.held == 4


async def test_a_verdict_on_who_is_gone_changes_nothing() -> None:
    """It may come late."""
    register: Connections[Line] = Connections()
    line = Line(ANNA)
    register.add(line)
    register.remove(line)
    register.doubt(line)
    register.hold(line)
    register.doubt(line)
    assert (len(register), register.held, register.unjudged()) == (0, 0, [])
    assert register.make_room(Limits(connections=1))
    assert line.done == []


async def test_a_verdict_may_change() -> None:
    """Who was let go for others is kept, once the certificate is good; and the other way round."""
    register: Connections[Line] = Connections()
    line = Line(ANNA)
    register.add(line)
    for _ in range(2):
        register.doubt(line)
        assert register.held == 0
        register.hold(line)
        assert register.held == 1
    register.doubt(line)
    assert register.make_room(Limits(connections=1))
    assert line.done


async def test_where_all_hold_certificates_nobody_goes() -> None:
    """Some more are taken, to be told so; an unfinished handshake goes for the next of them."""
    register: Connections[Line] = Connections()
    limits = Limits(connections=2)
    holders = [Line(ANNA), Line(BRUNO)]
    for line in holders:
        register.add(line)
        register.hold(line)
    told = [Line() for _ in range(TOLD)]
    for line in told:
        assert register.make_room(limits)
        register.arrive(line)
    assert len(register) == 2 + TOLD
    assert register.make_room(limits)
    assert [bool(line.done) for line in told] == [True] + [False] * (TOLD - 1)
    for line in told[1:]:
        register.enter(line, entered := Line(ANNA))
        register.hold(entered)
    register.add(last := Line(BRUNO))
    register.hold(last)
    assert register.held == 2 + TOLD
    assert not register.make_room(limits)
    assert [line.done for line in holders] == [[], []]


async def test_vacancy_counts_handshakes() -> None:
    """A worker that ends waits for them too."""
    register: Connections[Line] = Connections()
    newcomer = Line()
    register.arrive(newcomer)
    assert not register.vacant.is_set()
    register.leave(newcomer)
    assert register.vacant.is_set()


async def test_a_sweep_and_a_cut_reach_handshakes() -> None:
    """Though they are not among those that serve requests."""
    register: Connections[Line] = Connections()
    newcomer = Line(deadline=1.0)
    register.arrive(newcomer)
    assert [*register] == []
    register.sweep(2.0, NOON)
    register.cut_all(CutReason.DRAINED)
    assert newcomer.done == ["timed out", "drained"]
