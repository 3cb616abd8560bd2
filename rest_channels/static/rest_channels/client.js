/**
 * The browser's end of a REST Channels socket. One ES module, no build, no dependency.
 *
 *     import { SocketClient } from "/static/rest_channels/client.js";
 *
 *     const socket = new SocketClient("/ws/editor/1/", { dialect: "method" });
 *     socket.subscribe((now) => now.request("sign_in"));       // after every (re)connect
 *     socket.on("version", (data) => show(data));              // a message, by its name
 *     await socket.request("save", { title: "Waltz" });        // a reply, by its request_id
 *     socket.watch("subscribe_instance", { pk: 1 }, show);     // all that comes under one
 *
 * States: connecting → open (subscriptions run) → ready → waiting → connecting …, at last closed.
 * Events: the names of messages, and open, ready, close, reconnecting, message, error, state.
 *
 * @typedef {"connecting" | "open" | "ready" | "waiting" | "closed"} State
 * @typedef {{ timeout?: number, retry?: boolean, signal?: AbortSignal }} RequestOptions
 *   `timeout` in ms, 0 for none; `retry` says that it may be sent again if the connection is lost
 * @typedef {{ code: number, reason: string, status: number, detail: any, reconnect: boolean }} CloseEvent
 *   `reason` is for people to read; `status` and `detail` are from the error frame before the close
 * @typedef {Pick<SocketClient, "send" | "request">} Now  speaks at once, ahead of all that waits
 */

const DEFAULTS = {
  /** @type {"action" | "method" | "type" | "none"} */ dialect: "none",
  timeout: 30_000, // a request waits this long for its reply
  heartbeat: 20_000, // this much silence, and we $ping; 0 for servers that do not know $ping
  patience: 10_000, // for the $pong, and for a connection to open
  base: 500, // the first try to reconnect comes within this time, each next one within the double
  cap: 15_000, // … up to this
  stable: 5_000, // a connection that was ready for so long was a success: start from `base` again
  queue: 100, // how much may wait for a connection
  /** @type {string[]} */ protocols: [], // subprotocols: a token comes as `authorization.Bearer.<token>`
};

/** How a dialect dresses what we send; in what comes, the key of its name, and if all of it is data. */
const DIALECTS = {
  action: { key: "action", wrap: (action, data, request_id) => ({ ...data, action, request_id }) },
  method: { key: "method", wrap: (method, data, request_id) => ({ method, data, request_id }) },
  type: { key: "type", wrap: (type, data) => ({ ...data, type }), whole: true },
  none: { wrap: (_name, data, request_id) => ({ ...data, request_id }), whole: true },
};

const LIFECYCLE = new Set(["open", "ready", "close", "reconnecting", "message", "error", "state"]);

const REASONS = {
  1000: "The connection was closed.",
  1001: "The server went away.",
  1009: "A message was too big for the server.",
  1012: "The server is restarting.",
  1013: "The server is busy.",
  4401: "You are not logged in.",
  4403: "You may not be here.",
  4404: "There is nothing here.",
  4413: "A message was too big for the server.",
  4429: "That was too much at once.",
};

/** Whether a close code asks to come back: the server's `CloseCode` in Python is the same table. */
export function mayReconnect(code) {
  if (code >= 4000) return code >= 4500 && code <= 4599;
  return ![1000, 1008, 1009].includes(code);
}

/** What went wrong. `status` and `detail` are the server's; status 0 means that it did not answer. */
export class SocketError extends Error {
  name = "SocketError";

  constructor(detail, status = 0) {
    super(sentence(detail));
    this.detail = detail;
    this.status = status;
  }
}

export class SocketClient {
  #url;
  #options;
  #dialect;
  #listeners = new Map(); // event → Set of functions
  #subscriptions = new Set();
  #watched = new Map(); // request_id → function
  #subscribing = 0; // subscriptions that still run
  #queue = []; // calls that wait for "ready", oldest first
  #pending = new Map(); // request_id → call that waits for its reply
  #lastId = 0;
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {State} */ #state = "closed";
  /** @type {SocketError | null} */ #refusal = null; // when the latest frame was an error
  #tries = 0;
  #readySince = Infinity;
  #timer; // one at a time: until the next try, ping, or loss of patience
  #page; // an AbortController for the listeners on window and document

  /** @param {string} url relative to the page  @param {Partial<typeof DEFAULTS>} [options] */
  constructor(url, options) {
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#options = { ...DEFAULTS, ...options };
    this.#dialect = DIALECTS[this.#options.dialect];
    if (!this.#dialect) throw new TypeError(`There is no dialect "${this.#options.dialect}".`);
    this.connect();
  }

  get state() {
    return this.#state;
  }

  /** Connect now. Only needed to try again after the connection was given up. */
  connect() {
    if (this.#socket) return;
    this.#watchPage();
    this.#refusal = null;
    this.#readySince = Infinity;
    const socket = (this.#socket = new WebSocket(this.#url, this.#options.protocols));
    this.#after(this.#options.patience, () => this.#lost(socket, 1006, "The server does not answer."));
    socket.onopen = () => socket === this.#socket && this.#opened(socket);
    socket.onmessage = ({ data }) => socket === this.#socket && this.#received(data);
    socket.onclose = ({ code, reason }) => this.#lost(socket, code, reason);
    this.#enter("connecting");
  }

  /** End the connection for good. All that still waits is rejected. */
  close() {
    if (this.#state === "waiting") this.#ended(1000, new SocketError(REASONS[1000]));
    else this.#lost(this.#socket, 1000, "", false);
  }

  /**
   * Hear messages of a name, `fn(data, frame)`, or what happens to the connection, `fn(event)`.
   * @returns {() => void} stops it
   */
  on(event, fn) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(fn);
    return () => this.#listeners.get(event).delete(fn);
  }

  /**
   * Run `fn(now)` whenever the connection opens; it is ready when all of them are done. A refusal
   * (4xx) that `fn` does not catch gives the connection up, any other failure tries once more.
   * @param {(now: Now) => unknown} fn  @returns {() => void} stops it
   */
  subscribe(fn) {
    this.#subscriptions.add(fn);
    if (this.#state === "open" || this.#state === "ready") this.#run(fn, this.#socket);
    return () => this.#subscriptions.delete(fn);
  }

  /**
   * Ask whenever the connection opens, and hear all that comes under the request's id from then on:
   * what observers tell, pages of a list. `fn(data, frame)` also gets the reply, if it has data; and
   * what ends the watch, a refusal, with null as data: `frame.errors` says why.
   * @param {string} name  @param {object | undefined} data  @param {(data: any, frame: any) => unknown} fn
   * @returns {(name?: string) => void} stops it; in: what to send, with the same id and data, to say so
   */
  watch(name, data, fn) {
    this.#mustReply();
    const id = ++this.#lastId;
    const end = () => (stop(), this.#watched.delete(id));
    this.#watched.set(id, (data, frame, failure) => {
      if (failure) end();
      if (failure || data !== null) fn(data, frame);
    });
    const stop = this.subscribe((now) => now.request(name, data, { id }).catch((error) => {
      if (!error.status) throw error; // the connection was lost: there will be another one
    }));
    return (leave) => {
      end();
      if (leave && this.#state === "ready") this.request(leave, data, { id }).catch(() => {});
    };
  }

  /**
   * Send a message of the dialect, `send("move", { x: 1 })`, or a frame as it is, `send({ … })`.
   * @returns {Promise<void>} fulfilled when it was sent; rejected, which may be ignored, when not
   */
  send(name, data) {
    return this.#send(null, name, data);
  }

  /**
   * Ask, and wait for the reply with our request_id. The dialect "none" has no name: leave it out.
   * @param {string} name  @param {object} [data]  @param {RequestOptions} [options]
   * @returns {Promise<any>} the data of the reply; rejected with `SocketError` or the signal's reason
   */
  request(name, data, options) {
    return this.#request(null, name, data, options);
  }

  #mustReply() {
    if (this.#dialect === DIALECTS.type) throw new SocketError('The dialect "type" knows no replies: use send().');
  }

  #send(via, name, data) {
    const named = typeof name === "string" && this.#dialect !== DIALECTS.none;
    const frame = encoded(named ? this.#dialect.wrap(name, data) : name);
    const sent = new Promise((resolve, reject) => this.#submit({ frame, resolve, reject }, via));
    sent.catch(() => {});
    return sent;
  }

  async #request(via, name, data, options) {
    if (typeof name === "object") [name, data, options] = ["request", name, data];
    this.#mustReply();
    const { timeout = this.#options.timeout, retry = false, signal, id = ++this.#lastId } = options ?? {};
    signal?.throwIfAborted();
    const frame = encoded(this.#dialect.wrap(name, data, id));
    return new Promise((resolve, reject) => {
      const call = { id, frame, retry: retry && !via, resolve, reject };
      const drop = (error) => {
        this.#pending.delete(id);
        this.#queue = this.#queue.filter((waiting) => waiting !== call);
        reject(error);
      };
      const late = () => drop(new SocketError(`No reply to "${name}" within ${timeout} ms.`));
      if (timeout > 0 && timeout < 2 ** 31) setTimeout(late, timeout);
      signal?.addEventListener("abort", () => drop(signal.reason));
      this.#submit(call, via);
    });
  }

  /** Send a call now, or keep it. `via` is the connection that a subscription speaks to. */
  #submit(call, via) {
    const socket = this.#socket;
    const refuse = (why) => call.reject(new SocketError(why));
    if (socket?.readyState === 1 && (via ? via === socket : this.#state === "ready")) this.#transmit(call);
    else if (via || this.#state === "closed") refuse("The connection is closed.");
    else if (this.#queue.length >= this.#options.queue) refuse("Too much waits for the connection.");
    else this.#queue.push(call);
  }

  #transmit(call) {
    this.#socket.send(call.frame);
    if (call.id) this.#pending.set(call.id, call);
    else call.resolve();
  }

  #opened(socket) {
    this.#listenForSilence();
    this.#subscribing = 0;
    this.#enter("open");
    this.#emit("open", {});
    for (const fn of [() => {}, ...this.#subscriptions]) this.#run(fn, socket);
  }

  async #run(fn, socket) {
    this.#subscribing += 1;
    try {
      await fn({ send: this.#send.bind(this, socket), request: this.#request.bind(this, socket) });
    } catch (error) {
      if (socket !== this.#socket) return; // it failed because the connection did
      if (error?.name !== "AbortError") return this.#failed(socket, error);
    }
    if (socket === this.#socket && --this.#subscribing === 0 && this.#state === "open") this.#ready(socket);
  }

  #failed(socket, error) {
    const refused = error.status >= 400 && error.status < 500;
    if (refused) this.#refusal = error;
    this.#emit("error", error);
    this.#lost(socket, refused ? 4000 : 1006, error.message, !refused);
  }

  #ready(socket) {
    if (socket.readyState !== 1) return; // its close event is on the way
    this.#readySince = Date.now();
    for (const call of this.#queue.splice(0)) this.#transmit(call);
    this.#enter("ready");
    this.#emit("ready", {});
  }

  #received(raw) {
    this.#listenForSilence();
    const frame = decoded(raw);
    if (frame?.$pong !== undefined) return;
    if (this.#dialect === DIALECTS.type && frame?.type === "PING") this.#socket.send(raw); // a sign of life
    const failure = (this.#refusal = this.#failure(frame));
    const data = this.#dialect.whole ? frame : frame?.data;
    this.#emit("message", frame);
    const call = this.#pending.get(frame?.request_id);
    const watching = this.#watched.get(frame?.request_id);
    watching?.(failure ? null : data, frame, failure);
    if (call) {
      this.#pending.delete(call.id);
      return failure ? call.reject(failure) : call.resolve(data);
    }
    if (failure && !watching) this.#emit("error", failure);
    if (watching) return;
    const name = frame?.[this.#dialect.key];
    if (!LIFECYCLE.has(name)) this.#emit(name, data, frame);
  }

  /** The error that a frame of any dialect tells, or null. */
  #failure(frame) {
    const { response_status, status = response_status, request_id: _, ...rest } = Object(frame);
    const failed = this.#dialect === DIALECTS.type ? rest.type === "ERROR" : Number.isInteger(status) && status >= 400;
    if (!failed) return null;
    const { errors, details, data, detail = details ?? data?.detail ?? data } = rest;
    return new SocketError(errors ?? detail ?? rest, status);
  }

  #lost(socket, code, reason, reconnect = mayReconnect(code)) {
    if (!socket || socket !== this.#socket) return;
    this.#socket = null;
    if (socket.readyState < 2) socket.close(code < 3000 ? 1000 : code); // not awaited: half-open takes minutes
    const words = reason || REASONS[code] || `The connection was lost (${code}).`;
    const error = (code >= 4000 && this.#refusal) || new SocketError(words);
    const sent = [...this.#pending.values()];
    this.#pending.clear();
    this.#queue.unshift(...sent.filter((call) => call.retry));
    for (const call of sent) if (!call.retry) call.reject(error);
    if (reconnect) this.#wait(code, error);
    else this.#ended(code, error);
  }

  /** Full jitter: any time within a window that doubles, so that a crowd does not return at once. */
  #wait(code, error) {
    const { base, cap, stable } = this.#options;
    if (Date.now() - this.#readySince >= stable) this.#tries = 0;
    const delay = Math.random() * Math.min(cap, base * 2 ** this.#tries++);
    this.#after(delay, () => this.connect());
    this.#enter("waiting");
    this.#tellClose(code, error, true);
    if (this.#state === "waiting") this.#emit("reconnecting", { tries: this.#tries, delay });
  }

  #ended(code, error) {
    clearTimeout(this.#timer);
    this.#page.abort();
    this.#tries = 0;
    this.#enter("closed");
    for (const call of this.#queue.splice(0)) call.reject(error);
    this.#tellClose(code, error, false);
  }

  #tellClose(code, { message: reason, status, detail }, reconnect) {
    this.#emit("close", { code, reason, status, detail, reconnect });
  }

  #listenForSilence() {
    clearTimeout(this.#timer);
    if (this.#options.heartbeat) this.#after(this.#options.heartbeat, () => this.#ping());
  }

  #ping() {
    const socket = this.#socket;
    this.#after(this.#options.patience, () => this.#lost(socket, 1006, "The server stopped answering."));
    socket.send(JSON.stringify({ $ping: Date.now() }));
  }

  #after(delay, fn) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(fn, delay);
  }

  /** When the network is back, or the tab is looked at again, find out at once how things are. */
  #watchPage() {
    if (this.#page && !this.#page.signal.aborted) return;
    this.#page = new AbortController();
    const wake = () => {
      if (globalThis.document?.visibilityState === "hidden") return;
      if (this.#state === "waiting") this.connect();
      else if (this.#state === "ready" && this.#options.heartbeat) this.#ping();
    };
    globalThis.addEventListener?.("online", wake, this.#page);
    globalThis.document?.addEventListener("visibilitychange", wake, this.#page);
  }

  #enter(state) {
    this.#state = state;
    this.#emit("state", state);
  }

  #emit(event, ...args) {
    for (const fn of [...(this.#listeners.get(event) ?? [])]) {
      try {
        fn(...args);
      } catch (error) {
        reportError(error); // one listener's mistake is not the next one's
      }
    }
  }
}

/** Text and bytes are frames as they are, all else becomes JSON. */
function encoded(data) {
  const bytes = data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data);
  return bytes || typeof data === "string" ? data : JSON.stringify(data);
}

function decoded(data) {
  try {
    return typeof data === "string" ? JSON.parse(data) : data;
  } catch {
    return data;
  }
}

/** An error's detail for people: a text, a list of them, or DRF's lists by field. */
function sentence(detail) {
  if (Array.isArray(detail)) return detail.map(sentence).join(" ");
  if (Object(detail) !== detail) return String(detail ?? "");
  return Object.entries(detail).map(([field, problem]) => `${field}: ${sentence(problem)}`).join(" ");
}
