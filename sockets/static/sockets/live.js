/**
 * Keeps the admin's list of sockets up to date: every few seconds it fetches the page it is on, and
 * shows that page's rows. It waits while somebody works with the rows that are there, and ends when
 * the server no longer shows them. Without it, reloading does the same.
 */

const SECONDS = 5; // between one answer and the next question
const PATIENCE = 20; // seconds for an answer

const form = document.getElementById("changelist-form");
const sign = document.getElementById("sockets-live");
const search = document.getElementById("searchbar");

let shown = ""; // the list as the server last sent it
let updated = new Date();
let isWired = true; // whether the admin's own script knows the rows that are shown
let timer = 0;
let isLooking = false;

/** Whether rows must stay as they are: somebody works with them, or nobody looks. */
function isBusy() {
  if (document.hidden || form.matches(":active")) return true; // :active is being pressed
  const focused = document.activeElement;
  if (focused === search || (search && search.value !== search.defaultValue)) return true;
  if (focused?.localName === "select" && form.contains(focused)) return true; // it may be open
  if (form.querySelector("input[type=checkbox]:checked")) return true;
  if ([...form.querySelectorAll("select")].some((select) => select.value)) return true;
  const marked = getSelection();
  return !marked.isCollapsed && form.contains(marked.anchorNode);
}

/** @param {"live" | "paused" | "lost" | "ended"} state */
function show(state) {
  const time = updated.toLocaleTimeString(document.documentElement.lang, { hourCycle: "h23" });
  sign.dataset.state = state;
  sign.textContent = sign.dataset[state].replace("{time}", time);
  sign.hidden = false;
}

/** The page as the server has it now; null when it does not answer, false when it shows none. */
async function fetched() {
  let response, text;
  try {
    const signal = AbortSignal.timeout(PATIENCE * 1000);
    response = await fetch(location.href, { cache: "no-store", signal });
    text = await response.text();
  } catch {
    return null;
  }
  if (response.status >= 500) return null;
  const isHere = new URL(response.url).pathname === location.pathname; // and not at the log-in
  if (!isHere || !response.ok) return false;
  if (response.redirected && leaveLostPage()) return fetched();
  return new DOMParser().parseFromString(text, "text/html");
}

/** The list has become shorter than this page's number: go on with its first page. */
function leaveLostPage() {
  const here = new URL(location.href);
  if (!here.searchParams.has("p")) return false;
  here.searchParams.delete("p");
  history.replaceState(null, "", here);
  return true;
}

/** Show what `page` has. */
function replace(page) {
  const list = page.getElementById("changelist-form");
  list.querySelector("[name=csrfmiddlewaretoken]")?.remove(); // a new one each time; ours is good
  if (list.innerHTML !== shown) {
    shown = list.innerHTML;
    replaceRows(list);
  }
  const count = page.querySelector("#changelist-search .quiet");
  if (count) search.form.querySelector(".quiet")?.replaceChildren(...count.childNodes);
  for (const filter of page.querySelectorAll("#changelist-filter details")) {
    const title = CSS.escape(filter.dataset.filterTitle);
    const ours = document.querySelector(`#changelist-filter [data-filter-title="${title}"] ul`);
    if (!ours?.contains(document.activeElement)) {
      ours?.replaceChildren(...filter.querySelector("ul").childNodes);
    }
  }
  // Words for the user that came with this answer come with no other.
  const words = page.querySelector(".messagelist");
  if (words) document.getElementById("content").before(words);
}

function replaceRows(list) {
  const known = new Set(rows(form).map(linkOf));
  for (const row of rows(list)) row.classList.toggle("sockets-new", !known.has(linkOf(row)));
  const focused = form.contains(document.activeElement) ? selectorOf(document.activeElement) : "";
  const left = form.querySelector(".results")?.scrollLeft ?? 0;
  form.replaceChildren(form.querySelector("[name=csrfmiddlewaretoken]"), ...list.childNodes);
  form.querySelector(".results")?.scrollTo({ left });
  if (focused) form.querySelector(focused)?.focus({ preventScroll: true });
  isWired = false;
}

const rows = (list) => [...list.querySelectorAll("#result_list tbody tr")];
const linkOf = (row) => row.querySelector("a")?.getAttribute("href");

/** What finds an element's like among new rows: a link by its address, an input by its value. */
function selectorOf(element) {
  const name = element.localName === "a" ? "href" : element.id ? "id" : "value";
  return `${element.localName}[${name}="${CSS.escape(element.getAttribute(name) ?? "")}"]`;
}

/** Look once: what there is to see, or why not. */
async function look() {
  if (isBusy()) return "paused";
  const page = await fetched();
  if (page === null) return "lost";
  if (!page || !page.getElementById("changelist-form")) return "ended";
  if (isBusy()) return "paused";
  replace(page);
  updated = new Date();
  return "live";
}

/** Look now, and from then on every few seconds. */
async function watch() {
  if (isLooking) return;
  clearTimeout(timer);
  isLooking = true;
  const state = await look();
  isLooking = false;
  show(state);
  if (state !== "ended") timer = setTimeout(watch, SECONDS * 1000);
}

if (form && sign) {
  // The admin's script binds itself to the rows of its time. It gets to know new ones when
  // somebody clicks, ahead of what the click does, so that rows nobody touched leave no trace.
  const wire = () => {
    const boxes = form.querySelectorAll("tr input.action-select");
    if (!isWired && boxes.length) window.Actions?.(boxes);
    isWired = true;
  };
  form.addEventListener("click", wire, { capture: true });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && sign.dataset.state === "paused") watch();
  });
  show("live");
  timer = setTimeout(watch, SECONDS * 1000);
}
