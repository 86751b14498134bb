import os

from gateway.kit.contents import Destination, Owner, outer_files, policy_file, profile_files
from gateway.kit.manifest import FIXED, NEEDED
from gateway.kit.names import fault_of
from gateway.kit.store import Identity
from tests.gateway.kit.persons import NOW

SITE = Destination(
    name="Officina",
    host="gate.example.org",
    portal="https://gate.example.org/",
    lost="https://public.gate.example.org/lost",
    contact="help@example.org",
    hosts=("gate.example.org", "wiki.gate.example.org"),
)
PASSWORD = "cavallo batteria graffetta"


def test_a_kit_has_what_its_manifest_asks_for(anna: Identity) -> None:
    """Under names that every stick takes; and nowhere the primary password."""
    profile, asked = profile_files(anna, SITE, PASSWORD, os.urandom, NOW, rounds=1000)
    outer = outer_files(Owner("Anna", "stick-1"), SITE, NOW, bundled=False)
    assert asked == ()
    assert {*FIXED, *NEEDED} <= profile.keys()
    for name, content in (profile | outer).items():
        assert fault_of(name) is None
        assert PASSWORD.encode() not in content
    assert SITE.portal.encode() in profile["profile/bookmarks.html"]
    assert b"wiki.gate.example.org" in profile["profile/ClientAuthRememberList.bin"]
    assert {"start.cmd", "start-linux.sh", "LEGGIMI.txt", "README.txt"} < outer.keys()


def test_a_policy_is_for_the_same_site() -> None:
    """Where a browser is in the kit."""
    assert b"gate.example.org" in policy_file(SITE)
