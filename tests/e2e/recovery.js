/** A page without a network and without a clock: each test serves the connection, and lets time pass. */

let now = 0;
let timers = new Map();
let lastTimer = 0;
const draw = Math.random;

globalThis.setTimeout = (fn, delay = 0) => {
  timers.set(++lastTimer, { fn, time: now + delay });
  return lastTimer;
};
globalThis.reportError = (error) => {
  throw error; // the test fails
};
globalThis.clearTimeout = (id) => timers.delete(id);
globalThis.WebSocket = class {
  static last;
  static mostBytes = 1024; // of a frame
  readyState = 0;
  sent = [];

  constructor() {
    WebSocket.last = this;
  }

  send(text) {
    if (new TextEncoder().encode(text).length > WebSocket.mostBytes) throw new Error("The server refuses so much.");
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }
};

/** Let `duration` ms pass: run the timers that are due, in order. */
export function pass(duration) {
  const end = now + duration;
  for (;;) {
    const due = [...timers].filter(([, { time }]) => time <= end).sort(([, a], [, b]) => a.time - b.time)[0];
    if (!due) break;
    timers.delete(due[0]);
    now = Math.max(now, due[1].time);
    due[1].fn();
  }
  now = end;
}

/** As `pass`, with time for what waits for promises. */
export async function passSlowly(duration) {
  for (let passed = 0; passed < duration; passed += 100) {
    pass(100);
    for (let turn = 0; turn < 10; turn++) await null;
  }
}

/** How many timers run. */
export const timersRunning = () => timers.size;

/** A client with its only server. `log` has all that the page sees: messages, gaps and recoveries. */
export class Served {
  log = [];

  constructor(SocketClient, options) {
    timers = new Map();
    Math.random = draw;
    this.client = new SocketClient("ws://server/", { heartbeat: 0, ...options });
    this.client.on("message", (frame) => this.log.push(frame?.n ?? frame));
    this.client.on("gap", (gap) => this.log.push(gap));
    this.client.on("recovered", (recovered) => this.log.push(recovered));
    this.accept();
  }

  accept() {
    this.connection = WebSocket.last;
    this.connection.readyState = 1;
    this.connection.onopen();
  }

  send(...frames) {
    for (const frame of frames) this.connection.onmessage({ data: JSON.stringify(frame) });
  }

  joined(positions) {
    this.send({ $joined: positions });
  }

  resumed(answers) {
    this.send({ $resumed: answers });
  }

  /** Send messages of a group, by their numbers. */
  messages(tag, ...numbers) {
    for (const n of numbers) this.send({ $at: `${tag}.${n}`, n });
  }

  lose() {
    this.connection.readyState = 3;
    this.connection.onclose({ code: 1006, reason: "" });
  }

  /** The client connects again by itself. */
  reconnect(positions) {
    if (this.connection.readyState === 1) this.lose();
    while (WebSocket.last === this.connection) pass(100);
    this.accept();
    this.joined(positions);
  }

  /** What the client asked for on this connection. */
  get asked() {
    return this.connection.sent.filter((frame) => frame.$resume).map((frame) => frame.$resume);
  }
}
