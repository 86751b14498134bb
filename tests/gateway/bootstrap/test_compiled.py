import os
from pathlib import Path

from gateway.bootstrap.compiled import edge_is_compiled, edge_runs
from gateway.edge import downstream, plain


def test_the_edge_that_is_tested_is_the_one_that_is_told_of() -> None:
    """Also where CI has it compiled, and says so: no tree lies before what was installed."""
    compiled = os.environ.get("PUSTERLA_COMPILED") == "1"
    assert edge_is_compiled() is compiled
    assert edge_runs() == ("compiled" if compiled else "in plain Python")
    for module in (downstream, plain):
        assert (Path(str(module.__file__)).suffix == ".py") is not compiled
