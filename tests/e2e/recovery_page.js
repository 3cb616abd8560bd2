/** A page that notes all that its user sees of groups with a history, in order. */

import { SocketClient } from "./client.js";

/** URL → messages that the server has sent without an offset, because it could not keep them. */
const unkept = {};

globalThis.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    const messages = (unkept[this.url] ??= new Set());
    this.addEventListener("message", ({ data }) => {
      const { $at, by, n } = JSON.parse(data);
      if (by && !$at) messages.add(`${by} ${n}`);
    });
  }
};

/** What the user sees of each group: { by, n, isKept }, { missed } for a gap, { recovered }. */
const logs = {};
const clients = [];

for (const name of ["long", "short"]) {
  const url = new URL(`/lines/${name}/`, location.href.replace("http", "ws")).href;
  const log = (logs[name] = []);
  const client = new SocketClient(url, { base: 20, cap: 100 });
  client.on("message", ({ by, n }) => log.push({ by, n, isKept: !unkept[url].has(`${by} ${n}`) }));
  client.on("gap", ({ missed }) => log.push({ missed }));
  client.on("recovered", ({ messages }) => log.push({ recovered: messages }));
  clients.push(client);
}

globalThis.seen = () => logs;
globalThis.isReady = () => clients.every(({ state }) => state === "ready");
