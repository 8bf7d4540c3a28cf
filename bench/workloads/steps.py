"""Steps a second: many workflows of ten steps at once, and one workflow alone."""

from __future__ import annotations

from collections.abc import Iterator

from harness.bed import CONCURRENCY, Bed
from harness.samples import Sample
from harness.system import steps_of


def steps(bed: Bed, *, workflows: int, each: int = 10, kind: str = "steps", workload: str = "steps") -> Iterator[Sample]:
    """In steps a second; ten-step workflows a second are a tenth of it."""
    count = bed.count(workflows)
    bed.spawn(kind, count, body=each)
    seconds = bed.drain(count)
    bed.check_steps(count * each)
    bed.check_results(kind, count, str(steps_of(each)))
    variant = f"one worker, concurrency {CONCURRENCY}" if workflows > 1 else f"one workflow of {each} steps"
    yield Sample(workload, variant, "per second", count * each / seconds)
    if workflows == 1:  # what bounds it, of the same minute
        yield Sample(workload, "one connection's commits, right after it", "per second", bed.commits_per_second())
