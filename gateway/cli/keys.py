"""The options about keys that several commands share."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.output import warn
from gateway.cli.secret import read_secret_line
from gateway.cli.surroundings import Surroundings

if TYPE_CHECKING:
    from ca.kinds import KeyKind

# `ca.kinds.KeyKind` by name: importing it loads cryptography, for which --help need not wait.
KEY_TYPES: Final = ("p256", "p384", "rsa3072", "ed25519")


def key_type_option(words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--key-type`, of which *words* say what it is the type of."""
    return click.option(
        "--key-type",
        type=click.Choice(KEY_TYPES),
        default=KEY_TYPES[0],
        show_default=True,
        help=f"{words} No browser takes ed25519.",
    )


def chosen_kind(key_type: str) -> "KeyKind":
    """Return the kind called *key_type*, with a warning where people will wonder."""
    from ca.kinds import KeyKind

    kind = KeyKind(key_type)
    if kind is KeyKind.ED25519:
        warn("no browser takes Ed25519 in a certificate: this one is for other programs")
    return kind


def _remember(ctx: click.Context, option: click.Parameter, value: Path | None) -> None:
    """Hand the file on to whatever opens the site."""
    if value is not None and option.name is not None:
        ctx.obj = replace(ctx.ensure_object(Surroundings), **{option.name: value})


def passphrase_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--passphrase-file` and `--pin-file`: for commands that open a key of the CA."""
    passphrase = click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        callback=_remember,
        expose_value=False,
        help="The file whose first line is the passphrase of the CA's keys, if they are under"
        " one; or a folder with a file for each, as issuing-1.",
    )
    pin = click.option(
        "--pin-file",
        type=click.Path(path_type=Path),
        callback=_remember,
        expose_value=False,
        help="The same for the PIN, where a key is in a token.",
    )
    return passphrase(pin(command))


new_passphrase_option: Final[Callable[[Callable[..., Any]], Callable[..., Any]]] = click.option(
    "--new-passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file whose first line is the new passphrase.  [default: it is asked for, twice]",
)


def new_passphrase(file: Path | None) -> bytes:
    """Return a passphrase for new keys: the first line of *file*, or typed twice."""
    if file is None:
        prompt = "New passphrase of the CA's keys"
        return read_secret_line("--new-passphrase-file", from_stdin=False, prompt=prompt).encode()
    from gateway.bootstrap.passphrases import read_passphrase

    return read_passphrase(file)


def new_key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--encrypt-ca` and `--new-passphrase-file`: for commands that make a key of the CA."""
    encrypt = click.option(
        "--encrypt-ca",
        "encrypt",
        is_flag=True,
        help="Put the CA's new keys under a passphrase.",
    )
    return encrypt(new_passphrase_option(command))


def wished_passphrase(encrypt: bool, file: Path | None) -> bytes | None:
    """Return the passphrase for new keys, or None where none is wished."""
    return new_passphrase(file) if encrypt or file is not None else None


token_option: Final[Callable[[Callable[..., Any]], Callable[..., Any]]] = click.option(
    "--token",
    metavar="URI",
    help="The address of a key that is in a PKCS#11 token, instead of making one"
    " (pkcs11:token=LABEL;object=LABEL?module-path=FILE); see docs/ca.md.",
)

root_passphrase_option: Final[Callable[[Callable[..., Any]], Callable[..., Any]]] = click.option(
    "--root-passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_remember,
    expose_value=False,
    help="The same for the root's key.  [default: as --passphrase-file]",
)
