"""Drive the page of `vsfdat try` in headless Chromium: python -m tests.bench.try_page FOLDER [PAGE].

Needs `chromium` and `chromedriver`. Without a page it makes one of drawn pictures. Each check fails with what it saw;
screenshots in light and dark, at a desktop's and a phone's width, go into the folder, to be looked at.
"""

import base64
import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vsfdat.trial.page import Facts, Scene, build_page
from vsfdat.trial.stills import PLAIN

_SIZES = {"desktop": (1400, 1100, False), "phone": (390, 844, True)}
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_KEYS = {"Tab": "\ue004", "Home": "\ue011", "End": "\ue010", "Left": "\ue012", "Right": "\ue014"}


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    page = Path(sys.argv[2]) if len(sys.argv) > 2 else _make_page(folder / "page.html")
    for width_name, size in _SIZES.items():
        for scheme in ("light", "dark"):
            with _browser(*size, scheme) as browser:
                browser.open(page)
                _look(browser, scheme)
                browser.screenshot(folder / f"{width_name}_{scheme}.png")
                if size[2]:
                    _touch(browser)
                else:
                    _drag(browser)
                    _zoom(browser)
                    _type(browser)
                    browser.screenshot(folder / f"{width_name}_{scheme}_after.png")
                assert browser.errors() == [], browser.errors()
                print(f"{width_name}, {scheme}: as it should be", flush=True)


def _look(browser: "Browser", scheme: str) -> None:
    assert (
        browser.run("return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length")
        == 0
    )
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), "wider than the window"
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) > 380) == (scheme == "light"), ground
    assert browser.run("return [...document.querySelectorAll('.layer img')].every(i => i.naturalWidth > 0)")
    small = browser.run(
        "return [...document.querySelectorAll('button, select')].filter(e => e.offsetHeight < 40).map(e => e.id)"
    )
    assert small == [], f"too small to touch: {small}"


def _drag(browser: "Browser") -> None:
    left, top, width, height = browser.box("stage")
    browser.drag((left + width // 2, top + height // 2), (left + width // 4, top + 30))
    assert abs(browser.divider() - 25) <= 1, browser.divider()
    browser.drag((left + 3 * width // 5, top + 40), (left + 7 * width // 10, top + 60))  # not by its handle
    assert abs(browser.divider() - 70) <= 1, browser.divider()
    clip = browser.run("return document.getElementById('right-layer').style.clipPath")
    assert abs(float(clip.split()[-1].rstrip("%)")) - 70) <= 1, clip


def _zoom(browser: "Browser") -> None:
    left, top, width, height = browser.box("stage")
    fits = browser.zoom()
    browser.wheel((left + width // 4, top + height // 4), -600)
    assert browser.zoom() > 2 * fits, browser.zoom()
    before, divider = browser.place(), browser.divider()
    browser.drag((left + 50, top + 50), (left + 20, top + 30))
    moved = [one - other for one, other in zip(browser.place(), before, strict=True)]
    assert (moved, browser.divider()) == ([-30, -20], divider), moved
    browser.drag((left + 50, top + 50), (left + width - 10, top + height - 10))
    assert browser.place() == [0, 0], "its edge came in"
    browser.click("fit")
    assert browser.zoom() == fits
    browser.click("in")
    assert browser.zoom() > fits
    browser.click("out")
    assert browser.zoom() == fits, browser.zoom()


def _type(browser: "Browser") -> None:
    browser.run("document.getElementById('right').focus()")
    browser.type(_KEYS["Tab"], _KEYS["Tab"])  # past the picture
    assert browser.run("return document.activeElement.id") == "divider"
    ring = browser.run("return getComputedStyle(document.activeElement, '::after').outlineStyle")
    assert ring == "solid", f"no focus ring: {ring}"
    browser.type(_KEYS["Home"])
    assert browser.divider() == 0
    browser.type(_KEYS["Right"], _KEYS["Right"])
    assert browser.divider() == 4, browser.divider()
    browser.type(_KEYS["End"], _KEYS["Left"])
    assert browser.divider() == 98, browser.divider()
    fits = browser.zoom()
    browser.type("+")
    assert browser.zoom() > fits
    browser.type("0")
    assert browser.zoom() == fits
    sides = browser.run("return [left.value, right.value]")
    browser.type("x")
    assert browser.run("return [right.value, left.value]") == sides
    pressed = "return [...document.querySelectorAll('#moments button')].findIndex(b => b.ariaPressed === 'true')"
    browser.type(*"[" * 24)
    assert browser.run(pressed) == 0
    browser.type("]")
    assert browser.run(pressed) == 1
    browser.type(*[_KEYS["Left"]] * 20)
    assert browser.divider() == 58, browser.divider()


def _touch(browser: "Browser") -> None:
    browser.run("scrollTo(0, 0)")
    left, top, width, height = browser.box("stage")
    browser.drag((left + width // 2, top + height // 2), (left + width // 5, top + height // 2), "touch")
    assert abs(browser.divider() - 20) <= 1, browser.divider()
    fits, middle = browser.zoom(), top + height // 2
    browser.pinch((left + width // 2, middle), 40, 120)
    assert browser.zoom() > 1.5 * fits, (fits, browser.zoom())
    browser.click("fit")


class Browser:
    """A session of WebDriver's, by its own protocol."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}/session"
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        wanted = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
        self._base += "/" + self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def quit(self) -> None:
        self._ask("DELETE", "")

    def emulate(self, width: int, height: int, is_phone: bool, scheme: str) -> None:
        ratio = 3 if is_phone else 1
        size = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": is_phone}
        self._tell("Emulation.setDeviceMetricsOverride", size)
        self._tell("Emulation.setTouchEmulationEnabled", {"enabled": is_phone})
        self._tell("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def open(self, page: Path) -> None:
        self._ask("POST", "/url", {"url": page.absolute().as_uri()})
        time.sleep(1)

    def run(self, script: str) -> Any:
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def screenshot(self, path: Path) -> None:
        self.run("scrollTo(0, 0)")
        size = self.run("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        picture = self._tell("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(picture["data"]))

    def box(self, name: str) -> list[int]:
        return list(map(round, self.run(f"const b = document.getElementById('{name}').getBoundingClientRect();"
                                        "return [b.left, b.top, b.width, b.height]")))  # fmt: skip

    def divider(self) -> int:
        return int(self.run("return document.getElementById('divider').getAttribute('aria-valuenow')"))

    def zoom(self) -> int:
        return int(self.run("return document.getElementById('zoom').textContent").rstrip(" %"))

    def place(self) -> list[int]:
        moved = self.run("return document.getElementById('left-picture').style.transform")
        return [round(float(part)) for part in moved[len("translate(") : moved.index(")")].replace("px", "").split(",")]

    def click(self, name: str) -> None:
        found = self._ask("POST", "/element", {"using": "css selector", "value": f"#{name}"})[_ELEMENT]
        self._ask("POST", f"/element/{found}/click", {})

    def type(self, *keys: str) -> None:
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keys", "actions": actions})

    def drag(self, begin: tuple[int, int], end: tuple[int, int], kind: str = "mouse") -> None:
        self._act(_finger("finger", kind, begin, end))

    def pinch(self, middle: tuple[int, int], begin: int, end: int) -> None:
        x, y = middle
        sides = {side: ((x + side * begin // 2, y), (x + side * end // 2, y)) for side in (-1, 1)}
        self._act(*(_finger(f"finger{side}", "touch", *way) for side, way in sides.items()))

    def wheel(self, point: tuple[int, int], distance: int) -> None:
        turn = {"type": "scroll", "x": point[0], "y": point[1], "deltaX": 0, "deltaY": distance}
        self._act({"type": "wheel", "id": "wheel", "actions": [turn]})

    def _act(self, *sources: dict[str, Any]) -> None:
        self._ask("POST", "/actions", {"actions": list(sources)})
        self._ask("DELETE", "/actions")
        time.sleep(0.2)

    def _tell(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(self._base + path, data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.load(answer)["value"]


def _finger(name: str, kind: str, begin: tuple[int, int], end: tuple[int, int]) -> dict[str, Any]:
    """Word a pointer that goes down, moves and comes up."""
    ends = [
        {"type": "pointerMove", "duration": duration, "x": x, "y": y} for duration, (x, y) in ((0, begin), (200, end))
    ]
    down, up = ({"type": action, "button": 0} for action in ("pointerDown", "pointerUp"))
    return {
        "type": "pointer", "id": name, "parameters": {"pointerType": kind}, "actions": [ends[0], down, ends[1], up],
    }  # fmt: skip


@contextlib.contextmanager
def _browser(width: int, height: int, is_phone: bool, scheme: str) -> Iterator[Browser]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(["chromedriver", f"--port={port}", "--log-level=OFF"], stdout=subprocess.DEVNULL) as driver:
        try:
            _wait_for(port)
            browser = Browser(port)
            try:
                browser.emulate(width, height, is_phone, scheme)
                yield browser
            finally:
                browser.quit()
        finally:
            driver.terminate()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.2)
    raise TimeoutError("chromedriver does not answer")


def _make_page(path: Path) -> Path:
    """Make a page of drawn pictures, larger than the parts of them that are shown."""
    rows, columns = np.mgrid[:1080, :1920]
    waves = np.stack([np.sin(rows / 7 + columns**2 / 9e4), np.cos(columns / 5), np.sin((rows + columns) / 11)], -1)
    sharp = np.uint8(127 + 120 * waves)
    scenes = [
        Scene(
            why,
            f"0:00:0{place}.0",
            {PLAIN: np.roll(sharp // 2 + 64, place * 90, 1), "sharp": sharp, "other": 255 - sharp},
        )
        for place, why in enumerate(("busiest", "darkest", "typical"))
    ]
    notes = {"sharp": "0.5 s a frame", "other": "0.1 s a frame; 81.2 SSIMULACRA2, 38.15 dB XPSNR"}
    facts = Facts("film.mkv", "960×540 to 1920×1080", "All 240 frames by sharp: about 2 min and 12 MB", "Here.", notes)
    path.write_text(build_page(facts, scenes), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
