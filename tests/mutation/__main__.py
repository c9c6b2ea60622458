"""Plant each bug in turn and say what found it; exit code 1 where a check misses it or fails without it."""

import sys
import time

from tests.mutation import MUTANTS, findings


def main():
    started, missed = time.perf_counter(), 0
    for mutant in MUTANTS:
        begun = time.perf_counter()
        planted, sound = findings(mutant)
        for check, finding in planted.items():
            verdict = finding or "SURVIVED"
            if sound[check]:
                verdict = f"UNSOUND, fails without the bug: {sound[check]}"
            missed += finding is None or sound[check] is not None
            print(f"{mutant.name:<48} {time.perf_counter() - begun:5.1f} s  {check}: {verdict}", flush=True)
    print(f"{len(MUTANTS)} bugs planted, {missed} missed, in {time.perf_counter() - started:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
