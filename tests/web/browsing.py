"""A person at a browser: a real Chromium on the pages of a real server, and all that it asked."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from playwright.async_api import (
    Browser,
    BrowserContext,
    Error,
    Page,
    Request,
    ViewportSize,
    async_playwright,
    expect,
)

from web.house import House

log = structlog.get_logger(__name__)
WAIT_MS: Final = 30_000
DESKTOP: Final = ViewportSize(width=1280, height=860)
PHONE: Final = ViewportSize(width=390, height=844)
CHROMIUM: Final = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
STANDING: Final = "[document.documentElement.dataset.link, document.hidden]"
expect.set_options(timeout=WAIT_MS)
SHOTS: Final = Path(__file__).parents[2] / ".screenshots"
# Those that the documents show are made again when somebody asks for it.
IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
KEEP_VARIABLE: Final = "DRIFTPIN_KEEP_IMAGES"


@dataclass
class Person:
    """Somebody with a browser of their own, signed in on a server.

    `asked` are all requests that the browser made, `said` what its console and its pages said.
    """

    url: str
    context: BrowserContext
    page: Page
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        """Go to a path of the server."""
        await self.page.goto(self.url + path)

    async def tab(self) -> Page:
        """Open another tab of the same browser."""
        opened = await self.context.new_page()
        self.watch(opened)
        return opened

    def watch(self, page: Page) -> None:
        """Note what a page asks for and says."""
        page.on("request", self._note_request)
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))

    def _note_request(self, request: Request) -> None:
        self.asked.append(request.url)

    async def tell(self) -> None:
        """Write down how things stand, for whoever reads why a test failed."""
        for page in self.context.pages:
            with suppress(Error):
                log.info("page", url=page.url, standing=await page.evaluate(STANDING))
        log.info("asked", urls=self.asked[-40:], said=self.said)

    @property
    def foreign(self) -> list[str]:
        """Everything that was asked of another host."""
        own = urlsplit(self.url).netloc
        return [url for url in self.asked if urlsplit(url).netloc != own]

    async def make_chat(self, title: str, model: str = "offline") -> str:
        """Start a chat on the page of chats, and return its path."""
        await self.go("/")
        await self.page.get_by_label("Title", exact=True).fill(title)
        await self.page.get_by_label("Model").fill(model)
        await self.page.get_by_role("button", name="Start").click()
        await self.page.wait_for_url("**/chats/*")
        return urlsplit(self.page.url).path

    async def say(self, text: str, button: str = "Send") -> None:
        """Send a message on the page of a chat."""
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.get_by_role("button", name=button, exact=True).click()

    async def keep(self, name: str, *, shown: bool = False) -> None:
        """Keep a picture of the page; one that the documents show, only when asked for."""
        SHOTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=SHOTS / f"{name}.png", animations="disabled")
        if shown and os.environ.get(KEEP_VARIABLE):
            shutil.copyfile(SHOTS / f"{name}.png", IMAGES / f"{name}.png")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run one browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def signed_in(
    browser: Browser,
    house: House,
    *,
    is_phone: bool = False,
    is_dark: bool = False,
    port: int | None = None,
) -> AsyncIterator[Person]:
    """Give a person who followed a link that is good once; with `port` through a proxy there."""
    url = house.url if port is None else f"http://127.0.0.1:{port}"
    context = await browser.new_context(
        viewport=PHONE if is_phone else DESKTOP,
        color_scheme="dark" if is_dark else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    person = Person(url=url, context=context, page=page)
    person.watch(page)
    await page.goto(url + await house.make_link())
    await page.get_by_role("button", name="Sign in to driftpin").click()
    await page.wait_for_url(person.url + "/")
    try:
        yield person
    finally:
        await context.close()


__all__ = ["Person", "chromium", "expect", "signed_in"]
