"""The files of a kit, as bytes by name: all but the browser, which is copied."""

from dataclasses import dataclass
from datetime import datetime

from gateway.kit import choices, letters, preferences
from gateway.kit.launchers import launchers
from gateway.kit.manifest import PROFILE
from gateway.kit.sealing import ROUNDS, Entropy
from gateway.kit.store import Identity, build_store


@dataclass(frozen=True, slots=True)
class Destination:
    """The site that a kit opens: the portal's *host* and address, and the *hosts* of all pages.

    *lost* is where a lost stick is reported.
    """

    name: str
    host: str
    portal: str
    lost: str
    contact: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a kit is, and what for."""

    name: str
    device: str


def outer_files(
    owner: Owner, destination: Destination, until: datetime, *, bundled: bool
) -> dict[str, bytes]:
    """Return launchers and letters; *until* is the certificate's end, in the person's zone."""
    facts = letters.Facts(
        name=owner.name,
        device=owner.device,
        site=destination.name,
        portal=destination.portal,
        lost=destination.lost,
        contact=destination.contact,
        until=until,
        bundled=bundled,
    )
    return launchers() | letters.letters(facts)


def profile_files(
    identity: Identity,
    destination: Destination,
    password: str,
    entropy: Entropy,
    now: datetime,
    *,
    rounds: int = ROUNDS,
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the profile, and the hosts about which its browser will ask.

    Names are relative to the kit. Takes a good part of a second, on purpose.
    """
    chosen, left_out = choices.build_choices(destination.hosts, identity.certificate, now)
    files = {
        **build_store(identity, password, entropy, rounds=rounds),
        choices.FILE: chosen,
        preferences.USER: preferences.user_preferences(destination.portal),
        preferences.PREFS: preferences.first_preferences(),
        preferences.BOOKMARKS: preferences.bookmarks([(destination.name, destination.portal)]),
    }
    return {f"{PROFILE}/{name}": content for name, content in files.items()}, left_out


def policy_file(destination: Destination) -> bytes:
    """Return the policy for a browser that is in the kit."""
    return preferences.policy(destination.portal, destination.host, destination.hosts)
