"""Queueing a second, one client on one connection, no worker: one by one, in bulk, and each inside a transaction of the user's."""

from __future__ import annotations

from collections.abc import Iterator

from harness.bed import Bed
from harness.samples import Sample

QUEUED = {
    "one": "one by one",
    "bulk": "in bulk",
    "transaction": "in the user's transaction, with a business row",
}


def spawn(bed: Bed, *, tasks: int, bulk: int) -> Iterator[Sample]:
    before = 0
    for how, variant in QUEUED.items():
        count = bed.count(bulk if how == "bulk" else tasks)
        yield Sample("spawn", variant, "per second", bed.spawn("noop", count, how=how, first=before))
        before += count
    bed.check("business rows", bed.one("select count(*) from business"), bed.count(tasks))
    bed.drain(before)  # all are there, and can be run
