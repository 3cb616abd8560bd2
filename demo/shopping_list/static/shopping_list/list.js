/** The shopping list: every page with it shows the same. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";

const list = document.getElementById("items");
const form = document.getElementById("new-item");
const problem = document.getElementById("problem");

const socket = new SocketClient("/shopping-list/", { dialect: "action" });
showConnection(socket, document.getElementById("connection"));

socket.watch("follow", {}, (data, { action }) => {
  if (action === "follow") list.replaceChildren(...data.map(newRow));
  else if (action === "create") list.append(newRow(data));
  else if (action === "update") fill(rowOf(data), data);
  else if (action === "delete") rowOf(data).remove();
});

async function send(action, data) {
  problem.textContent = "";
  try {
    await socket.request(action, data);
    return true;
  } catch (error) {
    problem.textContent = error.message;
    return false;
  }
}

form.onsubmit = async (event) => {
  event.preventDefault();
  const data = { text: form.text.value };
  if (await send("create", { data })) form.reset();
};

function newRow({ id, ...item }) {
  const row = document.createElement("li");
  row.id = `item-${id}`;
  row.innerHTML = `<input type="checkbox" aria-label="Done">
    <input name="text" aria-label="Item" maxlength="40">
    <button class="quiet" aria-label="Remove">×</button>`;
  const [done, text, remove] = row.children;
  const patch = async (data) => (await send("patch", { pk: id, data })) || fill(row, row.item);
  done.onchange = () => patch({ done: done.checked });
  text.onchange = () => patch({ text: text.value });
  remove.onclick = () => send("delete", { pk: id });
  return fill(row, item);
}

function fill(row, item) {
  const [done, text] = row.children;
  row.item = item;
  done.checked = item.done;
  text.value = item.text;
  row.classList.toggle("done", item.done);
  return row;
}

function rowOf({ id }) {
  return document.getElementById(`item-${id}`);
}
