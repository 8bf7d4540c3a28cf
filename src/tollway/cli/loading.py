"""From `module[:app]` on the command line to the application it names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from tollway.cli.output import UsageError
from tollway.cli.suggest import did_you_mean
from tollway.workflow import Tollway


def load_app(target: str) -> Tollway:
    """Import the module, from the current directory too, and find its `Tollway`.

    Raises:
        UsageError: no such module, it does not import, no such attribute, or none that is a Tollway.
    """
    module_name, _, attribute = target.partition(":")
    if not module_name or module_name.startswith(".") or not all(part.isidentifier() for part in module_name.split(".")):
        raise UsageError(f"{target!r} does not name a module", "write MODULE:APP, such as orders:app, without .py or slashes.")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    found = vars(_import(module_name))
    apps = {name: value for name, value in found.items() if isinstance(value, Tollway)}
    if attribute:
        if attribute not in found:
            raise UsageError(f"module {module_name!r} has no {attribute!r}", did_you_mean(attribute, apps) + _there_are(module_name, apps))
        if attribute not in apps:
            raise UsageError(f"{target!r} is a {type(found[attribute]).__name__}, not a Tollway application", _there_are(module_name, apps))
        return apps[attribute]
    if len({id(value) for value in apps.values()}) != 1:
        raise UsageError(f"module {module_name!r} has {len(apps)} Tollway applications", _there_are(module_name, apps))
    return next(iter(apps.values()))


def _there_are(module: str, apps: dict[str, Tollway]) -> str:
    if not apps:
        return f"{module} needs a line such as: app = Tollway()"
    return f"name one: {', '.join(f'{module}:{name}' for name in sorted(apps))}"


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and not (name == error.name or name.startswith(error.name + ".")):
            hint = "install it, or use the environment that has it."
            raise UsageError(f"module {name!r} needs {error.name!r}, which is not installed", hint) from error
        hint = "write MODULE:APP, without .py." if name.endswith(".py") else "run the command where it can be imported."
        raise UsageError(f"no module is named {name!r}", hint) from error
    except Exception as error:
        sentence = (str(error).strip() or "no message").splitlines()[0]
        raise UsageError(f"module {name!r} does not import: {type(error).__name__}: {sentence}", _where(error)) from error


def _where(error: Exception) -> str:
    """The user's own line in which the import ended."""
    if isinstance(error, SyntaxError):
        return f"see {error.filename}, line {error.lineno}."
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"see {last.filename}, line {last.lineno}."
