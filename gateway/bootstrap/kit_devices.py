"""What sticks are called: a name is given to one kit, also where two are built at once."""

from contextlib import ExitStack

from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.kit_records import reserve


async def reserve_device(command: Command, user: str, device: str | None, held: ExitStack) -> str:
    """Return *device*, for which nobody else builds a kit for *user* until *held* ends.

    Without one the first of `stick-1`, `stick-2`, … for which *user* never had a certificate.
    Raises `CommandRefused` where somebody builds a kit for *device* at this moment.
    """
    if device:
        if not held.enter_context(reserve(command.folder, f"device {user} {device}")):
            raise CommandRefused(f"a kit for {user} on {device} is being built right now")
        return device
    taken, number = await _devices(command, user), 0
    while True:
        number += 1
        name = f"stick-{number}"
        if name in taken:
            continue
        # Who had it reserved a moment ago may have given it meanwhile.
        if held.enter_context(reserve(command.folder, f"device {user} {name}")) and (
            name not in await _devices(command, user)
        ):
            return name


async def _devices(command: Command, user: str) -> set[str]:
    return {record.device for record in await command.store.certificates(user=user)}
