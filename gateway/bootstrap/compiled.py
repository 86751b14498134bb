"""Whether the edge that is installed here has been compiled (decision 14)."""

from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

_EDGE: Final = Path(__file__).parents[1] / "edge"


def edge_is_compiled() -> bool:
    """Say whether Python would load the edge as machine code; nothing of it is loaded to see that."""
    found = PathFinder.find_spec("downstream", [str(_EDGE)])
    return found is not None and not str(found.origin).endswith(".py")


def edge_runs() -> str:
    """Return how the edge runs, in words."""
    return "compiled" if edge_is_compiled() else "in plain Python"
