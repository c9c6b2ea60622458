"""A real browser, headless, driven by the Chrome DevTools Protocol through a pipe."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.helpers.pages import BrowserError, Page, Refused, TooLate

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
BROWSER = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
NO_BROWSER = (
    "a browser is driven through inherited pipes, which Windows has not"
    if sys.platform == "win32"
    else f"no browser: none of {', '.join(NAMES)} is on the PATH"
    if BROWSER is None
    else ""
)
"""Why the tests that need a browser are skipped; empty where they are not."""

OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-extensions",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-allow-origins=none",
)

# The browser reads commands from file descriptor 3 and answers on 4, where subprocess cannot put a pipe.
LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD_CLOEXEC, 10) for end in sys.argv[1:3]]
for end in sys.argv[1:3]:
    os.close(int(end))
for end, number in zip(ends, (3, 4)):
    os.dup2(end, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One process with a profile of its own; ``close`` leaves nothing behind."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tglm-browser-"))
        self.sessions = {}
        self._buffer, self._answers, self._asked = b"", {}, 0
        there_in, here_out = os.pipe()
        here_in, there_out = os.pipe()
        self._in, self._out = here_in, here_out
        profile = f"--user-data-dir={self.folder / 'profile'}"
        launch = [sys.executable, "-I", "-S", "-c", LAUNCH, str(there_in), str(there_out), BROWSER]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*launch, *OPTIONS, profile],
                pass_fds=(there_in, there_out),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"HOME": str(self.folder)},
            )
        os.close(there_in)
        os.close(there_out)
        try:
            self.version = self.send("Browser.getVersion", timeout=60)["product"]
        except BaseException:
            self.close()
            raise

    def close(self):
        """End the browser with all its processes, and delete its profile."""
        with contextlib.suppress(BrowserError, OSError, subprocess.TimeoutExpired):
            self.send("Browser.close", timeout=5)
            self.process.wait(5)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self.folder, ignore_errors=True)

    def page(self, **view):
        """A new empty page; ``view`` is as in ``Page.set_view``."""
        return Page(self, view)

    def post(self, method, session=None, **params):
        """Send a command without waiting for its answer; gives the number of that answer."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": params} | ({"sessionId": session} if session else {})
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        return self._asked

    def send(self, method, session=None, timeout=30, **params):
        """Send a command and give its result."""
        number = self.post(method, session, **params)
        self.read_until(lambda: number in self._answers, timeout, method)
        answer = self._answers[number]
        self._answers.clear()  # those to ``post`` are of no interest
        if "error" in answer:
            raise Refused(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def read_until(self, is_enough, timeout, what):
        """Take in answers and events until a function says that it is enough."""
        deadline = time.monotonic() + timeout
        while not is_enough():
            if b"\0" in self._buffer:
                message, _, self._buffer = self._buffer.partition(b"\0")
                self._take(json.loads(message))
            elif select.select([self._in], [], [], max(0, deadline - time.monotonic()))[0]:
                data = os.read(self._in, 1 << 20)
                if not data:
                    log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
                    raise BrowserError(f"the browser {BROWSER} ended: {log[-2000:]}")
                self._buffer += data
            else:
                raise TooLate(f"{what} did not end within {timeout:.1f} s")

    def _take(self, message):
        if "id" in message:
            self._answers[message["id"]] = message
        elif page := self.sessions.get(message.get("sessionId")):
            page.note(message["method"], message["params"])
