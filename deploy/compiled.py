"""Compiles what a request passes through, where a wheel is built with PUSTERLA_COMPILED=1.

A hook of hatchling. The compiled modules go into the wheel beside their sources, which Python
then passes over; without the variable, and wherever the project is installed in place, nothing is
compiled and nothing but hatchling is asked for. mypyc, setuptools, a C compiler and Python's
headers must be there, and what the modules import.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULES = (
    *("access_log", "buffering", "downstream", "exchange", "fields", "figures", "forwarding"),
    *("manner", "memo", "meter", "plain", "receiving", "sending", "service", "shape", "stream"),
    *("telemetry", "tls", "upstream"),
)
"""Of `gateway.edge`: those that run once a request or more often, and who inherits from them."""


class CompiledEdge(BuildHookInterface[Any]):
    """The hook."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and name what came of it for the wheel."""
        if version != "standard" or os.environ.get("PUSTERLA_COMPILED") != "1":
            return
        from mypyc.build import mypycify
        from setuptools import Distribution

        made = Path(tempfile.mkdtemp(prefix="pusterla-compiled-"))
        os.chdir(self.root)  # mypy finds packages by where it is
        modules = mypycify(
            [f"gateway/edge/{name}.py" for name in MODULES],
            group_name="gateway_edge",
            target_dir=str(made / "c"),
        )
        build = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
        build.build_lib, build.build_temp = str(made / "lib"), str(made / "objects")
        build.ensure_finalized()
        build.run()
        libraries = (made / "lib").rglob("*.so")
        build_data["force_include"] |= {
            str(path): str(path.relative_to(made / "lib")) for path in libraries
        }
        build_data |= {"pure_python": False, "infer_tag": True}
