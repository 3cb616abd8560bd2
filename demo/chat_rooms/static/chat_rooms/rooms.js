/** The chat rooms: observers send changes of the rooms, their messages and their users. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { showOutages } from "demo/outages";
import { person } from "demo/people";

const $ = (id) => document.getElementById(id);
const { me, home, room: first } = $("chat-rooms").dataset;
const socket = new SocketClient(home, { dialect: "action" });
const LIMIT = 50; // messages that the server returns at once

const rooms = new Map(); // by id
const messages = new Map(); // those of the open room that are shown, by id
let current = Number(first) || null; // the id of the open room

// The connection. The server keeps the changes for clients that are away. So after a reconnect the page
// receives what it missed. Only if some of it is gone, which `gap` tells, it loads everything again.

showConnection(socket, $("connection"));
showOutages(socket, ["message_create"], "message");
socket.on("close", ({ reason, reconnect }) => {
  if (reconnect) return;
  $("error").querySelector("p").textContent = reason;
  $("error").hidden = false;
});

let loading; // a timer
socket.on("gap", () => {
  clearTimeout(loading); // once for the rooms and the messages
  loading = setTimeout(loadAgain, 300 * Math.random()); // all pages at once would be a load peak
});

function loadAgain() {
  followRooms();
  if (current) followMessages();
}

// What the page follows. `watch` subscribes after each connect. The answer has the rows of now, and
// may have some that the page has already.

let stopRooms, stopMessages, leaveRoom; // end what `watch` began

function followRooms() {
  stopRooms?.();
  rooms.clear();
  stopRooms = socket.watch("subscribe_to_rooms", {}, (data, { action }) => {
    if (action === "room_delete") return deleteRoom(data.id ?? data.pk);
    for (const room of [data].flat()) rooms.set(room.id, room);
    listRooms();
    showRoom();
  });
}

function followMessages() {
  stopMessages?.();
  messages.clear();
  stopMessages = socket.watch("subscribe_to_messages_in_room", { pk: current }, (data, { action }) => {
    if (!rooms.has(current)) showDeleted();
    else if (!data) showProblem({ message: "The messages could not be loaded." });
    else if (action === "message_delete") deleteMessage(data.id ?? data.pk);
    else addMessages([data].flat());
  });
}

function enterRoom() {
  leaveRoom?.("leave_room");
  leaveRoom = current && socket.watch("join_room", { pk: current }, () => {});
  if (current) followMessages();
  else stopMessages?.();
  messages.clear();
  showMessages();
}

// Changing the room

function changeRoom(pk, { isNew = true } = {}) {
  if (pk === current) return;
  current = pk;
  if (isNew) history.pushState({}, "", pk ? `${home}${pk}/` : home);
  $("deleted").textContent = "";
  showProblem();
  enterRoom();
  listRooms();
  showRoom();
}

/** Show that the requested room does not exist. */
function showDeleted(name = "This room") {
  current = null;
  history.replaceState({}, "", home);
  enterRoom();
  showRoom();
  listRooms();
  $("deleted").textContent = `${name} was deleted.`;
}

function deleteRoom(id) {
  const name = rooms.get(id)?.name;
  rooms.delete(id);
  if (id === current) showDeleted(name);
  else listRooms();
}

function deleteMessage(id) {
  messages.delete(id);
  showMessages();
}

onpopstate = () => changeRoom(Number(location.pathname.slice(home.length).replace("/", "")) || null, { isNew: false });

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
    changeRoom(room.id);
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

/** Add received messages, or replace those that are shown. At first it is a list of the latest. */
function addMessages(received) {
  const mayScroll = !messages.size || isAtEnd() || received.at(-1)?.user === me;
  if (!messages.size) $("earlier").hidden = received.length < LIMIT;
  for (const message of received) messages.set(message.id, message);
  showMessages();
  if (mayScroll) $("scroll").scrollTop = $("scroll").scrollHeight;
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

function showRoom() {
  const room = rooms.get(current);
  const wasHidden = $("room").hidden;
  $("room").hidden = !room;
  $("no-room").hidden = Boolean(room);
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
    changeRoom(id);
    $("room-name").focus();
  };
  return item(link);
}

function item(...children) {
  const element = document.createElement("li");
  element.append(...children);
  return element;
}

followRooms();
enterRoom();
