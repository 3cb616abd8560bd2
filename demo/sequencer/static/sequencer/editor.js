/** The page of a composition. It shows the latest version and the user's unsaved changes. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { hue, person } from "demo/people";
import { Player } from "./sound.js";

const $ = (id) => document.getElementById(id);
const editor = $("editor");
const socket = new SocketClient(location.pathname, { dialect: "method" });

let versions = []; // latest first
let unsaved = {}; // a change in the server's format: {title, tempo, cells: [{track, step, on}]}
let saving = null; // the change that was sent and is not confirmed yet
let presenceNumber = 0; // of the list of users that is shown

// The connection

showConnection(socket, $("connection"));

socket.subscribe(async (now) => {
  const [latest, history] = await Promise.all([now.request("sign_in"), now.request("history")]);
  versions = history;
  if (latest.number > (versions[0]?.number ?? -1)) versions.unshift(latest);
  $("error").hidden = true;
  $("workspace").inert = false;
  show();
});

socket.on("version", addVersion);
socket.on("presence", showPresence);
socket.on("server", (name) => {
  $("server").textContent = `server ${name}`;
  $("server").hidden = false;
});
socket.on("state", () => showUnsaved());
socket.on("close", ({ reason, status, reconnect }) => {
  $("present").replaceChildren();
  $("server").hidden = true;
  presenceNumber = 0;
  if (reconnect) return;
  $("workspace").inert = true;
  showError(reason, status);
});
$("try-again").onclick = () => socket.connect();

/** Lists from two servers may arrive in the wrong order: the one with the highest number is shown. */
function showPresence({ number, names }) {
  if (number < presenceNumber) return;
  presenceNumber = number;
  $("present").replaceChildren(...names.map((name) => item(person(name))));
}

// Changes

function change(values) {
  unsaved = merged(unsaved, values);
  show();
  save();
}

/** Send one change at a time. Changes made in the meantime are sent together afterwards. */
async function save() {
  if (saving || !Object.keys(unsaved).length) return;
  [saving, unsaved] = [unsaved, {}];
  try {
    const version = await socket.request("edit", saving, { retry: true, timeout: 0 });
    saving = null;
    addVersion(version);
    save();
  } catch (error) {
    saving = null;
    show();
    $("unsaved").textContent = error.message;
  }
}

/** Versions may arrive twice or in the wrong order: their numbers decide. */
function addVersion(version) {
  if (versions.some(({ number }) => number === version.number)) return show();
  versions = [version, ...versions].sort((a, b) => b.number - a.number).slice(0, 20);
  if (version.author !== editor.dataset.me) highlight(versions[0], versions[1]);
  show();
}

function merged(change, { cells = [], ...values }) {
  const all = { ...change, ...values };
  if (!cells.length) return all;
  const others = (change.cells ?? []).filter((old) => !cells.some((cell) => cell.track === old.track && cell.step === old.step));
  return { ...all, cells: [...others, ...cells] };
}

/** Return what this user sees: the latest version with the changes that are not confirmed yet. */
function current() {
  const { title, tempo, tracks } = structuredClone(versions[0]?.data ?? { title: "", tempo: 112, tracks: [] });
  const { cells = [], ...values } = merged(saving ?? {}, unsaved);
  for (const { track, step, on } of cells) {
    const changed = tracks.find(({ id }) => id === track);
    if (changed) changed.steps[step] = on;
  }
  return { title, tempo, tracks, ...values };
}

// The sequencer

const player = new Player(current, (step) => {
  document.querySelectorAll(".step.now").forEach((cell) => cell.classList.remove("now"));
  if (step !== null) document.querySelectorAll(`[data-step="${step}"]`).forEach((cell) => cell.classList.add("now"));
});

$("play").onclick = () => {
  player.toggle();
  $("play").setAttribute("aria-pressed", player.playing);
  $("play").firstElementChild.textContent = player.playing ? "Stop" : "Play";
};
$("title").onchange = ({ target }) => (target.value.trim() ? change({ title: target.value.trim() }) : show());
$("title").onkeydown = ({ key, target }) => key === "Enter" && target.blur();
$("tempo").oninput = ({ target }) => ($("bpm").textContent = target.value);
$("tempo").onchange = ({ target }) => change({ tempo: Number(target.value) });

$("tracks").onclick = ({ target }) => {
  if (!target.matches(".step")) return;
  const on = target.getAttribute("aria-pressed") !== "true";
  change({ cells: [{ track: Number(target.dataset.track), step: Number(target.dataset.step), on }] });
};

/** The arrow keys move the focus in the grid. The tab key leaves it. */
$("tracks").onkeydown = (event) => {
  const cells = [...document.querySelectorAll(".step")];
  const distance = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -16, ArrowDown: 16 }[event.key];
  const next = distance && cells[cells.indexOf(event.target) + distance];
  if (!next) return;
  event.preventDefault();
  cells.forEach((cell) => (cell.tabIndex = cell === next ? 0 : -1));
  next.focus();
};

// Display

function show() {
  const { title, tempo, tracks } = current();
  if (document.activeElement !== $("title")) $("title").value = title;
  if (document.activeElement !== $("tempo") || !$("tempo").matches(":active")) $("tempo").value = $("bpm").textContent = tempo;
  document.title = `${title} · REST Channels`;
  const ids = tracks.map(({ id }) => id).join();
  if ($("tracks").dataset.ids !== ids) $("tracks").replaceChildren(...tracks.map(trackRow));
  $("tracks").dataset.ids = ids;
  for (const { id, steps } of tracks) steps.forEach((on, step) => cell(id, step).setAttribute("aria-pressed", on));
  $("versions").replaceChildren(...versions.map((version, index) => versionItem(version, versions[index + 1])));
  showUnsaved();
}

function trackRow({ id, name }, index) {
  const row = document.createElement("div");
  row.className = "track";
  row.style.setProperty("--hue", (285 + index * 67) % 360);
  row.role = "group";
  row.ariaLabel = name;
  const label = document.createElement("span");
  label.textContent = name;
  const steps = Array.from({ length: 16 }, (_, step) => {
    const button = document.createElement("button");
    Object.assign(button, { className: "step", ariaLabel: `${name} ${step + 1}`, tabIndex: index + step ? -1 : 0 });
    Object.assign(button.dataset, { track: id, step });
    return button;
  });
  row.append(label, ...steps);
  return row;
}

function cell(track, step) {
  return document.querySelector(`[data-track="${track}"][data-step="${step}"]`);
}

/** Highlight the cells that another user changed, in the colour of that user. */
function highlight(version, previous) {
  for (const { id, steps } of version.data.tracks) {
    const before = previous?.data.tracks.find((track) => track.id === id)?.steps ?? [];
    steps.forEach((on, step) => {
      if (on === before[step]) return;
      const color = `oklch(70% 0.17 ${hue(version.author)})`;
      cell(id, step)?.animate([{ boxShadow: `0 0 0 4px ${color}` }, { boxShadow: "0 0 0 4px transparent" }], 1500);
    });
  }
}

function versionItem({ number, author, created, data }, previous) {
  const element = item(person(author));
  const time = document.createElement("time");
  time.dateTime = created;
  time.textContent = new Date(created).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  time.title = new Date(created).toLocaleString();
  const changes = document.createElement("span");
  changes.className = "changes";
  changes.textContent = previous ? describeChanges(data, previous.data) : "first version";
  const count = document.createElement("span");
  count.className = "number";
  count.textContent = number;
  element.prepend(count);
  element.append(changes, time);
  return element;
}

/** Return a short description of the differences between two versions. */
function describeChanges(data, before) {
  const changes = [];
  if (data.title !== before.title) changes.push(`“${data.title}”`);
  if (data.tempo !== before.tempo) changes.push(`tempo ${data.tempo}`);
  for (const { id, name, steps } of data.tracks) {
    const old = before.tracks.find((track) => track.id === id)?.steps ?? [];
    const changed = steps.flatMap((on, step) => (on === old[step] ? [] : [`${on ? "+" : "−"}${step + 1}`]));
    if (changed.length) changes.push(`${name} ${changed.join(" ")}`);
  }
  return changes.join(", ") || "no changes";
}

function item(...children) {
  const element = document.createElement("li");
  element.append(...children);
  return element;
}

function showUnsaved() {
  const waiting = (saving || Object.keys(unsaved).length) && socket.state !== "ready";
  $("unsaved").textContent = waiting ? "Not saved yet. Waiting for the connection." : "";
}

const TITLES = { 401: "Please log in", 403: "No access", 404: "Not found" };

function showError(reason, status) {
  const panel = $("error");
  panel.querySelector("h1").textContent = TITLES[status] ?? "Disconnected";
  panel.querySelector("p").textContent = reason;
  const known = TITLES[status] ? String(status) : "0";
  for (const action of panel.querySelectorAll("[data-if]")) action.hidden = !action.dataset.if.split(" ").includes(known);
  panel.hidden = false;
}
