/** The plant shelf. It uses every action of the server's `PlantConsumer`. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { hue, person } from "demo/people";

const $ = (id) => document.getElementById(id);
const me = $("plants").dataset.me; // empty for guests
const socket = new SocketClient(location.pathname, { dialect: "action" });
const LIMIT = 8;

let offset = 0; // of the page that is shown
let latest = 0; // counts the requests for a list
let plant = null; // the selected one
let saving = false; // whether the form was sent and is not answered yet

// The connection

showConnection(socket, $("connection"));
socket.subscribe((now) => list(now));
socket.on("close", ({ reason, reconnect }) => {
  if (reconnect) return;
  $("error").querySelector("p").textContent = reason;
  $("error").hidden = false;
});

/** Send a request. Show an error if there is one, and return `undefined` then. */
async function ask(action, data, options) {
  showNotice();
  try {
    return await socket.request(action, data, options);
  } catch (error) {
    showError(error);
  }
}

function showError({ status, message, detail }) {
  if (status === 404) {
    message = `${plant?.name ?? "This plant"} was removed by another user.`;
    close();
    showPageAt(offset);
  }
  showNotice({ problem: message });
  if (status === 403 && !me) $("problem").replaceChildren("You are a guest. Please ", logInLink(), " to do this.");
  if (status === 400 && !$("form").hidden) showFieldErrors(detail);
}

function showNotice({ news = "", problem = "" } = {}) {
  $("news").textContent = news;
  $("problem").textContent = problem;
}

function logInLink() {
  const link = document.createElement("a");
  link.href = `/login/?next=${location.pathname}`;
  link.textContent = "log in";
  return link;
}

// list

/** Load and show a page of the shelf. Only the answer to the latest request is shown. */
async function list(via = socket) {
  const number = (latest += 1);
  $("shelf").ariaBusy = true;
  const page = await via.request("list", { query: searchQuery(), limit: LIMIT, offset }, { retry: true });
  if (number !== latest) return;
  if (offset && !page.results.length) return showPageAt(LIMIT * (Math.ceil(page.count / LIMIT) - 1));
  $("shelf").ariaBusy = false;
  showPage(page);
}

function searchQuery() {
  return Object.fromEntries(new FormData($("find")));
}

function showPageAt(start) {
  offset = Math.max(0, start);
  return list().catch(({ message }) => {
    $("shelf").ariaBusy = false;
    showNotice({ problem: message });
  });
}

$("find").oninput = () => showPageAt(0);
$("find").onsubmit = (event) => event.preventDefault();
$("all").onclick = () => {
  $("find").reset();
  $("find").search.focus();
  showPageAt(0);
};
$("back").onclick = () => showPageAt(offset - LIMIT);
$("next").onclick = () => showPageAt(offset + LIMIT);

function showPage({ count, results }) {
  $("shelf").replaceChildren(...results.map(createPot));
  $("shelf").hidden = !count;
  $("none").hidden = count > 0;
  $("bounds").textContent = count ? `${offset + 1}–${offset + results.length} of ${count}` : "Nothing found";
  $("back").disabled = offset === 0;
  $("next").disabled = offset + results.length >= count;
  $("start").disabled = !count;
}

function createPot(row) {
  const element = $("pot-template").content.firstElementChild.cloneNode(true);
  const button = element.firstElementChild;
  button.dataset.id = row.id;
  button.onclick = () => choose(row);
  paint(button, row);
  return element;
}

function paint(element, { id, name, kind, thirsty, due, owner }) {
  element.classList.toggle("thirsty", thirsty);
  element.style.setProperty("--hue", hue(owner));
  element.style.setProperty("--hue-of-flower", 290 + ((id * 67) % 150)); // not green, like the leaves
  element.querySelector(".green").setAttribute("href", `#${kind}`);
  if (!element.matches(".plant")) return;
  element.querySelector(".name").textContent = name;
  element.querySelector(".due").textContent = thirsty ? "needs water" : days(due);
  element.ariaPressed = id === plant?.id;
}

const dayFormat = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function days(date) {
  return dayFormat.format(Math.ceil((new Date(date) - Date.now()) / 86_400_000), "day");
}

function potOf({ id }) {
  return $("shelf").querySelector(`[data-id="${id}"]`);
}

// retrieve

async function choose(row) {
  plant = row;
  const found = await ask("retrieve", { pk: row.id }, { retry: true });
  if (!found || plant?.id !== found.id) return;
  show(found);
  $("panel-title").focus();
}

/** Show a plant in the panel, and update it on the shelf. */
function show(row) {
  plant = row;
  $("panel-title").textContent = row.name;
  $("owner").replaceChildren(person(row.owner));
  $("species").textContent = row.species || "unknown";
  $("due").textContent = row.thirsty ? "needed now" : days(row.due);
  if (me) {
    $("place").value = row.place;
    setConfirming(false);
  }
  paint($("view"), row);
  if (potOf(row)) paint(potOf(row), row);
  open("view");
}

/** Show a changed plant, in the panel only if it is still selected. */
function update(row) {
  if (plant?.id === row.id) show(row);
  else if (potOf(row)) paint(potOf(row), row);
}

/** Show the plant or the form in the panel, or neither. */
function open(part) {
  for (const id of ["view", "form"]) $(id).hidden = id !== part;
  $("hint").hidden = Boolean(part);
  $("close").hidden = part !== "view";
  for (const button of $("shelf").querySelectorAll(".plant")) {
    button.ariaPressed = Number(button.dataset.id) === plant?.id;
  }
}

function close() {
  plant = null;
  $("panel-title").textContent = "No plant selected";
  $("panel-title").focus();
  open();
}

/** Go back from the form to the plant, or from the plant to the shelf. */
function leave() {
  const [row, wasForm] = [plant, !$("form").hidden];
  showNotice();
  if (row && wasForm) {
    show(row);
    $("edit").focus();
  } else {
    close();
    (row ? potOf(row) : $("add"))?.focus();
  }
}

$("close").onclick = $("stop").onclick = leave;
$("panel").onkeydown = ({ key }) => {
  if (key === "Escape" && $("hint").hidden) leave();
};

// water and patch: the buttons of the panel

$("water").onclick = async () => {
  const watered = await ask("water", { pk: plant.id });
  if (!watered) return;
  update(watered);
  showNotice({ news: `${watered.name} is watered. Next watering: ${days(watered.due)}.` });
};

if (me) {
  $("place").onchange = async ({ target }) => {
    const moved = await ask("patch", { pk: plant.id, data: { place: target.value } });
    if (!moved) return plant && (target.value = plant.place);
    update(moved);
    showNotice({ news: `${moved.name} is now in the ${moved.place}.` });
  };

  // create and update

  $("add").onclick = () => {
    plant = null;
    edit({ name: "", species: "", kind: "leafy", place: "kitchen", water_every: 7 }, "A new plant");
  };
  $("edit").onclick = () => edit(plant, `Edit ${plant.name}`);

  $("form").onsubmit = async (event) => {
    event.preventDefault();
    if (saving) return;
    saving = true;
    showFieldErrors([]);
    const data = Object.fromEntries(new FormData($("form")));
    const saved = plant ? await ask("update", { pk: plant.id, data }) : await ask("create", { data });
    saving = false;
    if (!saved) return;
    await showPageAt(offset);
    show(saved);
    showNotice({ news: `${saved.name} is saved.` });
    $("panel-title").focus();
  };

  // delete: the second press confirms it

  $("remove").onclick = async () => {
    if (!("confirming" in $("remove").dataset)) return setConfirming(true);
    const { id, name } = plant;
    if ((await ask("delete", { pk: id })) === undefined) return;
    close();
    await showPageAt(offset);
    showNotice({ news: `${name} is removed.` });
  };
  $("remove").onblur = () => setConfirming(false);
}

function setConfirming(isOn) {
  if (isOn) $("remove").dataset.confirming = "";
  else delete $("remove").dataset.confirming;
  $("remove").textContent = isOn ? `Really remove ${plant.name}?` : "Remove";
}

function edit(row, title) {
  showNotice();
  showFieldErrors([]);
  for (const field of fields()) field.value = row[field.name];
  $("panel-title").textContent = title;
  open("form");
  $("form").elements.name.focus();
}

function fields() {
  return [...$("form").elements].filter(({ name }) => name);
}

/** Show each error at its field. `details` is a list of DRF's errors by field. */
function showFieldErrors(details) {
  const errors = Object.assign({}, ...details);
  for (const field of fields()) {
    $(`${field.name}-error`).textContent = errors[field.name]?.join(" ") ?? "";
    field.ariaInvalid = field.name in errors;
  }
  const wrong = fields().find(({ name }) => name in errors);
  if (!wrong) return;
  showNotice({ problem: "Not saved. See the errors below." });
  wrong.focus();
}

// ask_gardener: the answer takes three seconds, and other requests work in the meantime

$("ask").onclick = async () => {
  const { id, name } = plant;
  const [answer, title, text] = ["li", "strong", "p"].map((tag) => document.createElement(tag));
  title.textContent = name;
  text.textContent = "Waiting for the answer …";
  answer.append(title, text);
  answer.ariaBusy = true;
  $("answers").prepend(answer);
  try {
    text.textContent = await socket.request("ask_gardener", { pk: id }, { retry: true });
  } catch (error) {
    text.textContent = error.message;
  }
  answer.ariaBusy = false;
};

// The export has its own connection, on which `list` sends page after page until `list_cancel`

let stream = null;

$("start").onclick = () => {
  const query = searchQuery();
  const rows = [];
  stream = new SocketClient(`${location.pathname}stream/`, { dialect: "action" });
  // After a lost connection, the next one continues where the last one ended.
  stream.subscribe((now) => now.send("list", { query, limit: 3, offset: rows.length }));
  stream.on("list", ({ count, results }) => {
    rows.push(...results);
    showExport("running", `${rows.length} of ${count}`, rows.length / count);
    if (rows.length >= count) finish(rows);
  });
  stream.on("error", ({ message }) => end(message));
  stream.on("close", ({ code, reason, reconnect }) => reconnect || code === 1000 || end(reason));
  showExport("running", "");
};

$("cancel").onclick = async () => {
  if (stream.state === "ready") await stream.request("list_cancel").catch(() => {}); // an error here means that the connection ended
  if (!$("cancel").hidden) end(`Cancelled at ${$("exported").textContent || "the start"}.`);
};

function finish(rows) {
  URL.revokeObjectURL($("save").href);
  $("save").href = URL.createObjectURL(new Blob([JSON.stringify(rows, null, 2)], { type: "application/json" }));
  end("", "done");
}

function end(text, state = "idle") {
  stream.close();
  showExport(state, text);
}

function showExport(state, text, part = 0) {
  const hasFocus = $("export").contains(document.activeElement);
  $("progress").value = part;
  $("exported").textContent = text;
  $("progress").hidden = $("cancel").hidden = state !== "running";
  $("start").hidden = state === "running";
  $("save").hidden = state !== "done";
  if (hasFocus) $({ idle: "start", running: "cancel", done: "save" }[state]).focus();
}
