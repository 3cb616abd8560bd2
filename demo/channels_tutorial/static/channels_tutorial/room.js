/** The chat room of the Channels tutorial, without heartbeat: its consumer does not answer $ping. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { person } from "demo/people";

const room = document.getElementById("room");
const messages = document.getElementById("messages");
const form = document.getElementById("message-form");

const socket = new SocketClient(room.dataset.socket, { heartbeat: 0 });
showConnection(socket, document.getElementById("connection"));

socket.on("message", ({ message, user }) => {
  const line = document.createElement("li");
  const text = document.createElement("p");
  text.textContent = message;
  line.classList.toggle("mine", user === room.dataset.me);
  line.append(person(user), text);
  messages.append(line);
  messages.scrollTop = messages.scrollHeight;
});

form.onsubmit = (event) => {
  event.preventDefault();
  const message = form.message.value.trim();
  if (message) socket.send({ message });
  form.reset();
};
