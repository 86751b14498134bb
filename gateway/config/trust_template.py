"""trust/NAME.toml as the command writes it: every key there is, with what it means."""

from datetime import timedelta
from pathlib import Path

from gateway.config.template import Setting, toml_text
from gateway.core.trusts import IdentityMap, PastEnd
from policies.durations import show_duration

_HEAD = """\
# A CA that is not ours and that this site believes; docs/trust.md explains it. The CA
# certificates are in the file of the same name that ends in .pem. A running site takes up
# what changes here with `pusterla reload`.

"""
_PEOPLE = """
# With map = "serial": who has which certificate, by its serial number in hexadecimal.
# `pusterla ca trust assign` writes here too.
[people]
"""


def trust_text(
    identity: IdentityMap,
    crl_urls: tuple[str, ...] = (),
    crl_file: Path | None = None,
    ocsp: bool = False,  # noqa: FBT001, FBT002 - a setting among settings
    past_end: PastEnd = PastEnd.REFUSE,
    grace: timedelta | None = None,
) -> str:
    """Return the settings of a trust; what is left out stays at its default."""
    urls = f"[{', '.join(map(toml_text, crl_urls))}]"
    settings = (
        Setting(
            "map",
            toml_text(identity.value),
            "What in a certificate says who has it: the mail address (san-email) or the user\n"
            "principal name (san-upn) in subjectAltName, the common name (subject-cn), or the\n"
            "serial number, given to people below (serial).",
            chosen=True,
        ),
        Setting(
            "crl_urls",
            urls if crl_urls else '["http://crl.example.org/issuing.crl"]',
            "Where the CA's revocation lists are. Left out: where the certificates say.",
            chosen=bool(crl_urls),
        ),
        Setting(
            "crl_file",
            toml_text(str(crl_file or "/var/lib/crl/issuing.crl")),
            "A file in which the newest list is, for a CA that is not reached from here.",
            chosen=crl_file is not None,
        ),
        Setting(
            "ocsp",
            "true" if ocsp else "false",
            "Whether the CA's responder is asked as well, for each certificate.",
            chosen=ocsp,
        ),
        Setting(
            "past_end",
            toml_text(past_end.value),
            "What happens when the newest list has ended and none was had since: nobody gets in\n"
            "(refuse), or what it said holds for the grace below, with an alarm (go-on).",
            chosen=past_end is not PastEnd.REFUSE,
        ),
        Setting(
            "grace",
            toml_text(show_duration(grace or timedelta(hours=12))),
            'How long past_end = "go-on" goes on.',
            chosen=grace is not None,
        ),
    )
    people = _PEOPLE if identity is IdentityMap.SERIAL else ""
    return _HEAD + "\n".join(map(str, settings)) + people
