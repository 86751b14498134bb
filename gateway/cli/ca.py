"""pusterla ca: the certificate authority itself, its keys and its issuing CAs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.hosts import check_host_option
from gateway.cli.keys import (
    chosen_kind,
    key_type_option,
    new_key_options,
    new_passphrase,
    new_passphrase_option,
    passphrase_option,
    root_passphrase_option,
    token_option,
    wished_passphrase,
)
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    note,
    say,
    say_facts,
    say_json,
    say_table,
    utc,
)
from gateway.cli.reload import say_taken_up, warn_unless_taken_up
from gateway.cli.secret import ask_person
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.cli.trust import trust

if TYPE_CHECKING:
    from gateway.bootstrap.protection import Protected
    from gateway.bootstrap.succession import Installed, Listed

NEW_FILE: Final = click.Path(dir_okay=False, path_type=Path)
OLD_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def ca() -> None:
    """The certificate authority itself: its keys and its issuing CAs."""


ca.add_command(trust)


@ca.command(cls=ExampleCommand, example="ca encrypt --new-passphrase-file /etc/pusterla/ca-pass")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@new_passphrase_option
@passphrase_option
@json_option
@pass_surroundings
def encrypt(
    here: Surroundings, *, names: tuple[str, ...], new_passphrase_file: Path | None, as_json: bool
) -> None:
    """Put the CA's keys under a passphrase, or under another one.

    NAME is root or an issuing CA; without any it is all of them. The authority needs the
    passphrase from then on: give it `passphrase_file` under [ca] in pusterla.toml, or the
    systemd credential pusterla-ca-passphrase, before.
    """
    from gateway.bootstrap.protection import protect

    passphrase = new_passphrase(new_passphrase_file)
    _say_keys(here.run(lambda command: protect(command, names, passphrase)), as_json=as_json)
    note("from now on the authority signs only if it is given the passphrase: docs/ca.md")


@ca.command(cls=ExampleCommand, example="ca decrypt issuing-1")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@passphrase_option
@json_option
@pass_surroundings
def decrypt(here: Surroundings, *, names: tuple[str, ...], as_json: bool) -> None:
    """Write the CA's keys in plain again: whoever can read the file then has the key.

    NAME is root or an issuing CA; without any it is all of them.
    """
    from gateway.bootstrap.command import Command
    from gateway.bootstrap.protection import protect, refuse_plain

    async def work(command: Command) -> "list[Protected]":
        refuse_plain(command, names)
        return await protect(command, names, None)

    _say_keys(here.run(work), as_json=as_json)


def _say_keys(found: "list[Protected]", *, as_json: bool) -> None:
    if as_json:
        say_json(
            [{"name": one.name, "file": str(one.path), "encrypted": one.encrypted} for one in found]
        )
        return
    say_table(
        ("KEY", "FILE", "PROTECTION"),
        [(one.name, one.path, "passphrase" if one.encrypted else "none") for one in found],
        empty="there are no keys",
    )


@ca.command("list", cls=ExampleCommand, example="ca list")
@json_option
@pass_surroundings
def list_(here: Surroundings, *, as_json: bool) -> None:
    """List the issuing CAs, the oldest first: what each does, and for how many certificates."""
    from gateway.bootstrap.succession import list_issuers

    found = here.run(list_issuers)
    if as_json:
        say_json([_facts(one) for one in found])
        return
    say_table(
        ("NAME", "STATE", "SINCE", "ENDS", "LIVE", "LAST ENDS", "KEY", "PROTECTION"),
        [
            (
                one.issuer.name,
                one.issuer.state,
                local(one.issuer.since),
                local(one.certificate.not_valid_after_utc),
                one.remaining.live,
                local(one.remaining.last),
                one.kind or "",
                one.protection or "",
            )
            for one in found
        ],
        empty="there is no issuing CA yet; `pusterla ca request` makes what the root must sign",
    )


def _facts(one: "Listed") -> dict[str, Any]:
    return {
        "name": one.issuer.name,
        "state": one.issuer.state.value,
        "since": utc(one.issuer.since),
        "not_before": utc(one.certificate.not_valid_before_utc),
        "not_after": utc(one.certificate.not_valid_after_utc),
        "live": one.remaining.live,
        "last_ends": utc(one.remaining.last),
        "key_type": None if one.kind is None else one.kind.value,
        "protection": one.protection,
    }


@ca.command(cls=ExampleCommand, example="ca rollover")
@key_type_option("The kind of the new key.")
@new_key_options
@token_option
@root_passphrase_option
@passphrase_option
@json_option
@pass_surroundings
def rollover(
    here: Surroundings,
    *,
    key_type: str,
    encrypt: bool,
    new_passphrase_file: Path | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Let a new issuing CA issue from now on, on a site that has its root's key.

    What the old one issued goes on working, and its revocation list goes on being signed, for
    which its key is needed until its last certificate has ended. An interrupted roll-over is
    brought to its end by the same command.
    """
    from gateway.bootstrap.succession import NewKey, roll_over

    passphrase = wished_passphrase(encrypt, new_passphrase_file)
    new = NewKey(chosen_kind(key_type), passphrase, token)
    _say_installed(here.run(lambda command: roll_over(command, new)), as_json=as_json)


@ca.command(cls=ExampleCommand, example="ca request --out issuing-2.csr")
@click.option(
    "--out", type=NEW_FILE, required=True, help="The new file for the request; no secret."
)
@key_type_option("The kind of the new key.")
@new_key_options
@token_option
@passphrase_option
@json_option
@pass_surroundings
def request(
    here: Surroundings,
    *,
    out: Path,
    key_type: str,
    encrypt: bool,
    new_passphrase_file: Path | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Make the key of the next issuing CA, and the request that its root must sign."""
    from gateway.bootstrap.succession import NewKey, request_issuer

    passphrase = wished_passphrase(encrypt, new_passphrase_file)
    new = NewKey(chosen_kind(key_type), passphrase, token)
    made = here.run(lambda command: request_issuer(command, new, out))
    if as_json:
        say_json({"name": made.name, "file": str(made.file), "fingerprint": made.fingerprint})
        return
    say_facts([("request", made.file), ("for", made.name), ("key", made.fingerprint)])
    note(
        "take the request to the root's machine and compare the key there:\n"
        f"  pusterla ca sign {made.file.name} --root DIR --out {made.name}.pem\n"
        f"then, here:\n  pusterla ca install {made.name}.pem"
    )


@ca.command(cls=ExampleCommand, example="ca install issuing-2.pem")
@click.argument("file", type=OLD_FILE)
@passphrase_option
@json_option
@pass_surroundings
def install(here: Surroundings, *, file: Path, as_json: bool) -> None:
    """Let the issuing CA whose certificate is in FILE issue from now on.

    Key, chain, names and extensions are checked first. What an earlier one issued goes on
    working, see `pusterla ca rollover`.
    """
    from gateway.bootstrap.succession import install_issuer

    _say_installed(here.run(lambda command: install_issuer(command, file)), as_json=as_json)


@ca.command(cls=ExampleCommand, example="ca retire issuing-1")
@click.argument("name")
@json_option
@pass_surroundings
def retire(here: Surroundings, *, name: str, as_json: bool) -> None:
    """Let an issuing CA go whose certificates have all ended; its key is then not needed."""
    from gateway.bootstrap.succession import retire_issuer

    asked = here.run(lambda command: retire_issuer(command, name))
    if as_json:
        say_json({"name": name, "state": "retired", "taken_up": asked.taken_up})
    else:
        say(f"{name} is retired: its revocation list is signed no more, and its key can go")
        say_taken_up(asked)
    warn_unless_taken_up(asked)


@ca.command(cls=ExampleCommand, example="ca root --host pusterla.example.org --out root")
@click.option("--host", required=True, callback=check_host_option, help="The site's host.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder for root.key and root.pem.",
)
@key_type_option("The kind of the root's key.")
@new_key_options
@json_option
def root(
    *,
    host: str,
    out: Path,
    key_type: str,
    encrypt: bool,
    new_passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a root on a machine that is offline and has no site.

    Take root.pem to the site, and nothing else: `pusterla init DIR --root-certificate root.pem`.
    """
    from gateway.bootstrap.offline import make_root

    kind, passphrase = chosen_kind(key_type), wished_passphrase(encrypt, new_passphrase_file)
    made = make_root(out, host, kind, passphrase)
    if as_json:
        say_json({"root": str(made.certificate), "root_fingerprint": made.fingerprint})
        return
    say_facts([("root", made.certificate), ("SHA-256", made.fingerprint), ("key", made.key)])


@ca.command(cls=ExampleCommand, example="ca sign issuing-1.csr --root root --out issuing-1.pem")
@click.argument("request", type=OLD_FILE)
@click.option(
    "--root",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder of root.key and root.pem.",
)
@click.option(
    "--out", type=NEW_FILE, required=True, help="The new file for the certificate; no secret."
)
@passphrase_option
@json_option
@pass_surroundings
def sign(here: Surroundings, *, request: Path, folder: Path, out: Path, as_json: bool) -> None:
    """Sign a REQUEST of `pusterla ca request` with the root's key. Needs no site."""
    from gateway.bootstrap.offline import sign_request
    from gateway.bootstrap.passphrases import Source

    signed = sign_request(request, folder, out, Source(here.passphrase_file, ask_person))
    if as_json:
        say_json(
            {
                "name": signed.name,
                "file": str(out),
                "fingerprint": signed.fingerprint,
                "not_after": utc(signed.not_after),
            }
        )
        return
    say_facts(
        [
            ("certificate", out),
            ("of", signed.name),
            ("key", signed.fingerprint),
            ("until", local(signed.not_after)),
        ]
    )
    note("compare the key with the one that `pusterla ca request` showed at the site")


def _say_installed(installed: "Installed", *, as_json: bool) -> None:
    until = installed.certificate.not_valid_after_utc
    if as_json:
        say_json(
            {
                "name": installed.name,
                "before": installed.before,
                "not_after": utc(until),
                "server_certificate": installed.server,
                "taken_up": installed.asked.taken_up,
            }
        )
        warn_unless_taken_up(installed.asked)
        return
    say(f"{installed.name} issues from now on, until {local(until)}")
    if installed.before is not None:
        say(
            f"{installed.before} issues no more, and signs its revocation list until its last"
            " certificate has ended: keep its key, and see `pusterla ca list`"
        )
    if installed.server:
        say("the server has a new certificate")
    say_taken_up(installed.asked)
    if not installed.asked.taken_up:
        note(f"until then nobody gets in with a certificate of {installed.name}")
    warn_unless_taken_up(installed.asked)
