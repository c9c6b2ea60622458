"""Where ``tinygrad-lm`` and ``python -m tinygrad_lm`` start: Ctrl-C is heard before anything heavy is imported."""

import sys


def main() -> int:
    """Run the command that this process was started with; the exit code."""
    try:
        from tinygrad_lm.interrupts import Later

        with Later():
            from tinygrad_lm import cli
        code = cli.main()
    except KeyboardInterrupt:
        print("tinygrad-lm: interrupted", file=sys.stderr)
        code = 130
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said: only Python's own shutdown is left
    return code


if __name__ == "__main__":
    sys.exit(main())
