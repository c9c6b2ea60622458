"""How fast this package is beside others, in one table.

    python -m benchmarks                      all rows
    python -m benchmarks --rows mlp,lstm      some of them
    python -m benchmarks --json FILE          all numbers as JSON, too
    python -m benchmarks --smoke              tiny sizes and nobody else, in seconds: that all of it runs

All contestants of a row work in one process, in turns, on one core with one BLAS thread, on the same batches from the
same weights; losses that disagree after 20 steps are told. A time is the median of the rounds, a ratio the median of
the rounds' ratios. What cannot be measured in company (what collects garbage, imports, memory) has processes of its
own, in turns as well. The others are those of benchmarks/requirements.txt; what is not installed is left out.
"""

import argparse
import itertools
import json
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks import goals, machine, table
from benchmarks.contestants import peers
from benchmarks.entries import Entry
from benchmarks.rows import ROWS, entries
from benchmarks.timing import TINY, Effort


def main(words: list[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=chosen, default=list(ROWS), help=f"which, of {','.join(ROWS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, and nobody else")
    options = parser.parse_args(words)
    effort = TINY if options.smoke else Effort()
    if not effort.tiny:
        machine.pin()
    found: list[Entry] = []
    judged: list[goals.Verdict] = []
    print(table.HEAD)
    with threadpool_limits(1):
        for entry in itertools.chain.from_iterable(entries(row, effort) for row in options.rows):
            came = [] if effort.tiny else goals.verdicts(entry)
            print(table.line(entry, came), flush=True)
            found.append(entry)
            judged += came
        about = machine.about(peers.PEERS)
    left_out = peers.left_out(effort)
    print("", machine.told(about), *left_out, sep="\n")
    if options.json is not None:
        whole = {**about, "left_out": left_out, **table.as_json(found, judged)}
        options.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def chosen(words: str) -> list[str]:
    """The rows that are named, with commas between them."""
    names = words.split(",")
    if unknown := [name for name in names if name not in ROWS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no row; there are {', '.join(ROWS)}")
    return names


if __name__ == "__main__":
    main()
