/** Start the two framed clients, and show the frames that they send and receive. */

const MOST = 60; // frames that are shown
const clients = [...document.querySelectorAll(".client")];
const list = document.getElementById("frames");
let sentAt = 0; // when the latest frame was sent

addEventListener("message", ({ data, origin, source }) => {
  const client = clients.find((each) => each.querySelector("iframe").contentWindow === source);
  if (client && origin === location.origin) show(client.dataset.client, data);
});

function show(client, { isSent, text }) {
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  const line = document.createElement("li");
  const [label, body, time] = ["b", "code", "span"].map((tag) => document.createElement(tag));
  label.textContent = isSent ? `${client} sends` : `${client} receives`;
  body.textContent = text;
  if (isSent) sentAt = performance.now();
  else if (sentAt) time.textContent = `+${Math.round(performance.now() - sentAt)} ms`;
  line.className = isSent ? "sent" : "received";
  line.append(label, body, time);
  list.append(line);
  if (list.children.length > MOST) list.firstElementChild.remove();
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

// Only now, so that no frame is missed.
for (const client of clients) {
  const frame = client.querySelector("iframe");
  frame.src = frame.dataset.src;
}
