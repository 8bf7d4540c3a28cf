"""The result of the parent workflow, as a person likes to read it."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tollway.demo.library import Measures, summed

ROWS = 12
BAR = 14
WIDE = 100
EIGHTHS = " ▏▎▍▌▋▊▉█"


def show_report(console: Console, packages: Sequence[Measures], title: str) -> None:
    """The largest packages, the rest, and all of them."""
    ranked = sorted(packages, key=lambda package: package["lines"], reverse=True)
    top, rest = ranked[:ROWS], ranked[ROWS:]
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("package", style="cyan", no_wrap=True)
    for name in ("files", "lines"):
        table.add_column(name, justify="right", no_wrap=True)
    wide = console.width >= WIDE
    if wide:
        table.add_column("", width=BAR, style="cyan", no_wrap=True)
    for name in ("functions", "classes"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("longest function")
    for package in top:
        _add(table, package, [bar(package["lines"], top[0]["lines"])] * wide)
    if rest:
        table.add_section()
        _add(table, summed(f"{len(rest)} more", list(rest)), [""] * wide)
    table.add_section()
    _add(table, summed(f"all {len(ranked)}", list(packages)), [""] * wide, style="bold")
    console.print(table)


def bar(value: int, largest: int) -> str:
    """A bar of eighths of a character."""
    eighths = round(value / max(largest, 1) * BAR * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _add(table: Table, measures: Measures, drawn: Sequence[str], style: str | None = None) -> None:
    numbers = [f"{measures[name]:,}" for name in ("files", "lines")]
    more = [f"{measures[name]:,}" for name in ("functions", "classes")]
    longest = measures["longest"]
    function = f"{longest['lines']:>4}  {longest['name']}  [dim]{longest['path']}[/]" if longest["lines"] else ""
    table.add_row(measures["name"], *numbers, *drawn, *more, one_line(function), style=style)


def one_line(markup: str) -> Text:
    """A cell that is cut off where it does not fit, so that the others need not be."""
    text = Text.from_markup(markup, overflow="ellipsis")
    text.no_wrap = True
    return text
