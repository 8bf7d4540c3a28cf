"""Read the files: modules, classes, functions, imports and named queries, and what could not be read."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tollway.audit.load.modules import files, module_name
from tollway.audit.python.values import Piece, Source, Text

NAMED_QUERY = re.compile(r"^--[ \t]*(?:name:[ \t]*)?([A-Za-z_]\w*)(?:[!<>$^*#&]{0,3})(?:\([^)\n]*\))?[ \t]*(--)?[ \t]*$", re.MULTILINE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read, and why."""

    file: str
    line: int
    reason: str


@dataclass(slots=True)
class ClassInfo:
    """One class: its methods, its assignments, the names of its bases."""

    name: str
    node: ast.ClassDef
    module: Module
    methods: dict[str, FunctionInfo] = field(default_factory=dict)

    @property
    def dotted(self) -> str:
        return f"{self.module.name}:{self.name}"


@dataclass(slots=True)
class FunctionInfo:
    """One function or method. `qualname` is Class.method, outer.inner, or the name alone."""

    qualname: str
    node: Function
    module: Module
    owner: ClassInfo | None = None

    @property
    def dotted(self) -> str:
        return f"{self.module.name}:{self.qualname}"

    @property
    def parameters(self) -> list[ast.arg]:
        args = self.node.args
        return [*args.posonlyargs, *args.args, *args.kwonlyargs]

    @property
    def is_static(self) -> bool:
        return any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in self.node.decorator_list)


@dataclass(slots=True)
class Module:
    """One file."""

    name: str
    path: str
    text: str
    tree: ast.Module
    is_package: bool
    functions: dict[str, FunctionInfo] = field(default_factory=dict)  # by qualname
    classes: dict[str, ClassInfo] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)  # local name -> dotted name
    lines: list[str] = field(default_factory=list)

    def source(self, node: ast.expr) -> Source:
        """The literal's own text in the file."""
        end_line, end_col = node.end_lineno or node.lineno, node.end_col_offset or 0
        chosen = self.lines[node.lineno - 1 : end_line]
        if chosen:
            # the parser counts columns in bytes
            chosen[-1] = chosen[-1].encode()[:end_col].decode(errors="ignore")
            chosen[0] = chosen[0].encode()[node.col_offset :].decode(errors="ignore")
        return Source(self.path, node.lineno, node.col_offset, "".join(chosen))


@dataclass(slots=True)
class Project:
    """Everything that was read."""

    modules: dict[str, Module] = field(default_factory=dict)
    queries: dict[str, Text] = field(default_factory=dict)  # named queries of .sql files
    failures: list[Failure] = field(default_factory=list)
    lineages: dict[str, list[ClassInfo]] = field(default_factory=dict)  # a class and its bases, once found

    def functions(self) -> Iterator[FunctionInfo]:
        for module in self.modules.values():
            yield from module.functions.values()

    def function(self, dotted: str) -> FunctionInfo | None:
        """A function by `module:qualname`."""
        module, _, qualname = dotted.partition(":")
        found = self.modules.get(module)
        return found.functions.get(qualname) if found else None

    def class_(self, dotted: str) -> ClassInfo | None:
        module, _, name = dotted.partition(":")
        found = self.modules.get(module)
        return found.classes.get(name) if found else None

    def lookup(self, dotted: str, depth: int = 0) -> str:
        """`package.module.Name` or what it re-exports, as `module:Name`; unchanged when it is not of this project."""
        if dotted in self.modules or depth > 8:
            return dotted
        module, _, name = dotted.rpartition(".")
        found = self.modules.get(module)
        if found is None:
            outer, _, attribute = module.rpartition(".")
            owner = self.modules.get(outer)
            if owner is not None and attribute in owner.classes:
                return f"{outer}:{attribute}.{name}"
            return dotted
        if name in found.functions or name in found.classes:
            return f"{module}:{name}"
        if name in found.imports and found.imports[name] != dotted:
            return self.lookup(found.imports[name], depth + 1)
        return f"{module}:{name}"


def read_project(paths: Iterable[Path | str]) -> Project:
    """Read every Python file, and the named queries of the SQL files beside them."""
    project = Project()
    given = [Path(path) for path in paths]
    for folder in given:
        if folder.is_dir() and next(files([folder]), None) is None:
            project.failures.append(Failure(str(folder), 1, "nothing there: a folder without Python"))
    for path in dict.fromkeys(files(given)):
        try:
            if path.suffix == ".sql":
                found = named_queries(str(path), path.read_text(encoding="utf-8-sig"))
                project.queries.update(found)
                if path in given and not found:
                    project.failures.append(Failure(str(path), 1, "no Python, and no named queries"))
            else:
                _read_module(project, path)
        except SyntaxError as error:
            project.failures.append(Failure(str(path), error.lineno or 1, f"not Python: {error.msg}"))
        except (UnicodeError, ValueError) as error:
            project.failures.append(Failure(str(path), 1, f"cannot be decoded: {error}"))
        except OSError as error:
            project.failures.append(Failure(str(path), 1, f"cannot be read: {error.strerror}"))
        except RecursionError:
            project.failures.append(Failure(str(path), 1, "nested too deeply to be parsed"))
    return project


def _read_module(project: Project, path: Path) -> None:
    with tokenize.open(path) as file:  # honours the coding comment
        text = file.read()
    name, is_package = module_name(path)
    if name in project.modules:  # two files of one name, in folders that are no packages
        name = str(path.with_suffix("")).replace("/", ".").lstrip(".")
    module = Module(name, str(path), text, ast.parse(text, filename=str(path)), is_package)
    module.lines = [f"{line}\n" for line in text.split("\n")]  # the only line end that the parser counts
    _index(module, module.tree.body, "", None)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module.imports[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = _import_base(module, node)
            for alias in node.names:
                module.imports[alias.asname or alias.name] = f"{base}.{alias.name}" if base else alias.name
    project.modules[name] = module


def _import_base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    keep = len(parts) - node.level + (1 if module.is_package else 0)
    return ".".join([*parts[: max(0, keep)], *([node.module] if node.module else [])])


def _index(module: Module, body: Iterable[ast.stmt], prefix: str, owner: ClassInfo | None) -> None:
    for node in body:
        if isinstance(node, Function):
            info = FunctionInfo(f"{prefix}{node.name}", node, module, owner)
            module.functions[info.qualname] = info
            if owner is not None and prefix == f"{owner.name}.":
                owner.methods[node.name] = info
            _index(module, node.body, f"{info.qualname}.", owner)
        elif isinstance(node, ast.ClassDef):
            inner = ClassInfo(f"{prefix}{node.name}", node, module)
            module.classes[inner.name] = inner
            _index(module, node.body, f"{inner.name}.", inner)
        else:
            for name in ("body", "orelse", "finalbody"):
                _index(module, [s for s in getattr(node, name, []) if isinstance(s, ast.stmt)], prefix, owner)
            for handler in getattr(node, "handlers", []):
                _index(module, handler.body, prefix, owner)


def named_queries(path: str, text: str) -> dict[str, Text]:
    """The queries of a file with headings such as `-- name: get_user` or `-- get_user --`; none when it has no such heading."""
    headings = [m for m in NAMED_QUERY.finditer(text) if m.group(2) or "name:" in m.group(0)]
    found: dict[str, Text] = {}
    for here, following in zip(headings, [*headings[1:], None], strict=False):
        body = text[here.end() : following.start() if following else len(text)]
        line = text.count("\n", 0, here.end()) + 1
        found[here.group(1)] = Text((Piece(body, Source(path, line, 0, body)),), sql=True)
    return found
