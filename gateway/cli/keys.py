"""The options about keys that several commands share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.output import warn

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
