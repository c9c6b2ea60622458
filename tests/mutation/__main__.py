"""Plant each bug in turn and say which check found it; exit code 1 where one survives."""

import sys
import time

from hypothesis import HealthCheck, settings

from tests.mutation import MUTANTS, survives

settings.register_profile("ci", database=None, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("ci")


def main():
    started, alive = time.perf_counter(), []
    for mutant in MUTANTS:
        begun = time.perf_counter()
        finding = survives(mutant)
        if finding is None:
            alive.append(mutant.name)
        verdict = "SURVIVED" if finding is None else f"found by {finding}"
        print(f"{mutant.name:<52} {time.perf_counter() - begun:5.1f} s  {verdict}", flush=True)
    print(f"{len(MUTANTS) - len(alive)} of {len(MUTANTS)} found in {time.perf_counter() - started:.0f} s")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
