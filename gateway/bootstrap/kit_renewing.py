"""A stick that comes back: a new certificate and key in the kit that is there.

The profile is made anew, so nothing that was put into it elsewhere stays: extensions, bookmarks,
settings. All that is new is written into a folder inside the kit and moved to its place at the
end, the profile first; until then the kit is as it was.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ca.kinds import KeyKind, make_key
from ca.ledger import CertificateRecord
from gateway.bootstrap.certificates import authority_of, find_certificate
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.kit_checks import KitCheck, look_at_kit
from gateway.bootstrap.kit_records import Begun, keep
from gateway.bootstrap.kit_undoing import (
    BEFORE,
    RENEWAL,
    all_or_nothing,
    alone_with,
    clean_up,
    finish,
    remove,
)
from gateway.bootstrap.kits import (
    BuiltKit,
    KitWriter,
    Progress,
    destination_of,
    make_folder,
    public_octets,
    refuse_lack_of_room,
    write,
)
from gateway.bootstrap.renewing import Wish, find_renewable, overtaken, renewal_order
from gateway.bootstrap.signing import active_issuer
from gateway.core.audit import AuditKind
from gateway.kit.browsers import FOLDER as BROWSER
from gateway.kit.contents import policy_file
from gateway.kit.manifest import PROFILE


@dataclass(frozen=True, slots=True)
class KitRenewal:
    """The kit in *folder* is to get a new certificate that lasts *days*, with a key of *kind*."""

    folder: Path
    overlap: timedelta
    days: int | None
    kind: KeyKind = KeyKind.P256


async def find_kit(command: Command, wish: KitRenewal, progress: Progress) -> KitCheck:
    """Look at the kit, or raise `CommandRefused` where it cannot be renewed."""
    await clean_up(command)
    with alone_with(command, wish.folder):
        return await _look(command, wish, progress)


async def _look(command: Command, wish: KitRenewal, progress: Progress) -> KitCheck:
    check = await look_at_kit(command, wish.folder, progress)
    if faults := check.outer_faults():
        raise CommandRefused(
            f"{wish.folder} is not the kit that was built, and a new certificate would go into"
            f" other hands' work: {'; '.join(faults)}. Build a new one: pusterla kit build"
        )
    await find_renewable(command, _wish(wish, check))
    return check


def _wish(wish: KitRenewal, check: KitCheck) -> Wish:
    manifest = check.manifest
    return Wish(
        user=manifest.user,
        device=manifest.device,
        serial=manifest.serial if check.record is None else check.record.serial,
        overlap=wish.overlap,
        days=wish.days,
        file=wish.folder,
        kind=wish.kind,
    )


async def renew_kit(
    command: Command, wish: KitRenewal, password: str, progress: Progress
) -> tuple[BuiltKit, CertificateRecord]:
    """Renew, and return the kit and the old certificate as it stands now.

    Raises `CommandRefused`, and what `Authority.enrol` raises; the kit is then as it was.
    """
    await clean_up(command)
    with alone_with(command, wish.folder):
        return await _renew(command, wish, password, progress)


async def _renew(
    command: Command, wish: KitRenewal, password: str, progress: Progress
) -> tuple[BuiltKit, CertificateRecord]:
    check = await _look(command, wish, progress)
    # Where it is, and not a link that may lead elsewhere when the next command cleans up.
    folder = wish.folder.resolve()
    single = _wish(wish, check)
    old = await find_renewable(command, single)
    person = await command.person(old.username)
    order = renewal_order(command, single, person, old)
    destination = destination_of(command, order.scope)
    authority = authority_of(command, await active_issuer(command.store))
    refuse_lack_of_room(folder, 0)
    key = await asyncio.to_thread(make_key, wish.kind)
    part = folder / RENEWAL
    begun = Begun(old.username, old.device, folder, part, public_octets(key), renewal=True)
    async with all_or_nothing(command, begun, "nothing was renewed"):
        remove(part)
        make_folder(part)
        files = _browser_of(check)
        _write_policies(part, files, policy_file(destination))
        progress("issuing the certificate", 0, 0)
        with overtaken():
            enrolled = await authority.enrol(order, key.public_key(), command.clock())
        writer = KitWriter(command, person, enrolled, key, destination, progress)
        written = await writer.fill(part, password, files, check.manifest.browser)
        await writer.tell(AuditKind.KIT_RENEWED, {"manifest": written.digest, "renews": old.serial})
        keep(command.folder, enrolled.record.serial, written.digest)
        _take_place(folder, part)
        finish(folder)
    built = BuiltKit(enrolled.record, folder, written.manifest, written.asked)
    return built, await find_certificate(command, old.serial)


def _browser_of(check: KitCheck) -> dict[str, str]:
    files = check.manifest.files.items()
    return {name: digest for name, digest in files if name.startswith(f"{BROWSER}/")}


def _write_policies(part: Path, files: dict[str, str], content: bytes) -> None:
    """Write the policy anew: there may be other applications by now."""
    for name in files:
        if name.endswith("/distribution/policies.json"):
            files[name] = write(part / name, content)


def _take_place(folder: Path, part: Path) -> None:
    """Exchange the profile; from the second rename on the kit is the new one."""
    remove(folder / BEFORE)
    with suppress(FileNotFoundError):
        (folder / PROFILE).rename(folder / BEFORE)
    (part / PROFILE).rename(folder / PROFILE)
