"""A page of the browser: keys, the pointer, scripts, pictures, and a record of what went wrong."""

import base64
import contextlib
import json
import time
from pathlib import Path

from tests.helpers.keys import key_event

POINT = """(selector) => {
  const found = document.querySelectorAll(selector);
  if (found.length !== 1) throw new Error(`${found.length} elements are ${selector}, where one is pointed at`);
  found[0].scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
  const box = found[0].getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
  const hit = document.elementFromPoint(x, y);
  if (!found[0].contains(hit)) throw new Error(`${selector} is covered by ${hit?.outerHTML.slice(0, 99)}`);
  return [x, y];
}"""

WAIT = """new Promise((done) => {
  const look = () => { const found = (%s); if (found) done(found); else setTimeout(look, 5); };
  look();
})"""

PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


class BrowserError(Exception):
    """The browser did not do what it was told."""


class Refused(BrowserError):
    """The browser answered with an error, as where a page was left while a script ran in it."""


class TooLate(BrowserError):
    """Something did not come in time."""


class ScriptError(BrowserError):
    """A script threw in the page."""


class Page:
    """One page, and a record of what it did."""

    def __init__(self, browser, view):
        self.browser = browser
        self.console = []
        """What was written on the console by scripts and by the browser: pairs of level and text."""
        self.exceptions = []
        """What was thrown and not caught."""
        self.violations = []
        """What the page's content security policy forbade."""
        self.requests = []
        """The address of every request, in order."""
        self.address = ""
        """What was opened."""
        self._is_time_up = False
        # A tab of one window: a browser context of its own would open another, which takes three times as long.
        self._target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.send("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        browser.sessions[self._session] = self
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.send(f"{domain}.enable")
        # Workers and frames of other origins are targets of their own: they wait until their requests are seen, too.
        self.send("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)
        self.set_view(**view)

    def close(self):
        """Close the page."""
        self.browser.send("Target.closeTarget", targetId=self._target)
        self.browser.sessions = {key: page for key, page in self.browser.sessions.items() if page is not self}

    def send(self, method, timeout=30, **params):
        """Send a command to this page and give its result."""
        return self.browser.send(method, self._session, timeout, **params)

    def set_view(self, width=1000, height=700, scale=1, scheme="light", reduced_motion=False):
        """The window's size in CSS pixels, the device's pixels for one of them, and what the reader prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        prefers = {"color-scheme": scheme, "reduced-motion": "reduce" if reduced_motion else "no-preference"}
        features = [{"name": f"prefers-{name}", "value": value} for name, value in prefers.items()]
        self.send("Emulation.setEmulatedMedia", features=features)

    def open(self, address):
        """Load a file (a path) or an address, and wait until it is loaded and painted."""
        self.address = address.as_uri() if isinstance(address, Path) else address
        result = self.send("Page.navigate", url=self.address)
        if "errorText" in result:
            raise BrowserError(f"{self.address} cannot be opened: {result['errorText']}")
        self.wait_for("document.readyState === 'complete'", timeout=30)
        self.evaluate(PAINTED)

    def evaluate(self, script, *arguments, timeout=30):
        """The value of an expression, awaited if it is a promise; with arguments, of a function called with them."""
        if arguments:
            script = f"({script})({', '.join(map(json.dumps, arguments))})"
        options = {"awaitPromise": True, "returnByValue": True}
        answer = self.send("Runtime.evaluate", timeout, expression=script, **options)
        if found := answer.get("exceptionDetails"):
            thrown = found.get("exception", {})
            raise ScriptError(thrown.get("description") or f"{found['text']} {thrown.get('value', '')}")
        return answer["result"].get("value")

    def wait_for(self, condition, timeout=10):
        """Wait until an expression is true, and give its value."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            # A page that is left while it is asked refuses, and its successor is asked again.
            with contextlib.suppress(Refused, TooLate):
                return self.evaluate(WAIT % condition, timeout=left)
        raise TooLate(f"within {timeout} s this did not become true: {condition}")

    def press(self, *names):
        """Press keys or chords one after the other: ``press("ArrowRight", "Shift+Tab", "a")``."""
        for name in names:
            event = key_event(name)
            down = "keyDown" if event["text"] else "rawKeyDown"
            self.send("Input.dispatchKeyEvent", type=down, **event)
            self.send("Input.dispatchKeyEvent", type="keyUp", **event | {"text": ""})

    def type(self, text):
        """Type a text, key by key."""
        self.press(*("Enter" if letter == "\n" else letter for letter in text))

    def point(self, target):
        """The middle of the one element that a selector means, scrolled into view; a pair of numbers is itself."""
        return target if isinstance(target, tuple) else tuple(self.evaluate(POINT, target))

    def _mouse(self, kind, point, **more):
        self.send("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], **more)

    def move(self, target):
        """Move the pointer to an element or a point."""
        self._mouse("mouseMoved", self.point(target))

    def click(self, target, count=1):
        """Click on an element or a point, which gives it the focus as a click does."""
        point = self.point(target)
        self._mouse("mouseMoved", point)
        for i in range(1, count + 1):
            self._mouse("mousePressed", point, button="left", buttons=1, clickCount=i)
            self._mouse("mouseReleased", point, button="left", clickCount=i)

    def drag(self, start, end, steps=8):
        """Press on one point or element, move to another in steps, and release."""
        (x, y), (to_x, to_y) = self.point(start), self.point(end)
        self._mouse("mouseMoved", (x, y))
        self._mouse("mousePressed", (x, y), button="left", buttons=1, clickCount=1)
        for i in range(1, steps + 1):
            between = x + (to_x - x) * i / steps, y + (to_y - y) * i / steps
            self._mouse("mouseMoved", between, button="left", buttons=1)
        self._mouse("mouseReleased", (to_x, to_y), button="left", clickCount=1)

    def wheel(self, target, dx=0, dy=0):
        """Turn the wheel over an element or a point."""
        self._mouse("mouseWheel", self.point(target), deltaX=dx, deltaY=dy)

    def pass_time(self, milliseconds):
        """Let the page's timers run for so long by its own clock, which takes hardly any time and then stands still."""
        self._is_time_up = False
        self.send("Emulation.setVirtualTimePolicy", policy="advance", budget=milliseconds)
        self.browser.read_until(lambda: self._is_time_up, 30, f"passing {milliseconds} ms")

    def screenshot(self):
        """What is seen in the window, as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def note(self, method, params):
        """Record an event."""
        match method:
            case "Runtime.consoleAPICalled":
                words = (str(each.get("value", each.get("description", ""))) for each in params["args"])
                self.console.append((params["type"], " ".join(words)))
            case "Log.entryAdded":
                entry = params["entry"]
                self.console.append((entry["level"], f"{entry['text']} {entry.get('url', '')}"))
            case "Runtime.exceptionThrown":
                found = params["exceptionDetails"]
                self.exceptions.append(found.get("exception", {}).get("description") or found["text"])
            case "Audits.issueAdded" if params["issue"]["code"] == "ContentSecurityPolicyIssue":
                self.violations.append(params["issue"]["details"]["contentSecurityPolicyIssueDetails"])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(params["url"])
            case "Emulation.virtualTimeBudgetExpired":
                self._is_time_up = True
            case "Target.attachedToTarget":
                child = params["sessionId"]
                self.browser.sessions[child] = self
                for domain in ("Network", "Runtime", "Log"):
                    self.browser.post(f"{domain}.enable", child)
                self.browser.post("Runtime.runIfWaitingForDebugger", child)

    def problems(self, *allowed):
        """What a page should not do: errors, warnings, violations, requests for more than itself and for others.

        Addresses that begin with one of ``allowed`` are not others.
        """
        self.evaluate("0")  # what happened before has been told now
        loud = [f"console {level}: {text}" for level, text in self.console if level in ("error", "warning", "assert")]
        thrown = [f"exception: {text}" for text in self.exceptions]
        forbidden = [f"policy: {details}" for details in self.violations]
        others = [url for url in self.requests if url != self.address and not url.startswith(("data:", *allowed))]
        return loud + thrown + forbidden + [f"request: {url}" for url in others]
