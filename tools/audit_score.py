"""Measure the auditor against what a person found in published schemas, and in schemas written to trip it: precision and recall.

    python tools/audit_score.py            one line a measure; exit 1 below a limit, 3 when a package cannot be had

The truth is in tests/audit/truth. It was written by reading, before the auditor existed; `corrections` tells what was mended since.
Those in tests/audit/truth/blind were written, schema and truth together, before the auditor ever read them.
The wheels and npm packages are downloaded once, of pinned versions, into .cache/audit; nothing of them is kept in the repository.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TRUTH = ROOT / "tests" / "audit" / "truth"
CACHE = ROOT / ".cache" / "audit"
WRITE_RECALL, WRITE_PRECISION, CALL_RECALL, VERDICTS = 1.0, 0.95, 0.98, 0.95


class Unreachable(Exception):
    """A pinned package is neither in the cache nor to be downloaded."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How much of the truth was found, and how much of what was found is true."""

    name: str
    expected: int
    found: int
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return 1 - len(self.missed) / self.expected if self.expected else 1.0

    @property
    def precision(self) -> float:
        return 1 - len(self.wrong) / self.found if self.found else 1.0


def package_file(package: str) -> Path:
    """The wheel of `name==version`, or the tarball of `npm:name@version`, downloaded once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n", "utf-8")
    if package.startswith("npm:"):
        name, _, version = package.removeprefix("npm:").rpartition("@")
        pattern = f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
        command = ["npm", "pack", "--silent", "--pack-destination", str(CACHE), f"{name}@{version}"]
    else:
        name, _, version = package.partition("==")
        pattern = f"{name}-{version}-*.whl"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE), package]
    if found := sorted(CACHE.glob(pattern)):
        return found[0]
    if shutil.which(command[0]) is None:
        raise Unreachable(f"{package} is not in {CACHE}, and there is no {command[0]} to download it")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not (found := sorted(CACHE.glob(pattern))):
        raise Unreachable(f"{package} is not in {CACHE} and cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")
    return found[0]


def extract(package: str, folder: Path) -> None:
    """Put a package's files into a folder, as they are packed."""
    file = package_file(package)
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
    else:
        with tarfile.open(file) as tarball:
            tarball.extractall(folder, filter="data")


def unpack(truth: dict[str, Any], folder: Path) -> Path:
    """Put the wheel's files and the schema's text into a folder; returns the schema's file."""
    extract(truth["package"], folder)
    member = folder / truth["member"]
    if "constant" not in truth:
        return member
    schema = folder / f"{truth['constant'].lower()}.sql"
    schema.write_text(constant(member.read_text("utf-8"), truth["constant"]), "utf-8")
    return schema


def constant(code: str, name: str) -> str:
    """A string constant of a module, without running it."""
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return str(ast.literal_eval(node.value))
    raise LookupError(name)


def configuration(truth: dict[str, Any]) -> str:
    """The states and the required effects of a truth, as TOML."""
    lines = [f"state = {json.dumps(truth['states'])}"]
    for need in truth.get("require", ()):
        lines += ["[[require]]", *(f"{key} = {json.dumps(value)}" for key, value in need.items())]
    return "\n".join(lines) + "\n"


def scan(truth: dict[str, Any], sql: list[str], python: list[str], folder: Path) -> dict[str, Any]:
    """The auditor's JSON, through the public command, run in a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        config = Path(temporary) / "score.toml"
        config.write_text(configuration(truth), "utf-8")
        command = [sys.executable, "-m", "tollway.audit", "scan", "--no-cache", *sql, "--config", str(config), "--format", "json"]
        for path in python:
            command += ["--python", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def compare(name: str, expected: Counter[str], found: Counter[str]) -> Measure:
    missed, wrong = sorted((expected - found).elements()), sorted((found - expected).elements())
    return Measure(name, expected.total(), found.total(), missed, wrong)


def _name(dotted: str) -> str:
    return dotted.removeprefix("public.").lower()


def measure(truth: dict[str, Any]) -> list[Measure]:
    """Every measure of one package."""
    if "writes" in truth:
        with tempfile.TemporaryDirectory() as temporary:
            extract(truth["package"], Path(temporary))
            return measure_places(truth, Path(temporary) / truth["folder"])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        schema = unpack(truth, folder)
        python = truth.get("python")
        packages = [str(folder / python["member"]), str(folder / Path(python["queries"]).parent)] if python else []
        report = scan(truth, [str(schema)], packages, folder)
        here = str(schema)
        measures = [_writes(truth, report, here), _calls(truth, report, here), _lines(truth, report, here)]
        places = [{**w, "file": here, "routine": _name(w["function"]), "effect": "state"} for w in truth["state_writes"]]
        measures.append(_columns(places, report))
        if truth["triggers"]:
            measures.append(_triggers(truth, report))
        if python:
            measures += _python(python, report)
        expected = {(_name(w["function"]), w["line"], e): s for w in truth["state_writes"] for e, s in w.get("verdicts", {}).items()}
        measures += [_verdicts(expected, report, here), _unaccounted(truth, report, here)]
    return measures


def measure_blind(folder: Path) -> list[Measure]:
    """Every measure of one schema of our own."""
    return measure_places(json.loads((folder / "truth.json").read_text("utf-8")), folder)


def measure_places(truth: dict[str, Any], folder: Path) -> list[Measure]:
    """Every measure of a truth that tells each write and call with its file and line."""
    report = scan(truth, truth["sql"], truth["python"], folder)
    written = [w for w in report["writes"] if w["verb"] not in {"drop", "detach", "alter"}]
    told = [w for w in truth["writes"] if w["verb"] != "alter"]
    measures = [
        compare("state writes", _places(w for w in told if w["effect"] != "other"), _places(w for w in written if w["effect"] != "other")),
        compare("all writes", _places(told), _places(written)),
    ]
    kinds = {"direct", "dynamic", "cron", "default", "python"}
    calls = Counter({f"{c['from']} -> {c['to']}": 1 for c in truth["calls"]})
    found = {f"{_bare(c['from_id'])} -> {_bare(c['to_id'])}" for c in report["calls"] if c["kind"] in kinds and "/" in c["to_id"]}
    measures.append(compare("calls", calls, Counter(found)))
    if any(w.get("columns") for w in truth["writes"]):
        measures.append(_columns(truth["writes"], report))
    expected = {(w["routine"], w["line"], e): s for w in truth["writes"] for e, s in w.get("verdicts", {}).items()}
    measures += [_verdicts(expected, report), _unaccounted(truth, report)]
    return measures


def _bare(name: str) -> str:
    return name.removeprefix("public.")


def _places(writes: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(f"{w['file']}:{w['line']} {_bare(w.get('routine_id', w['routine']))} {w['verb']} {_bare(w['relation'])}" for w in writes)


def _columns(told: Iterable[dict[str, Any]], report: dict[str, Any]) -> Measure:
    """Of the writes whose columns the truth tells: those of a state exactly, of the others at least these."""
    found = {(w["file"], w["line"], _bare(w["routine_id"])): w for w in report["writes"]}
    told = [w for w in told if w.get("columns")]
    missed = []
    for write in told:
        seen = found.get((write["file"], write["line"], _bare(write["routine"])), {"columns": [], "state_columns": []})
        state = write["effect"] == "state"
        columns = set(seen["state_columns" if state else "columns"])
        if not set(write["columns"]) <= columns or (state and set(write["columns"]) != columns):
            missed.append(f"{write['file']}:{write['line']} {write['columns']}, not {sorted(columns)}")
    return Measure("columns", len(told), len(told), missed)


def _verdicts(expected: dict[tuple[str, int, str], str], report: dict[str, Any], here: str = "") -> Measure:
    """How many verdicts are what a reader says, of those that the truth tells."""
    name = _name if here else _bare
    found = {
        (name(v["write"]["routine_id"]), v["write"]["line"], v["effect"]): v["status"]
        for v in report["verdicts"]
        if v["write"]["verb"] not in {"drop", "detach"} and here in ("", v["write"]["file"])
    }
    missed = [f"{key}: {status}, not {found.get(key, 'judged')}" for key, status in expected.items() if found.get(key) != status]
    return Measure("verdicts", len(expected), len(expected), missed)


def _unaccounted(truth: dict[str, Any], report: dict[str, Any], here: str = "") -> Measure:
    """What could not be read, and no truth expects."""
    told = {(u["kind"], u["line"]) for u in truth.get("unknowns", ())}
    seen = [u for u in report["unknowns"] if here in ("", u["file"]) and (u["kind"], u["line"]) not in told]
    return Measure("nothing unaccounted", 1, 1, [f"{u['kind']} {u['file']}:{u['line']} {u['detail']}" for u in seen])


def _writes(truth: dict[str, Any], report: dict[str, Any], here: str) -> Measure:
    expected = Counter(f"{_name(w['function'])} {w['verb']} {_name(w['relation'])}" for w in truth["state_writes"])
    removals = {(_name(r["function"]), r["line"]) for r in truth["removals"]}
    found = Counter(
        f"{_name(w['routine_id'])} {w['verb']} {_name(w['relation'])}"
        for w in report["writes"]
        if w["file"] == here
        and w["effect"] != "other"
        and (_name(w["routine_id"]), w["line"]) not in removals
        and w["verb"] not in {"drop", "detach"}
    )
    return compare("state writes", expected, found)


def _lines(truth: dict[str, Any], report: dict[str, Any], here: str) -> Measure:
    expected = Counter(f"line {w['line']}" for w in truth["state_writes"])
    found = Counter(f"line {w['line']}" for w in report["writes"] if w["file"] == here and w["effect"] != "other")
    missed = sorted((expected - found).elements())
    return Measure("lines of state writes", expected.total(), expected.total(), missed)


def _calls(truth: dict[str, Any], report: dict[str, Any], here: str) -> Measure:
    expected = Counter({f"{_name(c['from'])} -> {_name(c['to'])}": 1 for c in truth["calls"]})
    own = {_name(r["id"]) for r in report["routines"] if r["file"] == here and r["language"] != "python"}
    found = Counter(
        {
            f"{_name(c['from_id'])} -> {_name(c['to_id'])}": 1
            for c in report["calls"]
            if c["file"] == here and c["kind"] in {"direct", "dynamic", "cron"} and _name(c["from_id"]) in own and _name(c["to_id"]) in own
        }
    )
    return compare("calls", expected, found)


def _triggers(truth: dict[str, Any], report: dict[str, Any]) -> Measure:
    expected = Counter(f"{t['name']} {sorted(t['events'])} of {t['of']} {t['function']}" for t in truth["triggers"])
    found = Counter(f"{_name(t['name'])} {sorted(t['events'])} of {t['columns']} {_name(t['function'])}" for t in report["triggers"])
    return compare("triggers", expected, found)


def _python(python: dict[str, Any], report: dict[str, Any]) -> list[Measure]:
    routines = {r["id"] for r in report["routines"] if r["language"] == "python"}
    calls = Counter({f"{c['from']} -> {_name(c['to'])}": 1 for c in python["calls"]})
    seen = {
        f"{c['from_id']} -> {_name(c['to_id']).partition('/')[0]}"
        for c in report["calls"]
        if c["from_id"] in routines and "/" in c["to_id"]
    }
    writes = Counter(f"{w['routine']} {w['verb']} {w['relation']}" for w in python["writes"])
    written = Counter(f"{w['routine_id']} {w['verb']} {_name(w['relation'])}" for w in report["writes"] if w["routine_id"] in routines)
    return [compare("calls from Python", calls, Counter(seen)), compare("writes from Python", writes, written)]


def below(measures: list[Measure]) -> list[str]:
    """The measures that miss their limit, in words."""
    failed = []
    for m in measures:
        recall = {"calls": CALL_RECALL, "verdicts": VERDICTS}.get(m.name, WRITE_RECALL)
        if m.recall < recall:
            failed.append(f"{m.name}: recall {m.recall:.3f} is below {recall}; missed: {', '.join(m.missed)}")
        if m.precision < WRITE_PRECISION:
            failed.append(f"{m.name}: precision {m.precision:.3f} is below {WRITE_PRECISION}; wrong: {', '.join(m.wrong)}")
    return failed


def main() -> int:
    failed: list[str] = []
    jobs: list[tuple[str, Callable[[Any], list[Measure]], Any]]
    jobs = [(file.stem, measure, json.loads(file.read_text("utf-8"))) for file in sorted(TRUTH.glob("*.json"))]
    jobs += [(file.parent.name, measure_blind, file.parent) for file in sorted(TRUTH.glob("blind/*/truth.json"))]
    for name, measured, given in jobs:
        try:
            measures = measured(given)
        except Unreachable as error:
            print(error, file=sys.stderr)
            return 3
        for m in measures:
            counts = f"{m.expected} true, {m.found} found"
            print(f"{name:22} {m.name:22} recall {m.recall:.3f} precision {m.precision:.3f} ({counts})")
        failed += [f"{name}: {line}" for line in below(measures)]
    print("\n".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
