"""The page in a real browser: nothing is wrong in its eyes, nothing leaves it, and it can be read by everybody."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from selftests.test_report_page import shown
from spec.pool import POOL_2, POOL_9

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="no chromium or no chromedriver (apt-get install chromium chromium-driver)",
)

PHONE, DESKTOP = 390, 1280  # pixels
CONTRAST = 4.5  # WCAG 2, level AA, of text to what is behind it
# The luminance of each text's colour against the first background behind it that is not transparent.
MEASURE_CONTRAST = """
const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgb = colours => {
  canvas.clearRect(0, 0, 1, 1);
  for (const each of colours) { canvas.fillStyle = each; canvas.fillRect(0, 0, 1, 1); }
  return Array.from(canvas.getImageData(0, 0, 1, 1).data).slice(0, 3);
};
const found = [];
for (const element of document.querySelectorAll("body *:not(svg):not(svg *)")) {
  const own = Array.from(element.childNodes).some(node => node.nodeType === 3 && node.data.trim());
  if (!own || element.closest(".unseen, .skip, thead")) continue;
  const behind = [];
  for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
  const text = luminance(rgb([...behind, getComputedStyle(element).color])), back = luminance(rgb(behind));
  const ratio = (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
  found.push([ratio, element.className + ": " + element.textContent]);
}
return found;
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Give a browser without a window; its profile is in a folder of the test's."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    folder = tmp_path_factory.mktemp("profile")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={folder}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page of a server that fails two clauses."""
    path = tmp_path_factory.mktemp("page") / "verdict.html"
    path.write_text(shown(POOL_2, POOL_9), encoding="utf-8")
    return path


def logged(browser: webdriver.Chrome, kind: str) -> list[dict[str, Any]]:
    """Give what the browser has logged since the last time."""
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def look(browser: webdriver.Chrome, file: Path, *, width: int = DESKTOP, scheme: str = "light") -> None:
    """Open the page on a screen of a width, in light or dark."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    logged(browser, "performance")
    browser.get(file.as_uri())


def test_nothing_is_complained_of_and_nothing_is_asked_of_anybody(browser: webdriver.Chrome, file: Path) -> None:
    look(browser, file)
    assert logged(browser, "browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in logged(browser, "performance")]
    requests = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    asked = [each["request"]["url"] for each in requests if each["documentURL"] == file.as_uri()]
    assert file.as_uri() in asked
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_timeline_is_there_and_the_page_fits(
    browser: webdriver.Chrome, file: Path, width: int, scheme: str
) -> None:
    look(browser, file, width=width, scheme=scheme)
    drawings = browser.find_elements("css selector", "figure .drawing")
    assert len(drawings) == 2
    for drawing in drawings:
        assert drawing.is_displayed()
        assert drawing.get_attribute("role") == "img"
        assert (drawing.get_attribute("aria-label") or "").startswith("Timeline of the pool. 2 children")
        svg = drawing.find_element("tag name", "svg")
        assert svg.size["width"] >= min(width, 600) - 60
        assert svg.size["height"] > 100
        assert {"min_spare 1", "max_spare 2", "11", "12"} <= {
            text.text for text in svg.find_elements("tag name", "text")
        }
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide == browser.execute_script("return document.documentElement.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_from_what_is_behind_it(browser: webdriver.Chrome, file: Path, scheme: str) -> None:
    look(browser, file, scheme=scheme)
    measured = browser.execute_script(MEASURE_CONTRAST)
    assert len(measured) > 50
    assert [each for each in measured if each[0] < CONTRAST] == []


def test_the_keyboard_reaches_the_failures_first_and_then_everything_that_scrolls(
    browser: webdriver.Chrome, file: Path
) -> None:
    look(browser, file)
    body = browser.find_element("tag name", "body")
    body.send_keys("\ue004")  # Tab
    first = browser.switch_to.active_element
    assert first.get_attribute("href") == f"{file.as_uri()}#failures"
    assert first.is_displayed()
    reached = set()
    for _ in range(40):
        reached.add(browser.execute_script("return document.activeElement.className || document.activeElement.tagName"))
        browser.switch_to.active_element.send_keys("\ue004")
    assert {"drawing", "again", "output", "SUMMARY"} <= reached
