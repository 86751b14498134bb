"""Putting the CA's keys under a passphrase, and taking them out again, for `pusterla ca`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ca.encryption import refuse_weak
from ca.hierarchy import key_files
from ca.keys import Protection, key_pem, protection_of, replace
from gateway.bootstrap.command import Command, CommandRefused
from gateway.core.audit import AuditKind
from policies.values import suggest


@dataclass(frozen=True, slots=True)
class Protected:
    """A key of the CA: whose it is, where it lies, whether it is under a passphrase now."""

    name: str
    path: Path
    encrypted: bool


async def protect(
    command: Command, names: Sequence[str], passphrase: bytes | None
) -> list[Protected]:
    """Put the keys called *names*, or all, under *passphrase*; None writes them in plain.

    Every key is opened before the first is written, so with a wrong passphrase nothing changes;
    and each is exchanged whole, so after a crash it is there in the old form or in the new.
    Raises `CommandRefused` for a name that there is not, and what `ca.keys` raises.
    """
    if passphrase is not None:
        refuse_weak(passphrase)
    chosen = _chosen(command, names)
    pems = [(path, key_pem(command.keys.load(path), passphrase)) for path in chosen.values()]
    for path, pem in pems:
        replace(path, pem)
    encrypted = passphrase is not None
    kind = AuditKind.CA_KEYS_ENCRYPTED if encrypted else AuditKind.CA_KEYS_DECRYPTED
    await command.record(kind, detail={"keys": " ".join(chosen)})
    return [Protected(name, path, encrypted) for name, path in chosen.items()]


def refuse_plain(command: Command, names: Sequence[str]) -> None:
    """Raise `CommandRefused` when none of the keys is under a passphrase, so none comes off."""
    chosen = _chosen(command, names).values()
    if all(protection_of(path) is not Protection.PASSPHRASE for path in chosen):
        raise CommandRefused("none of these keys is under a passphrase")


def _chosen(command: Command, names: Sequence[str]) -> dict[str, Path]:
    known = key_files(command.folder.ca)
    for name in names:
        if name not in known:
            hint = suggest(name, known) or f"; there is {', '.join(known)}"
            raise CommandRefused(f"there is no key of {name!r} in {command.folder.ca}{hint}")
    in_tokens = {name for name, path in known.items() if protection_of(path) is Protection.TOKEN}
    if refused := in_tokens.intersection(names):
        raise CommandRefused(
            f"the key of {', '.join(sorted(refused))} is in a token, and has a PIN"
        )
    chosen = names or [name for name in known if name not in in_tokens]
    if not chosen:
        raise CommandRefused("all keys are in tokens")
    return {name: known[name] for name in chosen}
