// Ties the page together: times, wallet, dialogs, and what htmx needs to know about polling.

import * as flow from "./flow.js";
import * as session from "./session.js";
import * as times from "./times.js";
import { resume } from "./wallet.js";

const STALE = 10_000; // ms without an answer before the reader is told

times.start();
session.start();
flow.start();
resume();

// ---- polling: an unchanged part answers 304, a failing server is said, not hidden

const etags = new WeakMap();
let heard = Date.now();
let stale = false;

document.body.addEventListener("htmx:configRequest", ({ detail }) => {
  if (detail.verb !== "get") detail.headers["X-CSRFToken"] = document.body.dataset.csrf;
  if (detail.elt.matches("[data-live]")) {
    const key = etags.get(detail.elt);
    if (key?.path === detail.path) detail.headers["If-None-Match"] = key.etag;
  }
});

document.body.addEventListener("htmx:beforeRequest", (event) => {
  // A hidden tab and a reader who selects text are left alone.
  const { elt } = event.detail;
  if (!elt.matches("[data-live]")) return;
  const selection = getSelection();
  const selecting = selection && !selection.isCollapsed && elt.contains(selection.anchorNode);
  if (document.hidden || selecting) event.preventDefault();
});

document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { xhr, elt } = detail;
  if (elt.matches("[data-live]")) return;
  // A refusal is a sentence for where the answer would have stood.
  if (xhr.status >= 400 && xhr.status < 600 && xhr.getResponseHeader("Content-Type")?.startsWith("text/html")) {
    detail.shouldSwap = true;
    detail.isError = false;
  }
});

document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
  const { elt, xhr } = detail;
  if (!elt.matches("[data-live]") || !xhr) return;
  if (xhr.status === 200) {
    const etag = xhr.getResponseHeader("ETag");
    if (etag) etags.set(elt, { path: detail.pathInfo.requestPath, etag });
  }
  if (xhr.status >= 200 && xhr.status < 400) {
    heard = Date.now();
    if (stale) session.notice("");
    stale = false;
  }
});

setInterval(() => {
  if (document.hidden || stale || !document.querySelector("[data-live]")) return;
  if (Date.now() - heard > STALE) {
    stale = true;
    session.notice("No answer from the server for ten seconds: what you see may be old. Trying again…");
  }
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  heard = Date.now();
  htmx.trigger(document.body, "chain-changed");
});

document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
  times.refresh();
  flow.begin(detail.target);
  // A form that came back with errors: on to the first field at fault, which names its message.
  if (detail.xhr?.status === 422) document.querySelector('[aria-invalid="true"]')?.focus();
});

// ---- dialogs: opened when their content has arrived

document.body.addEventListener("htmx:afterSettle", ({ detail }) => {
  const id = detail.requestConfig?.elt?.closest?.("[data-opens]")?.dataset.opens;
  const dialog = id && document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
});
document.getElementById("dialog")?.addEventListener("close", () => {
  document.getElementById("dialog-body").replaceChildren();
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  const fill = event.target.closest("[data-fill]");
  if (!fill) return;
  const field = document.querySelector(fill.dataset.fill);
  field.value = fill.dataset.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
});

// ---- a slider and its number say the same

document.addEventListener("input", ({ target }) => {
  const other = target.dataset?.mirrors ?? target.dataset?.mirror;
  const twin = other && document.querySelector(other);
  if (twin && twin.value !== target.value && target.value !== "") twin.value = target.value;
});
