"""Sticks that are lost in the middle of everything: what rested on them ends, at once."""

import asyncio
from dataclasses import dataclass, field
from time import perf_counter

from ca.trust import RevocationReason
from gateway.bootstrap.command import open_command
from gateway.bootstrap.folder import clock
from tests.bench.sites import BenchSite, Stick, add_stick
from tests.soak.visitors import Answer, Line, Tally, dial

_HELD = ("length", "events", "events", "stall-in-the-middle", "tunnel", "stall")
_EVERY_SECONDS = 1.0
_AT_ONCE_SECONDS = 2.0
"""Far above what the bench measures: here everything runs on the same processors."""


@dataclass(eq=False)
class Losses:
    """Every revocation of a run."""

    site: BenchSite
    user: str
    tally: Tally
    seconds: list[float] = field(default_factory=list)
    """From the return of the revocation to the end of the last connection."""

    async def lose(self, leave: asyncio.Event) -> None:
        """Lose one stick behind the other until told to *leave*."""
        number = 0
        while not leave.is_set():
            number += 1
            stick = await asyncio.to_thread(self._issue, f"lost-{number}")
            lines = [await self._hold(stick, deed) for deed in _HELD]
            await asyncio.to_thread(self._revoke, stick)
            begun = perf_counter()
            try:
                async with asyncio.timeout(_AT_ONCE_SECONDS):
                    await asyncio.gather(*(line.ended() for line in lines))
            except TimeoutError:
                self.tally.surprises.append(f"a connection outlived the revocation of {number}")
            self.seconds.append(perf_counter() - begun)
            for line in lines:
                line.drop()
            await self._come_back(stick)
            await asyncio.sleep(_EVERY_SECONDS)

    async def _hold(self, stick: Stick, deed: str) -> Line:
        """Open a connection that has been let in, and leave it in the middle of *deed*."""
        line = await dial(self.site, self.user, stick)
        line.writer.write(line.head("GET", "length", self.tally.stamp(self.user), 10))
        answer = await Answer("GET").read(line)
        self.tally.note("before the loss", answer.ending, "200")
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        more = f"{upgrade}Sec-WebSocket-Key: x\r\n" if deed == "tunnel" else ""
        if deed != "length":
            line.writer.write(line.head("GET", deed, self.tally.stamp(self.user), 9_000, more))
        if deed not in {"length", "stall"}:
            await line.reader.read(100)
        return line

    async def _come_back(self, stick: Stick) -> None:
        line = await dial(self.site, self.user, stick)
        line.writer.write(line.head("GET", "length", self.tally.stamp(self.user), 10))
        answer = await Answer("GET").read(line)
        self.tally.note("behind the loss", answer.ending, "403")
        line.drop()

    def _issue(self, device: str) -> Stick:
        async def issue() -> Stick:
            async with open_command(self.site.folder, clock) as command:
                return await add_stick(command, self.user, device)

        return asyncio.run(issue())

    def _revoke(self, stick: Stick) -> None:
        async def revoke() -> None:
            async with open_command(self.site.folder, clock) as command:
                await command.store.revoke_certificates(
                    serial=stick.serial,
                    user=None,
                    device=None,
                    reason=RevocationReason.KEY_COMPROMISE,
                    by="soak",
                )

        asyncio.run(revoke())
