"""From `module[:app]` on the command line to the application it names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tollway.cli.output import UsageError
from tollway.workflow import Tollway


def load_app(target: str) -> Tollway:
    """Import the module, from the current directory too, and find its `Tollway`.

    Raises:
        UsageError: no such module, no such attribute, or none that is a Tollway.
    """
    module_name, _, attribute = target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and not (module_name == error.name or module_name.startswith(error.name + ".")):
            raise UsageError(f"module {module_name!r} needs {error.name!r}, which is not installed", "") from error
        raise UsageError(f"no module is named {module_name!r}", "run the command where it can be imported.") from error
    if attribute:
        found = getattr(module, attribute, None)
        if not isinstance(found, Tollway):
            raise UsageError(f"{target!r} is not a Tollway application", "name the variable: module:app.")
        return found
    apps = {id(value): value for value in vars(module).values() if isinstance(value, Tollway)}
    if len(apps) != 1:
        raise UsageError(f"module {module_name!r} has {len(apps)} Tollway applications", "name one: module:app.")
    return next(iter(apps.values()))
