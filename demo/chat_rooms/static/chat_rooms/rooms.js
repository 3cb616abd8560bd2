/** The chat rooms: observers send changes of the rooms, their messages and their users. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { person } from "demo/people";

const $ = (id) => document.getElementById(id);
const { me, home, room: first } = $("chat-rooms").dataset;
const socket = new SocketClient(home, { dialect: "action" });
const LIMIT = 50; // messages that the server returns at once

const rooms = new Map(); // by id
let current = Number(first) || null; // the id of the open room
let messages = new Map(); // those that are shown, by id
let entered = 0; // counts the rooms that were entered

// The connection. The page loads everything again after each reconnect, so it misses nothing.

showConnection(socket, $("connection"));
socket.subscribe(start);
socket.on("gap", () => {
  if (current) socket.send("unsubscribe_instance", { pk: current });
  start(socket).catch(showProblem); // messages between two servers were lost
});
socket.on("close", ({ reason, reconnect }) => {
  if (reconnect) return;
  $("error").querySelector("p").textContent = reason;
  $("error").hidden = false;
});

async function start(now) {
  const all = await now.request("subscribe_to_rooms");
  rooms.clear();
  for (const room of all) rooms.set(room.id, room);
  listRooms();
  for (let pk = null; current !== pk; ) {
    pk = current;
    if (pk) await enter(now);
  }
}

/** Subscribe before joining, so that the list of users includes this user. */
async function enter(now) {
  const [pk, number] = [current, (entered += 1)];
  if (!rooms.has(pk)) return showDeleted();
  const received = await now.request("subscribe_to_messages_in_room", { pk });
  if (number === entered) addMessages(received);
  await now.request("subscribe_instance", { pk });
  const room = await now.request("join_room", { pk });
  if (number === entered) showRoom(room);
}

// Changing the room

async function changeRoom(pk, { isNew = true } = {}) {
  if (pk === current) return;
  const previous = current;
  current = pk;
  messages = new Map();
  if (isNew) history.pushState({}, "", pk ? `${home}${pk}/` : home);
  showProblem();
  listRooms();
  showRoom(rooms.get(pk));
  addMessages([]);
  if (socket.state !== "ready") return; // `start` will enter the room
  try {
    if (previous) leave(previous);
    if (pk) await enter(socket);
  } catch (error) {
    showProblem(error);
  }
}

function leave(pk) {
  socket.send("unsubscribe_instance", { pk });
  socket.send("leave_room", { pk });
}

/** Show that the requested room does not exist. */
function showDeleted(name = "This room") {
  current = null;
  history.replaceState({}, "", home);
  showRoom();
  listRooms();
  $("deleted").textContent = `${name} was deleted.`;
}

onpopstate = () => changeRoom(Number(location.pathname.slice(home.length).replace("/", "")) || null, { isNew: false });

// Messages of observers. `update` and `delete` are about the open room.

socket.on("update", (room) => room?.id === current && showRoom(room)); // error frames have no room
socket.on("delete", ({ pk }) => pk === current && showDeleted(rooms.get(pk)?.name));

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
  socket.on(event, (message) => message.room === current && addMessages([message], true));
}
socket.on("message_delete", ({ id, pk = id }) => {
  messages.delete(pk);
  showMessages();
});

// Actions of the user

$("message-form").onsubmit = async (event) => {
  event.preventDefault();
  const { text } = $("message-form").elements;
  const sent = text.value;
  if (!current) return;
  showProblem();
  try {
    await socket.request("create_message", { data: { room: current, text: sent } });
    if (text.value === sent) text.value = "";
  } catch (error) {
    showProblem(error);
  }
};

$("new-room").onsubmit = async (event) => {
  event.preventDefault();
  $("new-room-problem").textContent = "";
  try {
    const room = await socket.request("create", { data: { name: $("new-room").elements.name.value } });
    $("new-room").reset();
    rooms.set(room.id, room);
    await changeRoom(room.id);
    $("room-name").focus();
  } catch (error) {
    $("new-room-problem").textContent = errorText(error);
  }
};

$("earlier").onclick = async () => {
  const [pk, height] = [current, $("scroll").scrollHeight];
  const before = Math.min(...messages.keys());
  try {
    const earlier = await socket.request("earlier_messages", { pk, before }, { retry: true });
    if (pk !== current) return;
    for (const message of earlier) messages.set(message.id, message);
    showMessages();
    $("scroll").scrollTop += $("scroll").scrollHeight - height;
    $("earlier").hidden = earlier.length < LIMIT;
  } catch (error) {
    showProblem(error);
  }
};

function showProblem(error) {
  $("problem").textContent = error ? errorText(error) : "";
}

/** Return the text of an error, without field names: each form here has one field only. */
function errorText({ detail, message }) {
  const [errors] = [detail].flat();
  return Object(errors) === errors ? Object.values(errors).flat().join(" ") : message;
}

// Display

/**
 * Add received messages. A list, which comes after a reconnect, replaces all messages from its first
 * one on. Older messages stay only if the list overlaps with them. Otherwise some may be missing.
 */
function addMessages(received, isSingle = false) {
  const wasAtEnd = isAtEnd();
  if (!isSingle) {
    const from = received[0]?.id ?? 0;
    const known = [...messages.values()];
    const overlaps = received.length < LIMIT || known.some(({ id }) => id >= from);
    const kept = received.length < LIMIT || !overlaps ? [] : known.filter(({ id }) => id < from);
    if (!kept.length) $("earlier").hidden = received.length < LIMIT;
    messages = new Map(kept.map((message) => [message.id, message]));
  }
  for (const message of received) messages.set(message.id, message);
  showMessages();
  if (!isSingle || wasAtEnd || received[0].user === me) $("scroll").scrollTop = $("scroll").scrollHeight;
}

function isAtEnd() {
  const { scrollTop, scrollHeight, clientHeight } = $("scroll");
  return scrollHeight - scrollTop - clientHeight < 60;
}

/** Keep the lines that exist, so that a screen reader reads only the new ones. */
function showMessages() {
  const lines = new Map([...$("messages").children].map((line) => [Number(line.dataset.id), line]));
  const ids = [...messages.keys()].sort((one, other) => one - other);
  let previous = null;
  ids.forEach((id, index) => {
    const line = lines.get(id) ?? newLine(id);
    lines.delete(id);
    fillLine(line, messages.get(id), previous);
    if ($("messages").children[index] !== line) $("messages").insertBefore(line, $("messages").children[index] ?? null);
    previous = messages.get(id);
  });
  for (const line of lines.values()) line.remove();
}

function newLine(id) {
  const line = document.createElement("li");
  line.dataset.id = id;
  line.append(document.createElement("p"), document.createElement("time"));
  return line;
}

/** A line that follows one of the same user within 5 minutes is shown without the name. */
function fillLine(line, { user, text, created_at }, previous) {
  const at = new Date(created_at);
  const isContinued = previous?.user === user && at - new Date(previous.created_at) < 300_000;
  line.className = [user === me && "mine", isContinued && "continued"].filter(Boolean).join(" ");
  if (!line.querySelector(".person")) line.prepend(person(user));
  const [paragraph, time] = [line.querySelector("p"), line.querySelector("time")];
  if (paragraph.textContent !== text) paragraph.textContent = text;
  time.dateTime = created_at;
  const isToday = at.toDateString() === new Date().toDateString();
  time.textContent = at.toLocaleString([], isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

function showRoom(room) {
  const wasHidden = $("room").hidden;
  $("room").hidden = !room;
  $("no-room").hidden = Boolean(room);
  $("deleted").textContent = "";
  document.title = `${room?.name ?? "Chat rooms"} · REST Channels`;
  if (!room) return;
  $("room-id").textContent = room.id;
  $("room-name").textContent = room.name;
  $("host").textContent = room.host === me ? "Your room" : `${room.host}'s room`;
  $("present").replaceChildren(...room.people.map((name) => item(person(name))));
  if (wasHidden) $("scroll").scrollTop = $("scroll").scrollHeight; // a hidden room cannot be scrolled
}

function listRooms() {
  const focused = document.activeElement?.dataset.id;
  const all = [...rooms.values()].sort((one, other) => one.name.localeCompare(other.name));
  $("rooms").replaceChildren(...all.map(roomLink));
  if (focused) $("rooms").querySelector(`[data-id="${focused}"]`)?.focus();
}

function roomLink({ id, name, people }) {
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
  const names = document.createElement("span");
  names.className = "visually-hidden";
  names.textContent = people.length ? ` (${people.join(", ")})` : " (empty)";
  link.append(title, dots, names);
  if (id === current) link.ariaCurrent = "page";
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // opens a new tab
    event.preventDefault();
    changeRoom(id).then(() => $("room-name").focus());
  };
  return item(link);
}

function item(...children) {
  const element = document.createElement("li");
  element.append(...children);
  return element;
}
