/** Rooms to talk in: what is said, who is here, and which rooms there are, each by an observer. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { person } from "demo/people";

const $ = (id) => document.getElementById(id);
const { me, home, room: first } = $("talk").dataset;
const socket = new SocketClient(home, { dialect: "action" });
const LIMIT = 50; // so many messages come at once

const rooms = new Map(); // all of them, by id
let here = Number(first) || null; // the room that one is in
let messages = new Map(); // what is shown of it, by id
let latest = 0; // the number of the latest room that was entered

// The connection. After each one everything is asked for again: so nothing is missed, or twice.

showConnection(socket, $("connection"));
socket.subscribe(begin);
socket.on("gap", () => {
  if (here) socket.send("unsubscribe_instance", { pk: here });
  begin(socket).catch(say); // two servers had lost sight of each other
});
socket.on("close", ({ reason, reconnect }) => {
  if (reconnect) return;
  $("refused").querySelector("p").textContent = reason;
  $("refused").hidden = false;
});

async function begin(now) {
  const all = await now.request("subscribe_to_rooms");
  rooms.clear();
  for (const room of all) rooms.set(room.id, room);
  listRooms();
  for (let pk = null; here !== pk; ) {
    pk = here;
    if (pk) await enter(now);
  }
}

/** Subscribe before joining, so that one hears of oneself, too. */
async function enter(now) {
  const [pk, number] = [here, (latest += 1)];
  if (!rooms.has(pk)) return lose();
  const heard = await now.request("subscribe_to_messages_in_room", { pk });
  if (number === latest) takeIn(heard);
  await now.request("subscribe_instance", { pk });
  const room = await now.request("join_room", { pk });
  if (number === latest) showRoom(room);
}

// Which room

async function go(pk, { isNew = true } = {}) {
  if (pk === here) return;
  const before = here;
  here = pk;
  messages = new Map();
  if (isNew) history.pushState({}, "", pk ? `${home}${pk}/` : home);
  say();
  listRooms();
  showRoom(rooms.get(pk));
  takeIn([]);
  if (socket.state !== "ready") return; // `begin` will enter it
  try {
    if (before) leave(before);
    if (pk) await enter(socket);
  } catch (error) {
    say(error);
  }
}

function leave(pk) {
  socket.send("unsubscribe_instance", { pk });
  socket.send("leave_room", { pk });
}

/** The room that one is in, or wanted to be in, does not exist. */
function lose(name = "This room") {
  here = null;
  history.replaceState({}, "", home);
  showRoom();
  listRooms();
  $("lost").textContent = `${name} is no more.`;
}

onpopstate = () => go(Number(location.pathname.slice(home.length).replace("/", "")) || null, { isNew: false });

// What observers tell. `update` and `delete` are those of the room that one is in.

socket.on("update", (room) => room?.id === here && showRoom(room)); // a refusal brings none
socket.on("delete", ({ pk }) => pk === here && lose(rooms.get(pk)?.name));

for (const event of ["room_create", "room_update"]) {
  socket.on(event, (room) => {
    rooms.set(room.id, room);
    listRooms();
  });
}
socket.on("room_delete", ({ id, pk = id }) => {
  rooms.delete(pk);
  listRooms();
});

for (const event of ["message_create", "message_update"]) {
  socket.on(event, (message) => message.room === here && takeIn([message], message.id));
}
socket.on("message_delete", ({ id, pk = id }) => {
  messages.delete(pk);
  show();
});

// What one does

$("say").onsubmit = async (event) => {
  event.preventDefault();
  const { text } = $("say").elements;
  const said = text.value;
  if (!here) return;
  say();
  try {
    await socket.request("create_message", { data: { room: here, text: said } });
    if (text.value === said) text.value = "";
  } catch (error) {
    say(error);
  }
};

$("open").onsubmit = async (event) => {
  event.preventDefault();
  $("open-problem").textContent = "";
  try {
    const room = await socket.request("create", { data: { name: $("open").elements.name.value } });
    $("open").reset();
    rooms.set(room.id, room);
    await go(room.id);
    $("room-name").focus();
  } catch (error) {
    $("open-problem").textContent = words(error);
  }
};

$("earlier").onclick = async () => {
  const [pk, height] = [here, $("scroll").scrollHeight];
  const before = Math.min(...messages.keys());
  try {
    const heard = await socket.request("earlier_messages", { pk, before }, { retry: true });
    if (pk !== here) return;
    for (const message of heard) messages.set(message.id, message);
    show();
    $("scroll").scrollTop += $("scroll").scrollHeight - height;
    $("earlier").hidden = heard.length < LIMIT;
  } catch (error) {
    say(error);
  }
};

function say(error) {
  $("problem").textContent = error ? words(error) : "";
}

/** What a serializer says of one field needs no name of that field here. */
function words({ detail, message }) {
  const [errors] = [detail].flat();
  return Object(errors) === errors ? Object.values(errors).flat().join(" ") : message;
}

// What one sees

/**
 * Take in messages that came. What comes after a connection was lost is all there is from its first
 * one on: what is not among it is gone, and if it begins after what is known, something is between.
 */
function takeIn(heard, single) {
  const wasAtEnd = isAtEnd();
  if (!single) {
    const from = heard[0]?.id ?? 0;
    const known = [...messages.values()];
    const isWhole = heard.length < LIMIT || known.some(({ id }) => id >= from);
    const kept = heard.length < LIMIT || !isWhole ? [] : known.filter(({ id }) => id < from);
    if (!kept.length) $("earlier").hidden = heard.length < LIMIT;
    messages = new Map(kept.map((message) => [message.id, message]));
  }
  for (const message of heard) messages.set(message.id, message);
  show();
  if (!single || wasAtEnd || heard[0].user === me) $("scroll").scrollTop = $("scroll").scrollHeight;
}

function isAtEnd() {
  const { scrollTop, scrollHeight, clientHeight } = $("scroll");
  return scrollHeight - scrollTop - clientHeight < 60;
}

/** Lines that are there already stay: a screen reader reads only what is new. */
function show() {
  const lines = new Map([...$("messages").children].map((line) => [Number(line.dataset.id), line]));
  const ids = [...messages.keys()].sort((one, other) => one - other);
  let before = null;
  ids.forEach((id, index) => {
    const line = lines.get(id) ?? newLine(id);
    lines.delete(id);
    fill(line, messages.get(id), before);
    if ($("messages").children[index] !== line) $("messages").insertBefore(line, $("messages").children[index] ?? null);
    before = messages.get(id);
  });
  for (const line of lines.values()) line.remove();
}

function newLine(id) {
  const line = document.createElement("li");
  line.dataset.id = id;
  line.append(document.createElement("p"), document.createElement("time"));
  return line;
}

function fill(line, { user, text, created_at }, before) {
  const at = new Date(created_at);
  const isAgain = before?.user === user && at - new Date(before.created_at) < 300_000;
  line.className = [user === me && "mine", isAgain && "again"].filter(Boolean).join(" ");
  if (!line.querySelector(".person")) line.prepend(person(user));
  const [said, time] = [line.querySelector("p"), line.querySelector("time")];
  if (said.textContent !== text) said.textContent = text;
  time.dateTime = created_at;
  const isToday = at.toDateString() === new Date().toDateString();
  time.textContent = at.toLocaleString([], isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

function showRoom(room) {
  $("room").hidden = !room;
  $("lobby").hidden = Boolean(room);
  $("lost").textContent = "";
  document.title = `${room?.name ?? "Talk"} · REST Channels`;
  if (!room) return;
  $("number").textContent = room.id;
  $("room-name").textContent = room.name;
  $("host").textContent = room.host === me ? "Your room" : `${room.host}'s room`;
  $("here").replaceChildren(...room.people.map((name) => item(person(name))));
}

function listRooms() {
  const focused = document.activeElement?.dataset.id;
  const all = [...rooms.values()].sort((one, other) => one.name.localeCompare(other.name));
  $("rooms").replaceChildren(...all.map(door));
  if (focused) $("rooms").querySelector(`[data-id="${focused}"]`)?.focus();
}

function door({ id, name, people }) {
  const link = document.createElement("a");
  link.href = `${home}${id}/`;
  link.dataset.id = id;
  const [title, dots] = ["span", "span"].map((tag) => document.createElement(tag));
  title.textContent = name;
  title.className = "name";
  dots.className = "dots";
  dots.title = people.join(", ");
  for (const one of people) {
    const dot = person(one);
    dot.replaceChildren();
    dots.append(dot);
  }
  const count = document.createElement("span");
  count.className = "unseen";
  count.textContent = people.length ? ` (${people.join(", ")})` : " (nobody)";
  link.append(title, dots, count);
  if (id === here) link.ariaCurrent = "page";
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in a tab of its own
    event.preventDefault();
    go(id).then(() => $("room-name").focus());
  };
  return item(link);
}

function item(...children) {
  const element = document.createElement("li");
  element.append(...children);
  return element;
}
