/** Buttons that cut a connection and restart Redis, and a line about what the page missed. */

const $ = (id) => document.getElementById(id);
let latest; // the WebSocket that was opened last

globalThis.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    latest = this;
  }
};

/**
 * Let the buttons cause outages of `socket`, which was created just now, and show what follows.
 * `counted` has the names of the messages that count as missed; `noun` is what they are. A page without a history
 * has neither: its lists are read again.
 */
export function showOutages(socket, counted = [], noun = "") {
  let missed = 0; // messages that came since the connection was lost

  const show = (text) => ($("outage").textContent = text);
  socket.on("message", ({ action }) => (missed += counted.includes(action)));
  socket.on("close", ({ reconnect }) => {
    missed = 0;
    show(reconnect ? "Connection lost …" : "");
  });
  socket.on("ready", () => $("outage").textContent === "Connection lost …" && show("Connected again."));
  socket.on("recovered", () => show(`Connected again. Missed ${noun}s received: ${missed}.`));
  socket.on("gap", () => show(`Some ${noun}s are gone: loaded again.`));

  letButtonCut(socket, $("cut"));
  $("restart-redis")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    show(noun ? "Redis is restarting …" : "Redis is restarting: then the lists are read again.");
    const { action, method } = event.target;
    const { ok } = await fetch(action, { method, body: new FormData(event.target) });
    if (!ok) show("Redis was not restarted.");
  });
}

/** Let `button` close the WebSocket of a client, and keep it offline for some seconds, or until it is pressed again. */
function letButtonCut(socket, button) {
  const text = button.textContent;
  let webSocket = latest;
  let timer = 0; // of the end, while the connection is cut

  socket.on("state", (state) => state === "connecting" && (webSocket = latest));

  function cut() {
    socket.connect = () => {}; // the client's own attempts to connect again do nothing
    webSocket.close();
    button.textContent = "Connect again";
    timer = setTimeout(end, 1000 * button.dataset.seconds);
  }

  function end() {
    clearTimeout(timer);
    timer = 0;
    button.textContent = text;
    delete socket.connect;
    socket.connect();
  }

  button.onclick = () => (timer ? end() : cut());
}
