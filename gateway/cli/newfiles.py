"""The options that say what new file a certificate goes to, with a key or for a request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

_Option = Callable[[Callable[..., Any]], Callable[..., Any]]

# `ca.targets.Target` by name, as `KEY_TYPES` are.
PROFILES = ("modern", "firefox", "windows", "macos", "android")
PROFILE_TABLE = """\
  --profile  what opens the file                    sealed with
  modern     OpenSSL 3, GnuTLS, Java, curl, Linux   AES-256, SHA-256, 200,000 rounds
  firefox    Firefox on every system                AES-256, SHA-256, 200,000 rounds
  windows    every Windows: Edge, Chrome            3DES, SHA-1, 100,000 rounds
  macos      macOS, iOS: Safari, Chrome             3DES, SHA-1, 100,000 rounds
  android    Android: Chrome                        3DES, SHA-1, 100,000 rounds

3DES and SHA-1 are old, and all that every version of those systems reads: let the
passphrase be long."""


_p12: _Option = click.option(
    "--p12",
    "bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new file for certificate and key; nothing is ever overwritten.",
)
_p12_password_stdin: _Option = click.option(
    "--p12-password-stdin",
    is_flag=True,
    help="Take the passphrase of that file from the first line of stdin.",
)
_profile: _Option = click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=PROFILES[0],
    show_default=True,
    help="What is to open that file; see below.",
)
_csr: _Option = click.option(
    "--csr",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Instead of --p12: the certificate request (PEM or DER) of somebody who keeps the key.",
)
_out: _Option = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --csr: the new PEM file for certificate and chain.  [default: as FILE, with .pem]",
)


def new_file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--p12` with what goes with it, and `--csr` with `--out`; `new_file` checks them."""
    for option in (_out, _csr, _profile, _p12_password_stdin, _p12):
        command = option(command)
    return command


def new_file(ctx: click.Context, bundle: Path | None, csr: Path | None, out: Path | None) -> Path:
    """Return the file that is to be made, or say which options go together."""
    if csr is None:
        if bundle is None:
            raise click.UsageError("either --p12 FILE, for a new key, or --csr FILE")
        if out is not None:
            raise click.UsageError("--out goes with --csr; --p12 names the new file itself")
        return bundle
    for name in ("bundle", "p12_password_stdin", "profile", "key_type"):
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = "p12" if name == "bundle" else name.replace("_", "-")
            raise click.UsageError(f"--{option} is for a key that is made here, not with --csr")
    if out is None and csr.suffix == ".pem":
        raise click.UsageError("name the new file with --out: the request ends in .pem itself")
    return out or csr.with_suffix(".pem")
