/** Show which users have this page open. `visitors.py` is the server's side. */

import { SocketClient } from "rest_channels";
import { person } from "demo/people";

const list = document.getElementById("visitors");
const socket = new SocketClient(`/visitors${location.pathname}`, { dialect: "type" });

socket.subscribe((now) => now.send("GET_VISITORS"));
socket.on("CHANGED", () => socket.send("GET_VISITORS"));
socket.on("close", () => list.replaceChildren());
socket.on("VISITORS", ({ names, guests }) => {
  const others = guests ? [guests === 1 ? "1 guest" : `${guests} guests`] : [];
  list.replaceChildren(...[...names.map(person), ...others].map(item));
});

function item(content) {
  const element = document.createElement("li");
  element.append(content);
  return element;
}
