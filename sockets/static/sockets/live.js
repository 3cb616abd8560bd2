/**
 * Keeps the admin's list of sockets up to date. Every few seconds it fetches the current page and
 * shows its rows. It pauses while the user works with the rows, and ends when the server no longer
 * shows the list. Without this script the user has to reload the page.
 */

const SECONDS = 5; // from one response to the next request
const TIMEOUT = 20; // seconds

const form = document.getElementById("changelist-form");
const indicator = document.getElementById("sockets-live");
const search = document.getElementById("searchbar");

let lastHtml = ""; // the list as the server last sent it
let updated = new Date();
let hasActions = true; // whether the admin's own script knows the rows
let timer = 0;
let isUpdating = false;

/** Whether rows must not change: the user works with them, or the page is hidden. */
function isBusy() {
  if (document.hidden || form.matches(":active")) return true; // the mouse button is down
  const focused = document.activeElement;
  if (focused === search || (search && search.value !== search.defaultValue)) return true;
  if (focused?.localName === "select" && form.contains(focused)) return true; // it may be open
  if (form.querySelector("input[type=checkbox]:checked")) return true;
  if ([...form.querySelectorAll("select")].some((select) => select.value)) return true;
  const selection = getSelection();
  return !selection.isCollapsed && form.contains(selection.anchorNode);
}

/** @param {"live" | "paused" | "lost" | "ended"} state */
function show(state) {
  const time = updated.toLocaleTimeString(document.documentElement.lang, { hourCycle: "h23" });
  indicator.dataset.state = state;
  indicator.textContent = indicator.dataset[state].replace("{time}", time);
  indicator.hidden = false;
}

/**
 * Fetch the page as the server has it now.
 * @returns {Promise<Document | null | false>} null without a response, false if access has ended
 */
async function fetchPage() {
  let response, text;
  try {
    const signal = AbortSignal.timeout(TIMEOUT * 1000);
    response = await fetch(location.href, { cache: "no-store", signal });
    text = await response.text();
  } catch {
    return null;
  }
  if (response.status >= 500) return null;
  const isSamePath = new URL(response.url).pathname === location.pathname; // else it is the log-in
  if (!isSamePath || !response.ok) return false;
  if (response.redirected && removePageNumber()) return fetchPage();
  return new DOMParser().parseFromString(text, "text/html");
}

/** Go to the first page, because the list has become too short for the current page's number. */
function removePageNumber() {
  const url = new URL(location.href);
  if (!url.searchParams.has("p")) return false;
  url.searchParams.delete("p");
  history.replaceState(null, "", url);
  return true;
}

/** Show the rows, counts and messages of `page`. */
function replace(page) {
  const list = page.getElementById("changelist-form");
  list.querySelector("[name=csrfmiddlewaretoken]")?.remove(); // it differs each time; keep the old
  if (list.innerHTML !== lastHtml) {
    lastHtml = list.innerHTML;
    replaceRows(list);
  }
  const count = page.querySelector("#changelist-search .quiet");
  if (count) search.form.querySelector(".quiet")?.replaceChildren(...count.childNodes);
  for (const filter of page.querySelectorAll("#changelist-filter details")) {
    const title = CSS.escape(filter.dataset.filterTitle);
    const shown = document.querySelector(`#changelist-filter [data-filter-title="${title}"] ul`);
    if (!shown?.contains(document.activeElement)) {
      shown?.replaceChildren(...filter.querySelector("ul").childNodes);
    }
  }
  // Django sends a message to the user only once, so it must be shown now.
  const messages = page.querySelector(".messagelist");
  if (messages) document.getElementById("content").before(messages);
}

function replaceRows(list) {
  const oldLinks = new Set(rows(form).map(linkOf));
  for (const row of rows(list)) row.classList.toggle("sockets-new", !oldLinks.has(linkOf(row)));
  const focused = form.contains(document.activeElement) ? selectorOf(document.activeElement) : "";
  const left = form.querySelector(".results")?.scrollLeft ?? 0;
  form.replaceChildren(form.querySelector("[name=csrfmiddlewaretoken]"), ...list.childNodes);
  form.querySelector(".results")?.scrollTo({ left });
  if (focused) form.querySelector(focused)?.focus({ preventScroll: true });
  hasActions = false;
}

const rows = (list) => [...list.querySelectorAll("#result_list tbody tr")];
const linkOf = (row) => row.querySelector("a")?.getAttribute("href");

/** A selector that finds the same element among new rows: a link by href, an input by value. */
function selectorOf(element) {
  const name = element.localName === "a" ? "href" : element.id ? "id" : "value";
  return `${element.localName}[${name}="${CSS.escape(element.getAttribute(name) ?? "")}"]`;
}

/** Update the list once, and return the new state. */
async function update() {
  if (isBusy()) return "paused";
  const page = await fetchPage();
  if (page === null) return "lost";
  if (!page || !page.getElementById("changelist-form")) return "ended";
  if (isBusy()) return "paused";
  replace(page);
  updated = new Date();
  return "live";
}

/** Update now, and then every few seconds. */
async function updateRegularly() {
  if (isUpdating) return;
  clearTimeout(timer);
  isUpdating = true;
  const state = await update();
  isUpdating = false;
  show(state);
  if (state !== "ended") timer = setTimeout(updateRegularly, SECONDS * 1000);
}

if (form && indicator) {
  // The admin's script binds to the rows that exist when it runs. It is bound to new rows only
  // before the next click, so that it keeps no references to rows that nobody clicked.
  const bindActions = () => {
    const boxes = form.querySelectorAll("tr input.action-select");
    if (!hasActions && boxes.length) window.Actions?.(boxes);
    hasActions = true;
  };
  form.addEventListener("click", bindActions, { capture: true });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && indicator.dataset.state === "paused") updateRegularly();
  });
  show("live");
  timer = setTimeout(updateRegularly, SECONDS * 1000);
}
