/** The page of a game. It shows the latest state and sends the user's actions to the server. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { hue, person } from "demo/people";

const $ = (id) => document.getElementById(id);
const me = $("game").dataset.me; // empty for spectators
const socket = new SocketClient(location.pathname, { dialect: "type" });
const BUTTONS = ["deal", "roll", "hold"];
const noMotion = matchMedia("(prefers-reduced-motion: reduce)");

let game = null; // the latest state
let names = []; // the users who have the page open
let latest = {}; // the number of the latest message, by type
let waiting = false; // for the answer to an action

// The connection

showConnection(socket, $("connection"));

socket.subscribe((now) => {
  now.send("HELLO"); // the server then checks the other connections of this user
  now.send("GET_GAMESTATE");
});

socket.on("GAMESTATE", (state) => isOld(state) || showState(state));
socket.on("PRESENCE", (list) => isOld(list) || showPresence(list));
socket.on("CHAT", showMessage);
socket.on("SERVER", ({ name }) => {
  $("server").textContent = `server ${name}`;
  $("server").hidden = false;
});
socket.on("error", ({ message }) => {
  $("problem").textContent = message;
  waiting = false;
});
socket.on("close", ({ reason, reconnect }) => {
  $("present").replaceChildren();
  $("server").hidden = $("workspace").inert = true;
  latest = {};
  waiting = false;
  if (reconnect) return;
  $("error").querySelector("p").textContent = reason;
  $("error").hidden = false;
});

/** Messages from two servers may arrive in the wrong order: their numbers decide. */
function isOld({ type, number }) {
  if (number < latest[type]) return true;
  latest[type] = number;
  return false;
}

// Actions of the user

function act(action, data) {
  if (waiting) return;
  waiting = true;
  $("problem").textContent = "";
  socket.send(`GAME_ACTION_${action}`, data);
}

for (const id of BUTTONS) $(id).onclick = () => act(id.toUpperCase());

document.onkeydown = ({ key, target, repeat, ctrlKey, metaKey, altKey }) => {
  if (repeat || ctrlKey || metaKey || altKey || target.matches("input")) return;
  const button = $({ r: "roll", h: "hold" }[key.toLowerCase()]);
  if (button && !button.hidden && !$("workspace").inert) button.click();
};

if (me) {
  $("message-form").onsubmit = (event) => {
    event.preventDefault();
    const text = $("message-form").text.value.trim();
    $("problem").textContent = "";
    if (text) socket.send("CHAT", { text });
    $("message-form").reset();
  };
}

// Display

/** Show a state of the game. If the die was rolled, animate it first. */
async function showState(state) {
  const rolled = game && state.rolls !== game.rolls;
  game = state;
  if (rolled && !noMotion.matches) await animateRoll();
  if (game !== state) return; // a later state has arrived
  waiting = false;
  $("workspace").inert = false;
  show();
}

function show() {
  const { seats, turn, total, die, news } = game;
  if ($("seats").children.length !== seats.length) $("seats").replaceChildren(...seats.map(createSeat));
  seats.forEach(showSeat);
  showDie(die);
  $("game").dataset.number = game.number;
  $("total").textContent = total;
  $("total").parentElement.hidden = !turn;
  $("news").textContent = news || "No game has been played yet.";
  const { text, buttons, label = "Hold" } = choices();
  $("prompt").textContent = text;
  for (const id of BUTTONS) {
    $(id).hidden = !(id in buttons);
    $(id).disabled = !buttons[id];
  }
  $("deal").textContent = winner() ? "New game" : "Start game";
  $("hold").firstElementChild.textContent = label;
}

/** Return what this user can do now: a text, and the buttons to show with whether they are enabled. */
function choices() {
  const { seats, turn, total, goal } = game;
  const mine = seats.find(isMine);
  const active = seats.find(({ position }) => position === turn);
  const players = seats.filter(({ name }) => name).length;
  if (!active) {
    const buttons = mine ? { deal: players > 1 } : {};
    if (players < 2) return { text: mine ? "Waiting for another player." : "Take a seat to play.", buttons };
    return { text: mine ? "Start a game. You will have the first turn." : "Waiting for the next game.", buttons };
  }
  if (active === mine) {
    const wins = mine.score + total >= goal;
    const text = wins ? "Hold to win." : total ? `Roll again, or hold ${total}?` : "Your turn. Roll the die.";
    return { text, buttons: { roll: true, hold: total > 0 } };
  }
  const isAway = !names.includes(active.name);
  return {
    text: isAway ? `${active.name} is away.` : `It is ${active.name}'s turn.`,
    buttons: mine ? { roll: false, hold: isAway } : {},
    label: isAway ? `Hold for ${active.name}` : "Hold",
  };
}

function isMine({ name }) {
  return Boolean(me) && name === me;
}

function winner() {
  return game.seats.find(({ score }) => score >= game.goal);
}

function createSeat({ position }) {
  const element = $("seat").content.firstElementChild.cloneNode(true);
  element.ariaLabel = `Seat ${position}`;
  element.querySelector(".take").onclick = () => act("SIT", { seat: position });
  element.querySelector(".leave").onclick = () => act("STAND");
  return element;
}

function showSeat(seat, index) {
  const { position, name, score } = seat;
  const element = $("seats").children[index];
  const part = (selector) => element.querySelector(selector);
  const hasTurn = position === game.turn;
  const isAway = Boolean(name) && !names.includes(name);
  const hasWon = winner()?.position === position;
  const tags = [[hasWon, "Winner"], [isAway, "Away"], [hasTurn && isMine(seat), "Your turn"], [hasTurn, "Playing"], [isMine(seat), "You"]];
  element.classList.toggle("free", !name);
  element.classList.toggle("away", isAway);
  element.classList.toggle("won", hasWon);
  element.setAttribute("aria-current", hasTurn);
  element.style.setProperty("--hue", hue(name ?? ""));
  part(".name").replaceChildren(...(name ? [person(name)] : ["Free seat"]));
  part(".tag").textContent = tags.find(([applies]) => applies)?.[1] ?? "";
  part("b").textContent = score;
  const bar = part(".points-bar");
  bar.style.setProperty("--score", `${(100 * score) / game.goal}%`);
  bar.style.setProperty("--risk", `${(100 * (score + (hasTurn ? game.total : 0))) / game.goal}%`);
  Object.assign(bar, { ariaValueNow: score, ariaValueMax: game.goal });
  const isSeated = game.seats.some(isMine);
  part(".take").hidden = !me || isSeated || (Boolean(name) && !isAway);
  part(".take").textContent = name ? "Take this seat" : "Sit down";
  part(".leave").hidden = !isMine(seat);
}

// The die

const PIPS = { 1: [3], 2: [0, 6], 3: [0, 3, 6], 4: [0, 1, 5, 6], 5: [0, 1, 3, 5, 6], 6: [0, 1, 2, 4, 5, 6] };

function showDie(face) {
  const on = PIPS[face ?? 5];
  $("die").querySelectorAll("circle").forEach((pip, index) => pip.classList.toggle("on", on.includes(index)));
  $("die").dataset.face = face ?? ""; // empty: pale, before the first roll
  $("die").ariaLabel = face ? `The die shows ${face}` : "The die has not been rolled yet";
}

async function animateRoll() {
  const spin = 360 + 90 * Math.floor(3 * Math.random());
  $("die").animate(
    [{ transform: `translateY(-26px) rotate(-${spin}deg) scale(.86)` }, { transform: "translateY(4px) rotate(14deg) scale(1.04)", offset: 0.8 }, { transform: "none" }],
    { duration: 640, easing: "cubic-bezier(.2, .7, .3, 1)" },
  );
  for (let turn = 0; turn < 6; turn += 1) {
    showDie(1 + Math.floor(6 * Math.random()));
    await new Promise((resolve) => setTimeout(resolve, 90));
  }
}

// Users and messages

function showPresence({ names: all, guests }) {
  names = all;
  const others = guests ? [item(guests === 1 ? "1 guest" : `${guests} guests`)] : [];
  $("present").replaceChildren(...names.map((name) => item(person(name))), ...others);
  if (game) show();
}

function showMessage({ name, text }) {
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  const line = name ? item(person(name), paragraph) : item(text);
  line.className = name ? (name === me ? "mine" : "") : "note";
  $("messages").append(line);
  $("messages").scrollTop = $("messages").scrollHeight;
}

function item(...children) {
  const element = document.createElement("li");
  element.append(...children);
  return element;
}
