// What happens is a hint: the page, or the turn that is being said, is fetched and drawn anew.
(() => {
  "use strict";

  const GATHER_MS = 60;
  const SPEAK_MS = 150;
  const AGAIN_MS = 3000;
  const NEAR_END_PX = 160;
  const root = document.documentElement;
  const waiting = new Map();

  const byId = (id) => document.getElementById(id);

  // Many hints that come together are one.
  function soon(what, delayMs, act) {
    if (waiting.has(what)) return;
    waiting.set(what, setTimeout(() => {
      waiting.delete(what);
      act();
    }, delayMs));
  }

  function showAnew() {
    soon("page", GATHER_MS, () => {
      const page = byId("page");
      if (page.hasAttribute("hx-get")) htmx.trigger(page, "changed");
    });
  }

  function showWords() {
    soon("words", SPEAK_MS, () => {
      for (const turn of document.querySelectorAll("[data-live]")) htmx.trigger(turn, "spoken");
    });
  }

  // A diff stands still while it is read; it only says that it is no longer of now.
  function tellStale(data) {
    const notice = byId("stale");
    if (!notice || !data) return;
    const payload = JSON.parse(data).payload;
    const moved = "head" in payload && (payload.head || "") !== notice.dataset.head;
    const pinned = "revision" in payload && String(payload.revision) !== notice.dataset.revision;
    if (moved || pinned) notice.hidden = false;
  }

  function setLink(state) {
    root.dataset.link = state;
  }

  // Whoever is too busy to answer now is asked again; what is shown stays, and says that it is old.
  const isBusy = (status) => status === 429 || status >= 500;
  let isListening = false;
  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (sourceElement.id === "page" && isBusy(response.status)) {
      setLink("lost");
      soon("again", AGAIN_MS, showAnew);
    } else if (sourceElement.id === "page" && isListening) setLink("live");
    if (sourceElement.id !== "events" || response.status < 400) return;
    setLink("lost");
    setTimeout(() => location.reload(), AGAIN_MS);
  });

  document.addEventListener("htmx:after:sse:message", (event) => {
    const message = event.detail.message;
    if (event.target.id === "words") showWords();
    if (event.target.id !== "events" || message.event === "closing") return;
    tellStale(message.data);
    showAnew();
  });

  document.addEventListener("htmx:after:sse:connection", (event) => {
    if (event.target.id !== "events") return;
    if (root.dataset.link === "lost") showAnew();
    isListening = true;
    setLink("live");
  });

  document.addEventListener("htmx:before:sse:connection", (event) => {
    if (event.target.id !== "events" || event.detail.connection.attempt === 0) return;
    isListening = false;
    setLink("lost");
  });

  document.addEventListener("htmx:sse:error", (event) => {
    if (event.target.id !== "events") return;
    setLink("lost");
    // Signed out, taken away, or too long ago to go on from: only the whole page can tell.
    if ([401, 404, 410].includes(event.detail.status)) location.reload();
  });

  document.addEventListener("htmx:error", (event) => {
    if (event.target.id === "page") {
      setLink("lost");
      soon("again", AGAIN_MS, showAnew);
    }
    if (event.target.id !== "events") return;
    setLink("lost");
    setTimeout(() => location.reload(), AGAIN_MS);
  });

  // Instants are told in the time of whoever reads them.
  const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

  function tellTimes() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const told = clock.format(new Date(time.dateTime));
      if (time.textContent !== told) time.textContent = told;
    }
  }

  let wasAtEnd = false;
  document.addEventListener("htmx:before:swap", () => {
    wasAtEnd = innerHeight + scrollY > root.scrollHeight - NEAR_END_PX;
  });
  document.addEventListener("htmx:after:swap", () => {
    tellTimes();
    if (wasAtEnd && byId("composer")) byId("composer").scrollIntoView({ block: "end" });
  });

  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (sourceElement.id !== "composer" || !response || response.status >= 400) return;
    sourceElement.reset();
    byId("notice").replaceChildren();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("textarea, input, select");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field?.form) {
      event.preventDefault();
      field.form.requestSubmit(field.form.querySelector("button"));
    } else if (event.key === "/" && !field) {
      const focused = document.querySelector("[data-focus]");
      if (focused) event.preventDefault();
      focused?.focus();
    }
  });

  tellTimes();
  if (!location.search) byId("composer")?.scrollIntoView({ block: "end" });
})();
