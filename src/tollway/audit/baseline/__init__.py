"""Findings that are known: a file of fingerprints, so that a scan reports what is new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tollway.audit.config import Requirement
from tollway.audit.errors import ConfigError
from tollway.audit.model import Finding

VERSION = 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """The fingerprints of what is known, and the effects that were required by inference when it was written.

    These stay required: else a second bypass, which makes the effect rarer, would end the inference and hide itself.
    """

    fingerprints: frozenset[str] = frozenset()
    inferred: tuple[Requirement, ...] = ()


def write(file: Path, findings: Sequence[Finding], inferred: Sequence[Requirement] = ()) -> None:
    """Write the findings down; each with what it says, for the reader of a diff.

    Raises:
        ConfigError: the file cannot be written.
    """
    told = [{"fingerprint": f.fingerprint, "id": f.id, "message": f.message} for f in findings]
    document: dict[str, object] = {"version": VERSION, "findings": sorted(told, key=lambda f: (f["id"], f["fingerprint"]))}
    if inferred:
        document["inferred"] = [asdict(need) for need in inferred]
    text = json.dumps(document, indent=1)
    try:
        file.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}", "name a file in a folder that can be written") from error


def read(file: Path) -> Baseline:
    """What a file has.

    Raises:
        ConfigError: it is missing, or no baseline of this version.
    """
    try:
        document = json.loads(file.read_text("utf-8"))
        if document["version"] != VERSION:
            raise ConfigError(f"{file}: baseline version {document['version']!r}, not {VERSION}", "write it again: tollway audit baseline")
        inferred = tuple(
            Requirement(need["effect"], need["kind"], need["target"], *(tuple(need[part]) for part in ("tables", "verbs", "states")))
            for need in document.get("inferred", ())
        )
        return Baseline(frozenset(str(f["fingerprint"]) for f in document["findings"]), inferred)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}", "write one: tollway audit baseline") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{file}: not a baseline", "write it again: tollway audit baseline") from error
