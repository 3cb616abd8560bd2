/** The page of a table: shows the latest state of the game, and asks the server for what one does. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { hue, person } from "demo/people";

const $ = (id) => document.getElementById(id);
const me = $("table").dataset.me; // empty for those who only watch
const socket = new SocketClient(location.pathname, { dialect: "type" });
const BUTTONS = ["deal", "roll", "hold"];
const noMotion = matchMedia("(prefers-reduced-motion: reduce)");

let game = null; // the latest state
let names = []; // who is here
let latest = {}; // numbers of what came, by type
let asked = false; // whether an answer is on its way

// The connection

showConnection(socket, $("connection"));

socket.subscribe((now) => {
  now.send("HELLO"); // asks our other tabs whether they live
  now.send("GET_GAMESTATE");
});

socket.on("GAMESTATE", (state) => isOld(state) || play(state));
socket.on("PRESENCE", (list) => isOld(list) || call(list));
socket.on("CHAT", hear);
socket.on("SERVER", ({ name }) => {
  $("server").textContent = `server ${name}`;
  $("server").hidden = false;
});
socket.on("error", ({ message }) => {
  $("problem").textContent = message;
  asked = false;
});
socket.on("close", ({ reason, reconnect }) => {
  $("here").replaceChildren();
  $("server").hidden = $("desk").inert = true;
  latest = {};
  asked = false;
  if (reconnect) return;
  $("refused").querySelector("p").textContent = reason;
  $("refused").hidden = false;
});

/** What two servers say may overtake each other: the number decides. */
function isOld({ type, number }) {
  if (number < latest[type]) return true;
  latest[type] = number;
  return false;
}

// What one does

function act(action, data) {
  if (asked) return;
  asked = true;
  $("problem").textContent = "";
  socket.send(`GAME_ACTION_${action}`, data);
}

for (const id of BUTTONS) $(id).onclick = () => act(id.toUpperCase());

document.onkeydown = ({ key, target, repeat, ctrlKey, metaKey, altKey }) => {
  if (repeat || ctrlKey || metaKey || altKey || target.matches("input")) return;
  const button = $({ r: "roll", h: "hold" }[key.toLowerCase()]);
  if (button && !button.hidden && !$("desk").inert) button.click();
};

if (me) {
  $("say").onsubmit = (event) => {
    event.preventDefault();
    const text = $("say").text.value.trim();
    $("problem").textContent = "";
    if (text) socket.send("CHAT", { text });
    $("say").reset();
  };
}

// What one sees

/** Show a state; where the die was rolled, when it has come to rest. */
async function play(state) {
  const rolled = game && state.rolls !== game.rolls;
  game = state;
  if (rolled && !noMotion.matches) await tumble();
  if (game !== state) return; // a later one is shown already, or about to be
  asked = false;
  $("desk").inert = false;
  show();
}

function show() {
  const { seats, turn, total, die, news } = game;
  if ($("seats").children.length !== seats.length) $("seats").replaceChildren(...seats.map(chair));
  seats.forEach(showSeat);
  lay(die);
  $("table").dataset.number = game.number;
  $("total").textContent = total;
  $("total").parentElement.hidden = !turn;
  $("news").textContent = news || "A quiet table.";
  const { words, buttons, label = "Hold" } = choices();
  $("prompt").textContent = words;
  for (const id of BUTTONS) {
    $(id).hidden = !(id in buttons);
    $(id).disabled = !buttons[id];
  }
  $("deal").textContent = winner() ? "Deal again" : "Deal";
  $("hold").firstElementChild.textContent = label;
}

/** What this person may do now: in words, and as the buttons to show, by whether they work. */
function choices() {
  const { seats, turn, total, goal } = game;
  const mine = seats.find(isMine);
  const playing = seats.find(({ position }) => position === turn);
  const players = seats.filter(({ name }) => name).length;
  if (!playing) {
    const buttons = mine ? { deal: players > 1 } : {};
    if (players < 2) return { words: mine ? "Waiting for somebody to play with." : "Take a seat.", buttons };
    return { words: mine ? "Who deals has the first turn." : "Between two games.", buttons };
  }
  if (playing === mine) {
    const wins = mine.score + total >= goal;
    const words = wins ? "Hold, and you win!" : total ? `Roll again, or hold ${total}?` : "Your turn. Roll!";
    return { words, buttons: { roll: true, hold: total > 0 } };
  }
  const isAway = !names.includes(playing.name);
  return {
    words: `${playing.name} ${isAway ? "has gone." : "has the turn."}`,
    buttons: mine ? { roll: false, hold: isAway } : {},
    label: isAway ? `Hold for ${playing.name}` : "Hold",
  };
}

function isMine({ name }) {
  return Boolean(me) && name === me;
}

function winner() {
  return game.seats.find(({ score }) => score >= game.goal);
}

function chair({ position }) {
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
  const tags = [[hasWon, "Winner"], [isAway, "away"], [hasTurn && isMine(seat), "Your turn"], [hasTurn, "Turn"], [isMine(seat), "you"]];
  element.classList.toggle("free", !name);
  element.classList.toggle("away", isAway);
  element.classList.toggle("won", hasWon);
  element.setAttribute("aria-current", hasTurn);
  element.style.setProperty("--hue", hue(name ?? ""));
  part(".name").replaceChildren(...(name ? [person(name)] : ["Free seat"]));
  part(".tag").textContent = tags.find(([applies]) => applies)?.[1] ?? "";
  part("b").textContent = score;
  const road = part(".road");
  road.style.setProperty("--score", `${(100 * score) / game.goal}%`);
  road.style.setProperty("--risk", `${(100 * (score + (hasTurn ? game.total : 0))) / game.goal}%`);
  Object.assign(road, { ariaValueNow: score, ariaValueMax: game.goal });
  const isSeated = game.seats.some(isMine);
  part(".take").hidden = !me || isSeated || (Boolean(name) && !isAway);
  part(".take").textContent = name ? "Take this seat" : "Sit down";
  part(".leave").hidden = !isMine(seat);
}

// The die

const PIPS = { 1: [3], 2: [0, 6], 3: [0, 3, 6], 4: [0, 1, 5, 6], 5: [0, 1, 3, 5, 6], 6: [0, 1, 2, 4, 5, 6] };

function lay(face) {
  const on = PIPS[face ?? 5];
  $("die").querySelectorAll("circle").forEach((pip, index) => pip.classList.toggle("on", on.includes(index)));
  $("die").dataset.face = face ?? ""; // a pale one before the first roll
  $("die").ariaLabel = face ? `The die shows ${face}` : "The die was not rolled yet";
}

async function tumble() {
  const spin = 360 + 90 * Math.floor(3 * Math.random());
  $("die").animate(
    [{ transform: `translateY(-26px) rotate(-${spin}deg) scale(.86)` }, { transform: "translateY(4px) rotate(14deg) scale(1.04)", offset: 0.8 }, { transform: "none" }],
    { duration: 640, easing: "cubic-bezier(.2, .7, .3, 1)" },
  );
  for (let turn = 0; turn < 6; turn += 1) {
    lay(1 + Math.floor(6 * Math.random()));
    await new Promise((resolve) => setTimeout(resolve, 90));
  }
}

// The people

function call({ names: all, guests }) {
  names = all;
  const others = guests ? [item(guests === 1 ? "1 guest" : `${guests} guests`)] : [];
  $("here").replaceChildren(...names.map((name) => item(person(name))), ...others);
  if (game) show();
}

function hear({ name, text }) {
  const said = document.createElement("p");
  said.textContent = text;
  const line = name ? item(person(name), said) : item(text);
  line.className = name ? (name === me ? "mine" : "") : "note";
  $("messages").append(line);
  $("messages").scrollTop = $("messages").scrollHeight;
}

function item(...children) {
  const element = document.createElement("li");
  element.append(...children);
  return element;
}
