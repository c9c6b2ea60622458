"""The entries as one table in Markdown, line by line, and as JSON."""

from collections.abc import Sequence

from benchmarks.entries import EAGER, IN_BLOCKS, REPLAYED, Entry
from benchmarks.goals import Verdict

COLUMNS = ("work", EAGER, REPLAYED, "others (what of their time we take)", "goals", "beside it")
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def line(entry: Entry, judged: Sequence[Verdict]) -> str:
    """The row of an entry, with what came of its goals."""
    ours = [shown(entry.median(name), entry.unit) if name in entry.times else "" for name in (EAGER, REPLAYED)]
    if IN_BLOCKS in entry.times:
        ours[-1] += f"; in blocks {shown(entry.median(IN_BLOCKS), entry.unit)}"
    others = [f"{name} {shown(entry.median(name), entry.unit)} ({entry.ratio(name):.2f})" for name in entry.others]
    return f"| {' | '.join([entry.title, *ours, '; '.join(others), '; '.join(map(said, judged)), entry.note])} |"


def as_json(entries: Sequence[Entry], judged: Sequence[Verdict]) -> dict[str, object]:
    """All that was found, as plain data."""
    goals = [{**verdict.goal._asdict(), "value": verdict.value, "met": verdict.met} for verdict in judged]
    return {"entries": [entry.to_json() for entry in entries], "goals": goals}


def said(verdict: Verdict) -> str:
    """What came of a goal, in words."""
    goal, by = verdict.goal, abs(verdict.value / verdict.goal.limit - 1)
    what = f"met by {by:.0%}" if verdict.met else f"**missed by {by:.0%}**"
    if goal.against is None:
        return f"{shown(verdict.value, 's')} of {shown(goal.limit, 's')}: {what}"
    return f"{goal.against} {verdict.value:.2f} of {goal.limit:.2f}: {what}"


def shown(value: float, unit: str) -> str:
    """A number with three digits and its unit: 254 us, 1.23 ms, 12.3 MB."""
    steps = {"s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")), "bytes": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))}
    least, name = next(((least, name) for least, name in steps[unit] if value >= least), steps[unit][-1])
    scaled = value / least
    return f"{scaled:.0f} {name}" if scaled >= 100 else f"{scaled:.3g} {name}"
