/** A page that shows three live lists of its user, and notes each list that it has shown. */

import { SocketClient } from "./client.js";

const LISTS = {
  mine: ["subscribe_list", {}],
  open: ["subscribe_list", { query: { search: "moon" } }],
  top: ["watch", {}],
};

/** What was shown: the list, when (in seconds since 1970), and its rows; null for an error frame. */
const log = [];
const clients = [];
let frames = 0;

for (const [name, [action, data]] of Object.entries(LISTS)) {
  const section = document.createElement("section");
  const url = new URL(`/${name}/`, location.href.replace("http", "ws")).href;
  const options = { base: 20, cap: 100, patience: 2000, heartbeat: 1000, refusals: 0 }; // handshakes are cut, too
  const client = new SocketClient(url, { dialect: "action", ...options });
  client.on("message", () => (frames += 1));
  const live = client.live(action, data, (rows, diff) => {
    const at = (performance.timeOrigin + performance.now()) / 1000;
    log.push({ list: name, at, rows: rows && rows.map((row) => ({ ...row })), errors: rows ? [] : diff.errors });
    const lines = (rows ?? []).map(({ id, title, owner, rank, board, is_open }) =>
      `${id} ${title} · ${owner} · rank ${rank} · board ${board}${is_open ? "" : " (closed)"}`);
    section.innerText = [`${name} (${lines.length})`, ...lines].join("\n");
  });
  clients.push({ client, name, live });
  document.body.append(section);
}

document.body.style.cssText = "display: flex; gap: 2rem; font: 13px sans-serif";

/** Return what was noted since the last call. */
globalThis.seen = () => log.splice(0);
globalThis.frames = () => frames;
globalThis.rows = () => Object.fromEntries(clients.map(({ name, live }) => [name, live.rows]));
globalThis.isReady = () => clients.every(({ client }) => client.state === "ready");
