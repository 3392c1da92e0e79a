"""What a person at a browser waits for, what pages load, and what it costs to keep them live.

A real Chromium on the pages of a real server with a real agent. Shown means painted: the clock runs
from the click until the frame behind the one that the whole page was laid out in.
"""

import gzip
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Locator, Page, async_playwright

from bench.listening import tell_listening
from bench.product import Running, up, workspace
from bench.report import Report, in_turn_ms, median, spread
from driftpin.client import Client
from driftpin.web.assets import read_assets
from driftpin.wire.api import CreateChatRequest

RESOURCES: Final = 500
LINES: Final = 2_000
RUNS: Final = 20
WAIT_MS: Final = 60_000
# The instant of a click outlives the page that was clicked on.
CLOCK: Final = """
addEventListener("click", () => {
  sessionStorage.setItem("clicked", performance.timeOrigin + performance.now());
}, true);
addEventListener("DOMContentLoaded", () => {
  requestAnimationFrame(() => requestAnimationFrame(() => {
    window.shown = performance.timeOrigin + performance.now() - sessionStorage.getItem("clicked");
  }));
});
"""
BADGE: Final = """word => new Promise((tell) => {
  const look = () => {
    const badge = document.querySelector(".name .badge");
    if (badge?.textContent.startsWith(word)) requestAnimationFrame(tell);
    else requestAnimationFrame(look);
  };
  look();
})"""


async def run(report: Report) -> None:
    _weigh_assets(report)
    with workspace(RESOURCES, 2 * 1024) as root:
        long = root / ".agents" / "skills" / "skill-0000" / "reference.md"
        long.write_text(_lines("small"), encoding="utf-8")
        with up(root, root.parent / "state") as running:
            async with Client(running.url, running.token) as client, _browser(running) as page:
                chat = await client.create_chat(
                    CreateChatRequest(workspace_id=running.workspace_id, title="A chat to open")
                )
                path = f"/chats/{chat.id}"
                await _time_panel(report, page, running.url, path)
                await _time_badge(report, page, running, path)
                await _time_diff(report, page, running.url, path, long)
            await tell_listening(report, running, chat.id)


def _lines(size: str) -> str:
    return "".join(
        f"Rule {number}: take {size} steps, each with its tests, and say why.\n"
        for number in range(LINES)
    )


def _weigh_assets(report: Report) -> None:
    report.section("What a page loads beside itself")
    files = read_assets().by_name
    packed = {name: len(gzip.compress(asset.content, 9)) for name, asset in files.items()}
    detail = f"{sum(len(asset.content) for asset in files.values()) / 1024:,.0f} KB as served"
    report.at_most("all assets, gzip -9", sum(packed.values()) / 1024, 300, " KB", detail)


@asynccontextmanager
async def _browser(running: Running) -> AsyncIterator[Page]:
    """Give a page that is signed in."""
    async with async_playwright() as playwright, AsyncExitStack() as stack:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        stack.push_async_callback(browser.close)
        page = await browser.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(WAIT_MS)
        await page.add_init_script(CLOCK)
        async with Client(running.url, running.token) as client:
            link = await client.create_login_link()
        await page.goto(running.url + link.path)
        await page.get_by_role("button", name="Sign in to driftpin").click()
        await page.wait_for_url(running.url + "/")
        yield page


async def _clicked_ms(page: Page, link: Locator, last: Locator) -> float:
    """Return how long it took from a click to the paint of a page that ends with `last`."""
    begun = page.url
    await link.click()
    await page.wait_for_url(lambda url: url != begun)
    shown = await page.wait_for_function("window.shown")
    assert await last.count(), "everything is there"
    return float(await shown.json_value())


async def _time_clicks(
    page: Page, come_from: str, link: Callable[[], Locator], last: Locator
) -> list[float]:
    taken: list[float] = []
    for _ in range(RUNS + 1):
        await page.goto(come_from)
        taken.append(await _clicked_ms(page, link(), last))
    # The first one reads templates.
    return taken[1:]


async def _time_panel(report: Report, page: Page, url: str, path: str) -> None:
    report.section(
        f"From a click to what a chat of {RESOURCES} resources runs on (Chromium, SQLite)"
    )
    listed = page.locator(".resources > li")
    tab = page.get_by_role("link", name="Context", exact=True)
    whole = await _time_clicks(page, url + path, lambda: tab, listed.nth(RESOURCES - 1))
    _tell(report, "context of the chat", whole)
    title = page.get_by_role("link", name="A chat to open")
    beside = await _time_clicks(page, url, lambda: title, listed.nth(RESOURCES - 1))
    _tell(report, "the chat with its panel", beside)


async def _time_badge(report: Report, page: Page, running: Running, path: str) -> None:
    report.section(f"From a saved file to the badge in a browser ({RESOURCES} resources, SQLite)")
    rules = running.directory / "AGENTS.md"
    text = rules.read_text(encoding="utf-8")
    await page.goto(running.url + path)
    await page.evaluate(BADGE, "clean")

    async def edit(number: int) -> None:
        rules.write_text(f"{text}Edit {number}.\n", encoding="utf-8")
        await page.evaluate(BADGE, "dirty")

    async def take_back(_: int) -> None:
        rules.write_text(text, encoding="utf-8")
        await page.evaluate(BADGE, "clean")

    await edit(0)
    await take_back(0)
    appeared, left = await in_turn_ms(edit, take_back, RUNS)
    report.tell("each edit", spread(appeared))
    report.at_most("edit on disk → badge, median", median(appeared), 1_000, " ms")
    report.tell("edit taken back → badge gone", spread(left))


async def _time_diff(report: Report, page: Page, url: str, path: str, long: Path) -> None:
    report.section(f"From a click to a diff of {LINES:,} lines, each of them changed")
    await page.goto(url + path)
    await page.evaluate(BADGE, "clean")
    long.write_text(_lines("little"), encoding="utf-8")
    await page.evaluate(BADGE, "dirty")
    tab = page.get_by_role("link", name="Drift", exact=True)
    rows = page.locator("table.sides tr")
    _tell(
        report, "side by side", await _time_clicks(page, url + path, lambda: tab, rows.nth(LINES))
    )
    form = page.get_by_role("link", name="Unified")
    lines = page.locator("table.unified tr")
    below = await _time_clicks(page, f"{url}{path}/drift", lambda: form, lines.nth(2 * LINES))
    _tell(report, "unified", below)


def _tell(report: Report, name: str, taken_ms: list[float]) -> None:
    report.tell(f"{name}, each click", spread(taken_ms))
    report.at_most(f"{name}, click → shown, median", median(taken_ms), 300, " ms")
