"""Run the suite with the arithmetic of other processors: ``python -m tests.machines [arguments of pytest]``.

OpenBLAS, in NumPy's wheels, has kernels of its own for each family of processors, and NumPy has loops for each level of
vector instructions; they round differently. Here each of them runs that this processor can, which the summary names. On
Linux, where there is a C compiler, so does ``other_kernels.c``, which stands in for all that cannot run here: products
summed in another order, elementary functions that differ in the last digit.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CORES = ("", "Haswell", "SkylakeX", "Cooperlake", "SapphireRapids", "Zen", "Sandybridge", "Nehalem", "Prescott")
"""Values of OPENBLAS_CORETYPE; without one OpenBLAS chooses for itself."""
SOURCE = Path(__file__).with_name("other_kernels.c")
PROBE = """
import numpy as np
from threadpoolctl import threadpool_info
x = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
assert np.isfinite(x @ x).all() and np.isfinite(x @ x[0]).all()
found = [library["architecture"] for library in threadpool_info() if "architecture" in library]
levels = np.show_config(mode="dicts").get("SIMD Extensions", {})
print(*found, "|", *levels.get("found", ()))
"""


def machines(folder):
    """What each machine is called, and the environment variables that make it."""
    for core in CORES:
        yield f"OPENBLAS_CORETYPE={core}" if core else "as it is", {"OPENBLAS_CORETYPE": core} if core else {}
    levels = probed({}).partition("|")[2].split()
    if levels:
        yield "NumPy's plainest loops", {"NPY_DISABLE_CPU_FEATURES": " ".join(levels)}
    compiler = shutil.which("cc")
    if sys.platform == "linux" and compiler:
        library = Path(folder) / "other_kernels.so"
        # A multiplication and an addition in one rounding, as every kernel of the last ten years has it.
        fused = ["-mfma"] if platform.machine() == "x86_64" else []
        subprocess.run([compiler, "-O2", *fused, "-fPIC", "-shared", "-o", library, SOURCE, "-ldl", "-lm"], check=True)
        variables = {"LD_PRELOAD": str(library)}
        if levels:
            variables["NPY_DISABLE_CPU_FEATURES"] = " ".join(levels)
        yield "other_kernels.c", variables


def probed(variables):
    """The kernels that really run, and NumPy's levels of vector instructions; empty where they cannot run here."""
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def main(arguments):
    outcomes, ran = [], {}
    with tempfile.TemporaryDirectory(prefix="machines-") as folder:
        for name, variables in machines(folder):
            found = probed(variables)
            if not found:
                outcomes.append((name, "", "this processor cannot run them"))
                continue
            kernels = found.partition("|")[0].strip() or "an unknown BLAS"
            earlier = ran.setdefault((kernels, *sorted(set(variables) - {"OPENBLAS_CORETYPE"})), name)
            if earlier != name:
                outcomes.append((name, kernels, f"the same kernels as {earlier}"))
            else:
                print(f"== {name}: kernels {kernels}", flush=True)
                command = [sys.executable, "-m", "pytest", *arguments]
                code = subprocess.run(command, env=os.environ | variables, check=False).returncode
                outcomes.append((name, kernels, "passed" if code == 0 else f"FAILED, exit code {code}"))
    for row in outcomes:
        print("{:<36}{:<16}{}".format(*row))
    return 1 if any(outcome.startswith("FAILED") for _, _, outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
