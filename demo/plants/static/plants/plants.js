/** The plant shelf: every action of the server's `Plants`, each asked for where it is needed. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { hue, person } from "demo/people";

const $ = (id) => document.getElementById(id);
const me = $("plants").dataset.me; // empty for those who only look
const socket = new SocketClient(location.pathname, { dialect: "action" });
const LIMIT = 8;

let offset = 0; // of the page that is shown
let latest = 0; // the number of the latest list that was asked for
let plant = null; // the one that was chosen
let saving = false; // whether the form is on its way

// The connection

showConnection(socket, $("connection"));
socket.subscribe((now) => list(now));
socket.on("close", ({ reason, reconnect }) => {
  if (reconnect) return;
  $("refused").querySelector("p").textContent = reason;
  $("refused").hidden = false;
});

/** Ask for something that may be refused. Fulfilled with `undefined` if it was. */
async function ask(action, data, options) {
  say();
  try {
    return await socket.request(action, data, options);
  } catch (error) {
    refuse(error);
  }
}

function refuse({ status, message, detail }) {
  if (status === 404) {
    message = `${plant?.name ?? "This plant"} is gone. Somebody has taken it away.`;
    close();
    turn(offset);
  }
  say({ problem: message });
  if (status === 403 && !me) $("problem").replaceChildren("You are a guest here: ", logIn(), " to take part.");
  if (status === 400 && !$("form").hidden) showErrors(detail);
}

function say({ news = "", problem = "" } = {}) {
  $("news").textContent = news;
  $("problem").textContent = problem;
}

function logIn() {
  const link = document.createElement("a");
  link.href = `/login/?next=${location.pathname}`;
  link.textContent = "log in";
  return link;
}

// list

/** Show a page of the shelf. Replies may overtake each other: only the latest question counts. */
async function list(via = socket) {
  const number = (latest += 1);
  $("shelf").ariaBusy = true;
  const page = await via.request("list", { query: asked(), limit: LIMIT, offset }, { retry: true });
  if (number !== latest) return;
  if (offset && !page.results.length) return turn(LIMIT * (Math.ceil(page.count / LIMIT) - 1));
  $("shelf").ariaBusy = false;
  showPage(page);
}

function asked() {
  return Object.fromEntries(new FormData($("find")));
}

function turn(to) {
  offset = Math.max(0, to);
  return list().catch(({ message }) => {
    $("shelf").ariaBusy = false;
    say({ problem: message });
  });
}

$("find").oninput = () => turn(0);
$("find").onsubmit = (event) => event.preventDefault();
$("all").onclick = () => {
  $("find").reset();
  $("find").search.focus();
  turn(0);
};
$("back").onclick = () => turn(offset - LIMIT);
$("next").onclick = () => turn(offset + LIMIT);

function showPage({ count, results }) {
  $("shelf").replaceChildren(...results.map(spot));
  $("shelf").hidden = !count;
  $("none").hidden = count > 0;
  $("bounds").textContent = count ? `${offset + 1}–${offset + results.length} of ${count}` : "Nothing found";
  $("back").disabled = offset === 0;
  $("next").disabled = offset + results.length >= count;
  $("start").disabled = !count;
}

function spot(row) {
  const element = $("spot").content.firstElementChild.cloneNode(true);
  const button = element.firstElementChild;
  button.dataset.id = row.id;
  button.onclick = () => choose(row);
  paint(button, row);
  return element;
}

function paint(element, { id, name, kind, thirsty, due, owner }) {
  element.classList.toggle("thirsty", thirsty);
  element.style.setProperty("--hue", hue(owner));
  element.style.setProperty("--hue-of-flower", 290 + ((id * 67) % 150)); // none is green
  element.querySelector(".green").setAttribute("href", `#${kind}`);
  if (!element.matches(".spot")) return;
  element.querySelector(".name").textContent = name;
  element.querySelector(".due").textContent = thirsty ? "thirsty" : days(due);
  element.ariaPressed = id === plant?.id;
}

const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function days(date) {
  return words.format(Math.ceil((new Date(date) - Date.now()) / 86_400_000), "day");
}

function spotOf({ id }) {
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

/** Show a plant in the panel, and as it now is on the shelf. */
function show(row) {
  plant = row;
  $("panel-title").textContent = row.name;
  $("owner").replaceChildren(person(row.owner));
  $("species").textContent = row.species || "unknown";
  $("due").textContent = row.thirsty ? "It is thirsty" : days(row.due);
  if (me) {
    $("place").value = row.place;
    sure(false);
  }
  paint($("view"), row);
  if (spotOf(row)) paint(spotOf(row), row);
  open("view");
}

/** A plant has changed. Show that, unless another one was chosen meanwhile. */
function renew(row) {
  if (plant?.id === row.id) show(row);
  else if (spotOf(row)) paint(spotOf(row), row);
}

/** Open one half of the panel, or neither. */
function open(part) {
  for (const id of ["view", "form"]) $(id).hidden = id !== part;
  $("hint").hidden = Boolean(part);
  $("close").hidden = part !== "view";
  for (const button of $("shelf").querySelectorAll(".spot")) {
    button.ariaPressed = Number(button.dataset.id) === plant?.id;
  }
}

function close() {
  plant = null;
  $("panel-title").textContent = "No plant chosen";
  $("panel-title").focus();
  open();
}

/** Leave the form for the plant, or the plant for the shelf. */
function leave() {
  const [row, wasForm] = [plant, !$("form").hidden];
  say();
  if (row && wasForm) {
    show(row);
    $("edit").focus();
  } else {
    close();
    (row ? spotOf(row) : $("add"))?.focus();
  }
}

$("close").onclick = $("stop").onclick = leave;
$("panel").onkeydown = ({ key }) => {
  if (key === "Escape" && $("hint").hidden) leave();
};

// water and patch: whoever may, from the panel

$("water").onclick = async () => {
  const watered = await ask("water", { pk: plant.id });
  if (!watered) return;
  renew(watered);
  say({ news: `${watered.name} is watered. Next time ${days(watered.due)}.` });
};

if (me) {
  $("place").onchange = async ({ target }) => {
    const moved = await ask("patch", { pk: plant.id, data: { place: target.value } });
    if (!moved) return plant && (target.value = plant.place);
    renew(moved);
    say({ news: `${moved.name} now stands in the ${moved.place}.` });
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
    showErrors([]);
    const data = Object.fromEntries(new FormData($("form")));
    const saved = plant ? await ask("update", { pk: plant.id, data }) : await ask("create", { data });
    saving = false;
    if (!saved) return;
    await turn(offset);
    show(saved);
    say({ news: `${saved.name} is saved.` });
    $("panel-title").focus();
  };

  // delete: only the second press does it

  $("remove").onclick = async () => {
    if (!("sure" in $("remove").dataset)) return sure(true);
    const { id, name } = plant;
    if ((await ask("delete", { pk: id })) === undefined) return;
    close();
    await turn(offset);
    say({ news: `${name} is removed.` });
  };
  $("remove").onblur = () => sure(false);
}

function sure(is) {
  if (is) $("remove").dataset.sure = "";
  else delete $("remove").dataset.sure;
  $("remove").textContent = is ? `Really remove ${plant.name}?` : "Remove";
}

function edit(row, title) {
  say();
  showErrors([]);
  for (const field of fields()) field.value = row[field.name];
  $("panel-title").textContent = title;
  open("form");
  $("form").elements.name.focus();
}

function fields() {
  return [...$("form").elements].filter(({ name }) => name);
}

/** Each error at its field: `details` is a list of what DRF says by field. */
function showErrors(details) {
  const errors = Object.assign({}, ...details);
  for (const field of fields()) {
    $(`${field.name}-error`).textContent = errors[field.name]?.join(" ") ?? "";
    field.ariaInvalid = field.name in errors;
  }
  const wrong = fields().find(({ name }) => name in errors);
  if (!wrong) return;
  say({ problem: "Not saved yet. See below." });
  wrong.focus();
}

// ask_gardener: it takes a while, and other requests go on

$("ask").onclick = async () => {
  const { id, name } = plant;
  const [answer, title, text] = ["li", "strong", "p"].map((tag) => document.createElement(tag));
  title.textContent = name;
  text.textContent = "Let me have a look …";
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

// The export: a connection of its own, where `list` comes page by page until `list_cancel`

let stream = null;

$("start").onclick = () => {
  const query = asked();
  const rows = [];
  stream = new SocketClient(`${location.pathname}stream/`, { dialect: "action" });
  // Wherever the connection is lost, the next one goes on from there.
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
  if (stream.state === "ready") await stream.request("list_cancel").catch(() => {}); // lost: ended, too
  if (!$("cancel").hidden) end(`Cancelled at ${$("exported").textContent || "the start"}.`);
};

function finish(rows) {
  URL.revokeObjectURL($("save").href);
  $("save").href = URL.createObjectURL(new Blob([JSON.stringify(rows, null, 2)], { type: "application/json" }));
  end("", "done");
}

function end(words, state = "idle") {
  stream.close();
  showExport(state, words);
}

function showExport(state, words, part = 0) {
  const hasFocus = $("export").contains(document.activeElement);
  $("progress").value = part;
  $("exported").textContent = words;
  $("progress").hidden = $("cancel").hidden = state !== "running";
  $("start").hidden = state === "running";
  $("save").hidden = state !== "done";
  if (hasFocus) $({ idle: "start", running: "cancel", done: "save" }[state]).focus();
}
