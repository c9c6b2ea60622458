"""Plant each bug in turn and say what found it; exit code 1 where a check misses it or fails without it."""

import sys
import time

from tests.mutation import MUTANTS, findings, unplanted


def main():
    started, missed = time.perf_counter(), 0
    for mutant in MUTANTS:
        begun = time.perf_counter()
        for check, finding in findings(mutant).items():
            verdict, sound = finding or "SURVIVED", unplanted(check)
            if sound:
                verdict = f"UNSOUND, fails without the bug: {sound}"
            missed += finding is None or sound is not None
            print(f"{mutant.name:<48} {time.perf_counter() - begun:5.1f} s  {check}: {verdict}", flush=True)
    print(f"{len(MUTANTS)} bugs planted, {missed} missed, in {time.perf_counter() - started:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
