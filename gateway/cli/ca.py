"""pusterla ca: the certificate authority itself, its keys and its issuing CAs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.keys import new_passphrase, new_passphrase_option, passphrase_option
from gateway.cli.output import ExampleCommand, json_option, note, say_json, say_table
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.protection import Protected


@click.group()
def ca() -> None:
    """The certificate authority itself: its keys and its issuing CAs."""


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
