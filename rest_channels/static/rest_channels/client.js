/**
 * The browser client of REST Channels: one ES module, without a build step or dependencies.
 *
 *     import { SocketClient } from "/static/rest_channels/client.js";
 *
 *     const socket = new SocketClient("/ws/editor/1/", { dialect: "method" });
 *     socket.subscribe((now) => now.request("sign_in"));       // runs after every (re)connect
 *     socket.on("version", (data) => show(data));              // messages, by name
 *     await socket.request("save", { title: "Waltz" });        // one reply, by request_id
 *     socket.watch("subscribe_instance", { pk: 1 }, show);     // all frames with one request_id
 *     socket.live("subscribe_list", { search: "milk" }, show); // a list that equals the server's queryset
 *     socket.stream("notes").send({ line: "hi" });             // of a Multiplexer
 *
 * States: connecting → open (subscriptions run) → ready → waiting → connecting …, finally closed.
 * Events: the names of messages, and open, ready, close, reconnecting, message, error, state; and where the
 * server keeps a history of a group, recovered and gap.
 *
 * @typedef {"connecting" | "open" | "ready" | "waiting" | "closed"} State
 * @typedef {{ timeout?: number, retry?: boolean | "always", signal?: AbortSignal }} RequestOptions
 *   `timeout` in ms, 0 for none; `retry`: send again if the connection is lost before the reply.
 *   With `true` this repeats none of the actions in WRITES; "always" repeats any request
 * @typedef {{ code: number, reason: string, status: number, detail: any, reconnect: boolean }} CloseEvent
 *   `reason` is text for users; `status` and `detail` are from the error frame before the close
 * @typedef {{ open: object, ready: object, state: State, message: any, error: SocketError, close: CloseEvent,
 *   reconnecting: { tries: number, delay: number }, recovered: { messages: number },
 *   gap: { groups: string[], missed: number | null } }} ConnectionEvents  what the functions of each event get
 * @typedef {{ leave: any[], enter: any[], move: any[], change: any[] }} ListDiff  what differs from the list before:
 *   keys that leave, `[after, row, tag]`, `[after, key]`, and `[row, tag]`; `after` is the key of the row before it
 * @typedef {Pick<SocketClient, "send" | "request">} Now  sends at once, ahead of the queue
 */

const DEFAULTS = {
  /** @type {"action" | "method" | "type" | "none"} */ dialect: "none",
  // All times are in milliseconds.
  timeout: 30_000, // how long a request waits for its reply
  heartbeat: 20_000, // send a $ping after this much silence; 0 for servers without $ping
  patience: 10_000, // how long to wait for a $pong, and for a connection to open
  base: 500, // the longest delay before the first attempt to reconnect; it doubles each time
  cap: 15_000, // the longest delay of all
  stable: 5_000, // after being ready for this long, delays start from `base` again
  refusals: 5, // stop after this many refused handshakes in a row; 0 for never
  queue: 100, // the most messages that may wait for a connection
  /** @type {string[]} */ protocols: [], // subprotocols; send a token as `authorization.Bearer.<token>`
  /** @type {Record<string, "action" | "method" | "type" | "none">} */ streams: {}, // dialects, for `stream(name)`
};

/**
 * Each dialect: `wrap` builds a frame, `key` is the key of a frame's name. With `whole` the data of
 * a received frame is the frame itself, not its `data`.
 */
const DIALECTS = {
  action: { key: "action", wrap: (action, data, request_id) => ({ ...data, action, request_id }) },
  method: { key: "method", wrap: (method, data, request_id) => ({ method, data, request_id }) },
  type: { key: "type", wrap: (type, data) => ({ ...data, type }), whole: true },
  none: { wrap: (_name, data, request_id) => ({ ...data, request_id }), whole: true },
};

/** Actions that a lost connection never repeats by itself: the server may have run them already. */
const WRITES = new Set(["create", "update", "patch", "delete"]);

const REFUSED =
  "The server refuses this connection. Its log says which class refused it, and why. Look at the path of the URL, " +
  "at the origin of the page (ALLOWED_ORIGINS), at the login, and at permission_classes.";

/** A browser fails unless the server accepts an offered subprotocol, and no server accepts a token. */
const withAcceptable = (protocols) => {
  const offered = [protocols].flat();
  const tokensOnly = offered.length > 0 && offered.every((name) => name.startsWith("authorization."));
  return tokensOnly ? [...offered, "rest-channels"] : offered;
};

/** Events that a message of that name does not cause. A server may send messages named "gap" and "recovered". */
const LIFECYCLE = new Set(["open", "ready", "close", "reconnecting", "message", "error", "state"]);

const FLOOD = 4429;
const THROTTLED = 4529;
const DAY = 86_400_000; // ms; browsers limit the time of a timer

const REASONS = {
  1000: "The connection was closed.",
  1001: "The server went away.",
  1009: "A message was too big for the server.",
  1012: "The server is restarting.",
  1013: "The server is busy.",
  4401: "You are not logged in.",
  4403: "You do not have permission to connect.",
  4404: "Nothing was found at this address.",
  4413: "A message was too big for the server.",
  4429: "Too many messages were sent at once.",
  4529: "The server is busy.",
};

/**
 * Whether clients reconnect after a close code, as `CloseCode` in Python defines.
 * @param {number} code  @returns {boolean}
 */
export function mayReconnect(code) {
  if (code >= 4000) return code >= 4500 && code <= 4599;
  return ![1000, 1008, 1009].includes(code);
}

/**
 * An error with the server's `status` and `detail`; status 0 means that it did not reply.
 * `retryAfter` is the time in seconds that the server asks to wait, or 0.
 */
export class SocketError extends Error {
  name = "SocketError";

  /** @param {any} detail  @param {number} [status]  @param {any} [retryAfter] */
  constructor(detail, status = 0, retryAfter = 0) {
    super(toText(detail));
    this.detail = detail;
    this.status = status;
    this.retryAfter = Number(retryAfter) || 0;
  }
}

/** A connection that reconnects by itself, with messages, requests and subscriptions. */
export class SocketClient {
  #url;
  #options;
  #dialect;
  #isDialectGiven; // otherwise the first error for a request with a name tells the dialect
  #listeners = new Map(); // event → Set of functions
  #subscriptions = new Set();
  #watched = new Map(); // request_id → function
  #runningSubscriptions = 0;
  #queue = []; // calls to send when the state is "ready", oldest first
  #pending = new Map(); // request_id → call without a reply yet
  #lastId = 0;
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {State} */ #state = "closed";
  /** @type {SocketError | null} */ #lastFailure = null; // the latest frame, if it was an error
  #attempts = 0;
  #refusals = 0; // handshakes in a row that ended before the connection was open
  #readySince = Infinity;
  #notBefore = 0; // the time before which the server refuses to connect
  #timer; // of the next attempt, ping or timeout: one at a time
  #pageListeners; // an AbortController of listeners on window and document
  #streams = new Map(); // name → SocketClient
  #openOther; // for a stream: returns what it has in place of a WebSocket
  #delays; // `base` and `cap` of the time until a watch asks again; for a stream, those of its connection
  #recovery;

  /**
   * @param {string} url relative to the page  @param {Partial<typeof DEFAULTS>} [options]
   * @param {() => any} [openOther] only for `stream()`  @param {{ base: number, cap: number }} [delays] as well
   */
  constructor(url, options, openOther, delays) {
    this.#openOther = openOther;
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#options = { ...DEFAULTS, ...options };
    this.#delays = delays ?? this.#options;
    this.#dialect = DIALECTS[this.#options.dialect];
    this.#isDialectGiven = options?.dialect !== undefined;
    const names = Object.keys(DIALECTS).join(", ");
    if (!this.#dialect) throw new TypeError(`There is no dialect "${this.#options.dialect}". Use one of ${names}.`);
    this.#recovery = new Recovery({
      patience: this.#options.patience,
      send: (frame) => this.#socket.send(JSON.stringify(frame)),
      handle: (frame, raw) => this.#handle(frame, raw),
      emit: (event, detail) => this.#emit(event, detail),
    });
    this.connect();
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /** Connect now. Only needed in the state "closed". */
  connect() {
    if (this.#socket) return;
    this.#listenToPage();
    this.#lastFailure = null;
    this.#readySince = Infinity;
    const socket = (this.#socket =
      this.#openOther?.() ?? new WebSocket(this.#url, withAcceptable(this.#options.protocols)));
    this.#setTimer(this.#options.patience, () => this.#connectionLost(socket, 1006, "The server does not answer."));
    socket.onopen = () => socket === this.#socket && this.#opened(socket);
    socket.onmessage = ({ data }) => socket === this.#socket && this.#received(data);
    socket.onclose = ({ code, reason }) => this.#connectionLost(socket, code, reason);
    this.#setState("connecting");
  }

  /** Close the connection and do not reconnect. Waiting calls are rejected. */
  close() {
    this.#end(1000, REASONS[1000]);
  }

  #end(code, reason) {
    if (this.#state === "waiting") this.#connectionEnded(code, new SocketError(reason));
    else this.#connectionLost(this.#socket, code, reason, false);
  }

  /**
   * One stream of a `Multiplexer`, with the methods of a client of its own. All calls with a name return the same
   * client. The option `streams` has its dialect. It connects again with this connection, and ends with it.
   * Its own `close()` leaves this connection open.
   * @param {string} name  @returns {SocketClient}
   */
  stream(name) {
    if (!this.#streams.has(name)) {
      const { timeout, queue, streams } = this.#options;
      // This connection has the heartbeat, and the delays of reconnecting.
      const options = { timeout, queue, heartbeat: 0, patience: DAY, base: 0, cap: 0, refusals: 0 };
      const chosen = streams[name] ? { ...options, dialect: streams[name] } : options;
      const client = new SocketClient(this.#url.href, chosen, () => this.#openStream(name), this.#options);
      this.#streams.set(name, client);
    }
    return this.#streams.get(name);
  }

  /** What a stream has in place of a WebSocket. */
  #openStream(name) {
    if (this.#state === "closed") this.connect();
    const stream = /** @type {any} */ ({ readyState: 0 });
    stream.send = (json) => this.#socket.send(`{"stream":${JSON.stringify(name)},"payload":${json}}`);
    stream.close = () => {
      stream.readyState = 3;
      for (const stop of stops) stop();
    };
    const open = () => {
      if (stream.readyState !== 0) return;
      stream.readyState = 1;
      stream.onopen();
    };
    const stops = [
      this.on("open", open),
      this.on("message", (frame) => {
        if (frame?.stream === name) stream.onmessage({ data: JSON.stringify(frame.payload) });
      }),
      this.on("close", ({ code, reason, reconnect }) => {
        stream.close();
        if (reconnect) stream.onclose({ code: 1006, reason });
        else this.#streams.get(name).#end(code, reason);
      }),
    ];
    if (this.#state === "open" || this.#state === "ready") queueMicrotask(open);
    return stream;
  }

  /**
   * Call `fn(event)` for an event of the connection, or `fn(data, frame)` for messages of a name.
   * @template {string} E
   * @param {E} event
   * @param {E extends keyof ConnectionEvents ? (event: ConnectionEvents[E]) => unknown
   *   : (data: any, frame: any) => unknown} fn
   * @returns {() => void} removes the listener
   */
  on(event, fn) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(fn);
    return () => this.#listeners.get(event).delete(fn);
  }

  /**
   * Run `fn(now)` once whenever the connection opens. The state is "ready" when all such calls are done.
   * If `fn` throws a client error (4xx), the connection is closed. After other errors it reconnects.
   * @param {(now: Now) => unknown} fn  @returns {() => void} removes the subscription
   */
  subscribe(fn) {
    const isNew = !this.#subscriptions.has(fn);
    this.#subscriptions.add(fn);
    if (isNew && (this.#state === "open" || this.#state === "ready")) this.#runSubscription(fn, this.#socket);
    return () => this.#subscriptions.delete(fn);
  }

  /**
   * Send a request whenever the connection opens, and call `fn(data, frame)` for every frame with
   * its request_id: the reply if it has data, events of observers, pages of a list.
   * An error frame ends the watch. Then `data` is null, `frame.errors` says why, and an error event follows.
   * After a server error (5xx) a watch that has worked before asks again, after growing delays, and does not end.
   * @param {string} name  @param {unknown} data  @param {(data: any, frame: any) => unknown} fn
   * @returns {(name?: string) => void} ends the watch; with a name, for example
   *   "unsubscribe_instance", it also sends that request with the same data and request_id, after the first reply
   */
  watch(name, data, fn) {
    return this.#watch(name, data, fn, () => data);
  }

  /**
   * Keep a list that equals a queryset of the server, such as that of "subscribe_list", or of the type of a `live`. `fn(rows, diff)` gets all rows
   * in their order, whenever they differ; `diff` is null for a whole list. After a reconnect only what differs is sent.
   * An error frame ends it as it ends a watch: then `fn(null, frame)` is called, and an error event follows.
   * @param {string} name  @param {object} data  the arguments of the action
   * @param {(rows: any[] | null, diff: ListDiff | null) => unknown} fn
   * @returns {{ readonly rows: any[], stop: (name?: string) => void }}  `stop` ends it, as the function of `watch` does
   */
  live(name, data, fn) {
    const list = new LiveList();
    const taken = (/** @type {any} */ found, /** @type {any} */ frame) => {
      const diff = found === null ? frame : list.take(found);
      if (diff !== undefined) fn(found && list.rows, diff);
    };
    const watch = this.#dialect === DIALECTS.type ? this.#watchType : this.#watch;
    const stop = watch.call(this, name, data, taken, () => ({ ...data, ...list.takeHave() }));
    return { get rows() { return list.rows; }, stop };
  }

  /** Do what `#watch` does, in a dialect whose messages of one type have no request_id. */
  #watchType(name, _data, fn, dataNow) {
    const ends = [this.on(name, fn), this.subscribe((now) => now.send(name, dataNow()))];
    return (lastName) => {
      for (const end of ends) end();
      if (lastName) this.send(lastName).catch(() => {});
    };
  }

  #watch(name, data, fn, dataNow) {
    this.#requireReplies();
    const id = ++this.#lastId;
    let hasWorked = false, failures = 0, timer = 0, ask;
    let sendLast = (_name) => {}; // only to a connection on which the first request has succeeded
    const stopTimer = () => (clearTimeout(timer), (timer = 0));
    const end = () => (stop(), this.#watched.delete(id), stopTimer());
    const askLater = () => {
      const { base, cap } = this.#delays;
      timer ||= setTimeout(() => ask(), Math.random() * Math.min(cap, base * 2 ** failures++));
    };
    this.#watched.set(id, (data, frame, failure) => {
      if (hasWorked && failure?.status >= 500) return askLater(); // such as a database that is away
      if (failure) end();
      else [hasWorked, failures] = (stopTimer(), [true, 0]);
      if (failure || data !== null) callSafely(fn, data, frame);
    });
    const options = /** @type {any} */ ({ id });
    const stop = this.subscribe((now) => {
      const socket = this.#socket;
      const request = async () => {
        stopTimer();
        const reply = now.request(name, dataNow(), options);
        sendLast = (lastName) => reply.then(() => now.request(lastName, data, options)).catch(() => {});
        await reply.catch((error) => {
          if (!error.status) throw error; // the connection was lost, and will be opened again
        });
      };
      ask = () => request().catch(() => {
        if (socket === this.#socket && this.#watched.has(id)) askLater(); // no reply came in time
      });
      return request();
    });
    return (lastName) => {
      end();
      if (lastName) sendLast(lastName);
    };
  }

  /**
   * Send a message of the dialect, `send("move", { x: 1 })`, or a whole frame, `send({ … })`.
   * @param {unknown} name  @param {unknown} [data]
   * @returns {Promise<void>} fulfilled when sent, rejected when not; the rejection may be ignored
   */
  send(name, data) {
    return this.#send(null, name, data);
  }

  /**
   * Send a request and wait for its reply.
   * @overload
   * @param {string} name  @param {unknown} [data]  @param {RequestOptions} [options]
   * @returns {Promise<any>} the data of the reply; rejected with `SocketError` or the signal's reason
   */
  /**
   * Send a frame without a name, with the dialect "none", and wait for its reply.
   * @overload
   * @param {object} name  the frame
   * @param {RequestOptions} [data]
   * @returns {Promise<any>} the reply; rejected with `SocketError` or the signal's reason
   */
  /** @param {any} name  @param {any} [data]  @param {RequestOptions} [options]  @returns {Promise<any>} */
  request(name, data, options) {
    return this.#request(null, name, data, options);
  }

  /** Keep text and bytes, and convert everything else to JSON. A stream takes JSON only. */
  #encode(data) {
    const isBytes = data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data);
    if (isBytes && this.#openOther) throw new SocketError("A stream takes no bytes.");
    return isBytes || (typeof data === "string" && !this.#openOther) ? data : JSON.stringify(data);
  }

  #requireReplies() {
    if (this.#dialect === DIALECTS.type) throw new SocketError('The dialect "type" has no replies: use send().');
  }

  #send(via, name, data) {
    const isNamed = typeof name === "string" && this.#dialect !== DIALECTS.none;
    if (!isNamed && data !== undefined) throw new SocketError('send(name, data) needs the option "dialect".');
    const frame = this.#encode(isNamed ? this.#dialect.wrap(name, data) : name);
    const sent = new Promise((resolve, reject) => this.#sendOrQueue({ frame, resolve, reject }, via));
    sent.catch(() => {});
    return sent;
  }

  async #request(via, name, data, options) {
    const isNamed = typeof name !== "object";
    if (!isNamed) [name, data, options] = ["request", name, data];
    this.#requireReplies();
    const { timeout = this.#options.timeout, retry = false, signal, id = ++this.#lastId } = options ?? {};
    signal?.throwIfAborted();
    const frame = this.#encode(this.#dialect.wrap(name, data, id));
    return new Promise((resolve, reject) => {
      const dialect = this.#dialect;
      const repeats = retry === "always" || (retry && !(dialect === DIALECTS.action && WRITES.has(name)));
      const settle = (fn) => (value) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        fn(value);
      };
      const call = { id, frame, dialect, retry: repeats && !via, resolve: settle(resolve), reject: settle(reject) };
      if (isNamed) call.rewrite = () => (call.frame = this.#encode((call.dialect = this.#dialect).wrap(name, data, id)));
      const abandon = (error) => {
        this.#pending.delete(id);
        this.#queue = this.#queue.filter((waiting) => waiting !== call);
        call.reject(error);
      };
      const abort = () => abandon(signal.reason);
      const expire = () => abandon(new SocketError(`No reply to "${name}" within ${timeout} ms.`));
      const timer = timeout > 0 && timeout < 2 ** 31 ? setTimeout(expire, timeout) : 0;
      signal?.addEventListener("abort", abort);
      this.#sendOrQueue(call, via);
    });
  }

  /** Send a call now, or queue it. A subscription's call only goes to its own `via`, a WebSocket. */
  #sendOrQueue(call, via) {
    const socket = this.#socket;
    const reject = (reason) => call.reject(new SocketError(reason));
    if (socket?.readyState === 1 && (via ? via === socket : this.#state === "ready")) this.#transmit(call);
    else if (via || this.#state === "closed") reject("The connection is closed.");
    else if (this.#queue.length >= this.#options.queue) reject("Too many messages are waiting for the connection.");
    else this.#queue.push(call);
  }

  #transmit(call) {
    this.#socket.send(call.frame);
    if (call.id) this.#pending.set(call.id, call);
    else call.resolve();
  }

  #opened(socket) {
    this.#restartHeartbeat();
    this.#refusals = 0;
    this.#runningSubscriptions = 0;
    const subscriptions = [...this.#subscriptions]; // those that a listener adds now run at once
    this.#setState("open");
    if (socket === this.#socket) this.#emit("open", {});
    this.#runSubscription(() => {}, socket);
    for (const fn of subscriptions) if (this.#subscriptions.has(fn)) this.#runSubscription(fn, socket);
  }

  async #runSubscription(fn, socket) {
    if (socket !== this.#socket) return; // a listener or another subscription has closed the connection
    this.#runningSubscriptions += 1;
    try {
      await fn({ send: this.#send.bind(this, socket), request: this.#request.bind(this, socket) });
    } catch (error) {
      if (socket !== this.#socket) return; // the connection was lost, which is handled already
      if (error?.name !== "AbortError") return this.#subscriptionFailed(socket, error);
    }
    if (socket === this.#socket && --this.#runningSubscriptions === 0 && this.#state === "open") this.#ready(socket);
  }

  #subscriptionFailed(socket, error) {
    const isClientError = error.status >= 400 && error.status < 500;
    if (isClientError) this.#lastFailure = error;
    this.#emit("error", error);
    this.#connectionLost(socket, isClientError ? 4000 : 1006, error.message, !isClientError);
  }

  #ready(socket) {
    if (socket.readyState !== 1) return; // its close event follows
    this.#readySince = Date.now();
    for (const call of this.#queue.splice(0)) this.#transmit(call);
    this.#setState("ready");
    if (socket === this.#socket) this.#emit("ready", {});
  }

  #received(raw) {
    this.#restartHeartbeat();
    const frame = decode(raw);
    if (frame?.$pong === undefined && !this.#recovery.takes(frame, raw)) this.#handle(frame, raw);
  }

  #handle(frame, raw) {
    if (this.#dialect === DIALECTS.type && frame?.type === "PING") this.#socket.send(raw); // answer the server's ping
    const failure = (this.#lastFailure = this.#failureOf(frame));
    const data = this.#dialect.whole ? frame : frame?.data;
    this.#emit("message", frame);
    const call = this.#pending.get(frame?.request_id);
    if (failure && call && this.#wasInWrongDialect(call, frame)) return this.#transmit(call);
    const watching = this.#watched.get(frame?.request_id);
    watching?.(failure ? null : data, frame, failure);
    if (failure && watching) this.#emit("error", failure);
    if (call) {
      this.#pending.delete(call.id);
      return failure ? call.reject(failure) : call.resolve(data);
    }
    if (failure && !watching) this.#emit("error", failure);
    if (watching) return;
    const name = frame?.[this.#dialect.key];
    if (!LIFECYCLE.has(name)) this.#emit(name, data, frame);
  }

  /**
   * Whether a call without its name was refused because the server has a dialect. It did nothing, so the
   * call is written again. If the page gave another dialect, or the dialect has no replies, the error says it.
   */
  #wasInWrongDialect(call, frame) {
    const { action, method, type, response_status, status, TIMESTAMP } = frame;
    const name =
      response_status !== undefined && action !== undefined ? "action"
      : status !== undefined && method !== undefined ? "method"
      : TIMESTAMP !== undefined && type === "ERROR" ? "type" : null;
    if (!name || DIALECTS[name] === call.dialect) return false;
    if (call.rewrite && !this.#isDialectGiven && name !== "type") {
      this.#dialect = DIALECTS[name];
      this.#lastFailure = null;
      call.rewrite();
      return true;
    }
    this.#lastFailure.message += ` The server has another dialect: new SocketClient(url, { dialect: "${name}" }).`;
    return false;
  }

  /** The error in a frame of any dialect, or null. */
  #failureOf(frame) {
    const { response_status, status = response_status, request_id: _, ...rest } = Object(frame);
    const failed = this.#dialect === DIALECTS.type ? rest.type === "ERROR" : Number.isInteger(status) && status >= 400;
    if (!failed) return null;
    const { errors, details, data, detail = details ?? data?.detail ?? data } = rest;
    const [first] = [errors ?? data].flat();
    return new SocketError(errors ?? detail ?? rest, status, first?.retry_after ?? rest.retry_after);
  }

  #connectionLost(socket, code, reason, reconnect = mayReconnect(code)) {
    if (!socket || socket !== this.#socket) return;
    reconnect ||= code === FLOOD && this.#lastFailure?.retryAfter > 0; // refused until others are closed
    this.#socket = null;
    this.#recovery.disconnected();
    if (socket.readyState < 2) socket.close(code < 3000 ? 1000 : code); // not awaited: it may take minutes
    const text = reason || REASONS[code] || `The connection was lost (${code}).`;
    const error = (code >= 4000 && this.#lastFailure) || new SocketError(text);
    const sent = [...this.#pending.values()];
    const wasRefused = code === 1006 && this.#state === "connecting" && !reason;
    this.#pending.clear();
    this.#queue.unshift(...sent.filter((call) => call.retry));
    for (const call of sent) if (!call.retry) call.reject(error);
    if (wasRefused && ++this.#refusals === this.#options.refusals) this.#stopIfServerAnswers();
    if (reconnect) this.#reconnectLater(code, error);
    else this.#connectionEnded(code, error);
  }

  /**
   * Wait a random time within a doubling window (full jitter), so that not all clients return at once.
   * After a refusal for too many calls or connections, first wait as long as the server asks, or `cap`.
   */
  #reconnectLater(code, error) {
    const { base, cap, stable } = this.#options;
    if (Date.now() - this.#readySince >= stable) this.#attempts = 0;
    const refused = code === FLOOD || code === THROTTLED;
    const least = refused ? Math.min(1000 * error.retryAfter || cap, DAY) : 0;
    const delay = least + Math.random() * Math.min(cap, base * 2 ** this.#attempts++);
    this.#notBefore = Date.now() + least;
    this.#setTimer(delay, () => this.connect());
    this.#setState("waiting");
    if (this.#state === "closed") return; // a listener has closed it, which has its own close event
    this.#emitClose(code, error, true);
    if (this.#state === "waiting") this.#emit("reconnecting", { tries: this.#attempts, delay });
  }

  /** A server that answers over HTTP is running, so it refuses. Otherwise it is down, and may come back. */
  async #stopIfServerAnswers() {
    this.#refusals = 0;
    const url = new URL(this.#url);
    url.protocol = url.protocol.replace("ws", "http");
    const isRunning = await fetch(url).then((response) => response.status < 500, () => false);
    if (!isRunning || (this.#state !== "waiting" && this.#state !== "connecting")) return;
    const error = new SocketError(REFUSED);
    this.#emit("error", error);
    if (this.#state === "waiting") this.#connectionEnded(1006, error);
    else this.#connectionLost(this.#socket, 1006, REFUSED, false);
  }

  #connectionEnded(code, error) {
    clearTimeout(this.#timer);
    this.#pageListeners.abort();
    this.#attempts = 0;
    this.#setState("closed");
    for (const call of this.#queue.splice(0)) call.reject(error);
    this.#emitClose(code, error, false);
  }

  #emitClose(code, { message: reason, status, detail }, reconnect) {
    this.#emit("close", { code, reason, status, detail, reconnect });
  }

  #restartHeartbeat() {
    clearTimeout(this.#timer);
    if (this.#options.heartbeat) this.#setTimer(this.#options.heartbeat, () => this.#ping());
  }

  #ping() {
    const socket = this.#socket;
    this.#setTimer(this.#options.patience, () => this.#connectionLost(socket, 1006, "The server stopped answering."));
    socket.send(JSON.stringify({ $ping: Date.now() }));
  }

  #setTimer(delay, fn) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(fn, delay);
  }

  /** Reconnect or ping at once when the network is back, or the tab is visible again. */
  #listenToPage() {
    if (this.#pageListeners && !this.#pageListeners.signal.aborted) return;
    this.#pageListeners = new AbortController();
    const wake = () => {
      if (globalThis.document?.visibilityState === "hidden") return;
      if (this.#state === "waiting" && Date.now() >= this.#notBefore) this.connect();
      else if (this.#state === "ready" && this.#options.heartbeat) this.#ping();
    };
    globalThis.addEventListener?.("online", wake, this.#pageListeners);
    globalThis.document?.addEventListener("visibilitychange", wake, this.#pageListeners);
  }

  #setState(state) {
    this.#state = state;
    this.#emit("state", state);
  }

  #emit(event, ...args) {
    for (const fn of [...(this.#listeners.get(event) ?? [])]) callSafely(fn, ...args);
  }
}

/** Call a function of the page. Its error is reported, and stops nothing else. */
function callSafely(fn, ...args) {
  try {
    fn(...args);
  } catch (error) {
    reportError(error);
  }
}

const HAVE_SIZE = 16_384; // bytes; the server takes frames of 64 KiB, and 1 MiB that waits: the `have` of 32 lists

/**
 * The rows of a live query, in their order, as of the last frame.
 *
 *     ← {"rows": [row, …], "tags": [tag, …]}    the whole list. A tag stands for what a row shows
 *     → {"have": {key: tag, …}}                 what a client has that comes back
 *     ← {"leave", "enter", "move", "change"}    what differs: see `ListDiff`
 */
class LiveList {
  /** @type {any[]} */ rows = [];
  #places = new Map(); // key as text → { row, tag }, in the order of the list
  #isWhole = false; // whether a list has come

  /**
   * The argument with which a client that has the list gets only what differs: from a list in the order of these
   * keys. An object has keys that are numbers first, so the order may be another one than that of the rows.
   * Where it would be too large, the client gets the whole list.
   */
  takeHave() {
    if (!this.#isWhole) return {};
    const have = Object.fromEntries([...this.#places].map(([key, { tag }]) => [key, tag]));
    if (new TextEncoder().encode(JSON.stringify(have)).length > HAVE_SIZE) return {};
    this.#places = new Map(Object.keys(have).map((key) => [key, this.#places.get(key)]));
    return { have };
  }

  /** Take the data of a frame. Return what differs; null for a whole list, undefined if nothing does. */
  take(data) {
    if (data.rows) return this.#begin(data);
    // Else it is the answer to another request with this id, or of an earlier list of the same type.
    if (!data.leave || !this.#isWhole) return;
    const { leave, enter, move, change } = data;
    if (![leave, enter, move, change].some(({ length }) => length)) return;
    this.#apply(data);
    return { leave, enter, move, change };
  }

  #begin({ rows, tags }) {
    const places = rows.map((row, at) => {
      const known = this.#places.get(keyOf(row));
      return [keyOf(row), known?.tag === tags[at] ? known : { row, tag: tags[at] }];
    });
    this.#isWhole = true;
    this.#places = new Map(places);
    this.rows = places.map(([, { row }]) => row);
    return null;
  }

  /** Take out what leaves or moves, then put each row that enters or moves after the one it names. */
  #apply({ leave, enter, move, change }) {
    for (const [row, tag] of change) this.#places.set(keyOf(row), { row, tag });
    const following = new Map(); // key → the row that comes directly after it
    for (const [after, row, tag] of enter) following.set(asText(after), { key: keyOf(row), place: { row, tag } });
    for (const [after, moved] of move) {
      const key = asText(moved);
      following.set(asText(after), { key, place: this.#places.get(key) });
      this.#places.delete(key);
    }
    for (const key of leave) this.#places.delete(asText(key));
    const ordered = new Map();
    const placeAfter = (key) => {
      for (let next; (next = following.get(key)); key = next.key) ordered.set(next.key, next.place);
    };
    placeAfter(null);
    for (const [key, place] of this.#places) placeAfter((ordered.set(key, place), key));
    this.#places = ordered;
    this.rows = [...ordered.values()].map(({ row }) => row);
  }
}

/** The key of a row: the server adds `pk` to rows whose `id` is not their primary key. */
const keyOf = (row) => asText(row.pk ?? row.id);

/** A primary key as text: a composite key is a list. */
const asText = (key) => (key === null || typeof key === "string" ? key : JSON.stringify(key));

const HELD_FRAMES = 1000; // the most frames of all groups that wait for an earlier one
const HELD_SIZE = 2 ** 20; // and the most characters of them
const RESUMED_AT_ONCE = 16; // groups in one request; the server takes no more
const KNOWN_GROUPS = 1000; // beyond, groups that this connection has not joined are forgotten
const PAUSE = 100; // ms until the client asks again, after an answer that brought nothing
const PAST_EPOCHS = 8; // epochs of a group that are known to have ended
const FRUITLESS = 10; // after so many such answers in a row, the missing messages are taken for lost

/**
 * The client's position in each group that has a history. The messages of such a group are numbered. One
 * that comes twice is dropped, and one that comes too early is held until those before it have come.
 * Frames name a group by its tag, which is the same on every connection.
 *
 *     ← {"$joined": {tag: [epoch, offset]}}    the connection is in the group, whose last message is `offset`;
 *                                              with another epoch than before, the numbers began anew; with
 *                                              one that has ended, this server does not know it yet, and
 *                                              what it sends of the group until its next `$joined` is dropped
 *     ← {"$at": "tag.offset", …frame}          a message; {"$at", "$data": frame} if the frame is no object;
 *                                              {"$at", "$skip": true} if it has nothing for this client
 *     → {"$resume": {tag: [epoch, offset]}}    asks for the messages after a position
 *     ← {"$resumed": {tag: "ok" | "more" | "gap" | "later"}}    comes after those messages
 *     ← {"$left": [tag]}                       no message of the group follows
 */
class Recovery {
  #groups = new Map(); // tag → group, also of earlier connections
  #heldFrames = 0;
  #heldSize = 0;
  #returning = new Map(); // group that is behind since the connection opened → number of its messages that came
  #patience;
  #send;
  #handle;
  #emit;

  constructor({ patience, send, handle, emit }) {
    this.#patience = patience;
    this.#send = send;
    this.#handle = handle;
    this.#emit = emit;
  }

  /** Whether a frame is about a history. Then it is handled here: now, later, or never. */
  takes(frame, raw) {
    const [, tag, offset] = (typeof frame?.$at === "string" && /^(.+)\.(\d+)$/.exec(frame.$at)) || [];
    if (tag) this.#arrived(tag, Number(offset), frame, raw);
    else if (frame?.$joined !== undefined) this.#joined(frame.$joined);
    else if (frame?.$resumed !== undefined) this.#resumed(frame.$resumed);
    else if (frame?.$left !== undefined) this.#left(frame.$left);
    else return false;
    return true;
  }

  /** Keep only the positions. The next connection asks for all that comes after them. */
  disconnected() {
    for (const group of this.#groups.values()) {
      this.#dropHeld(group);
      this.#endRequest(group);
      Object.assign(group, { joined: null, isEnded: false, top: group.offset, hasMore: false, fruitless: 0 });
    }
    this.#returning.clear();
  }

  #joined(positions) {
    const groups = [];
    const renumbered = [];
    for (const [tag, [epoch, offset]] of Object.entries(positions)) {
      const group = this.#groups.get(tag) ?? this.#addGroup(newGroup(tag, epoch, offset));
      group.isEnded = group.past.includes(epoch);
      if (group.isEnded) continue;
      groups.push(group);
      if (group.epoch !== epoch) {
        this.#dropHeld(group);
        group.past = [...group.past, group.epoch].slice(-PAST_EPOCHS);
        Object.assign(group, { epoch, offset, top: offset, hasMore: false, fruitless: 0 });
        renumbered.push(group);
      }
      group.joined = offset;
      group.top = Math.max(group.top, offset);
    }
    if (renumbered.length) this.#announceGap(renumbered, null);
    for (const group of groups) if (isBehind(group)) this.#returning.set(group, this.#returning.get(group) ?? 0);
    this.#ask(groups);
  }

  #addGroup(group) {
    if (this.#groups.size >= KNOWN_GROUPS) {
      const unused = [...this.#groups.values()].find(({ joined }) => joined === null);
      if (unused) this.#groups.delete(unused.tag);
    }
    this.#groups.set(group.tag, group);
    return group;
  }

  #left(tags) {
    for (const tag of tags) {
      const group = this.#groups.get(tag);
      if (!group) continue;
      this.#dropHeld(group);
      this.#endRequest(group);
      this.#returning.delete(group);
      this.#groups.delete(tag);
    }
  }

  #arrived(tag, offset, frame, raw) {
    const group = this.#groups.get(tag);
    if (group?.isEnded) return;
    if (!group || group.joined === null) return frame.$skip || this.#handle(messageIn(frame), raw);
    group.top = Math.max(group.top, offset);
    if (offset > group.offset + 1) this.#hold(group, offset, raw);
    else if (offset === group.offset + 1) {
      this.#handleNext(group, frame, raw);
      this.#handleHeld(group);
    }
    this.#ask([group]);
  }

  #handleNext(group, frame, raw) {
    group.offset += 1;
    if (frame.$skip) return;
    const count = this.#returning.get(group);
    if (count !== undefined && group.offset <= group.joined) this.#returning.set(group, count + 1);
    this.#handle(messageIn(frame), raw);
  }

  /** Handle what follows the position. A listener may close the connection, and then nothing is held. */
  #handleHeld(group) {
    for (let raw; (raw = this.#release(group, group.offset + 1)); ) this.#handleNext(group, decode(raw), raw);
  }

  /** Hold a frame. If this is too much, hold none of its group: the server sends them once more. */
  #hold(group, offset, raw) {
    if (group.held.has(offset)) return;
    if (this.#heldFrames >= HELD_FRAMES || this.#heldSize + raw.length > HELD_SIZE) return this.#dropHeld(group);
    group.held.set(offset, raw);
    this.#heldFrames += 1;
    this.#heldSize += raw.length;
  }

  #release(group, offset) {
    const raw = group.held.get(offset);
    if (raw === undefined) return;
    group.held.delete(offset);
    this.#heldFrames -= 1;
    this.#heldSize -= raw.length;
    return raw;
  }

  #dropHeld(group) {
    for (const offset of group.held.keys()) this.#release(group, offset);
  }

  /** Ask for the messages that groups miss, once at a time for each. */
  #ask(groups) {
    const due = groups.filter((group) => !group.timer && isBehind(group));
    for (let first = 0; first < due.length; first += RESUMED_AT_ONCE) {
      const some = due.slice(first, first + RESUMED_AT_ONCE);
      for (const group of some) {
        group.asked = [group.epoch, group.offset];
        this.#askLater(group, this.#patience); // in case that no answer comes
      }
      this.#send({ $resume: Object.fromEntries(some.map(({ tag, asked }) => [tag, asked])) });
    }
  }

  #askLater(group, delay) {
    group.timer = setTimeout(() => {
      group.timer = null;
      this.#ask([group]);
    }, delay);
  }

  #endRequest(group) {
    clearTimeout(group.timer);
    Object.assign(group, { timer: null, asked: null });
  }

  #resumed(answers) {
    const groups = Object.keys(answers).map((tag) => this.#groups.get(tag)).filter((group) => group?.asked);
    const lost = groups.filter((group) => this.#isLost(group, answers[group.tag]));
    if (lost.length) this.#skip(lost);
    this.#ask(groups);
    const counts = [...this.#returning.values()];
    if (!counts.length || [...this.#returning.keys()].some((group) => group.asked || isBehind(group))) return;
    this.#returning.clear();
    this.#emit("recovered", { messages: counts.reduce((sum, count) => sum + count) });
  }

  /** Note the answer to the last request for a group. Return whether the messages in question are gone. */
  #isLost(group, answer) {
    const [epoch, offset] = group.asked;
    this.#endRequest(group);
    if (epoch !== group.epoch) return false; // asked before the numbers began anew, which was announced
    group.hasMore = answer === "more";
    if (answer === "later") this.#askLater(group, 200 + 800 * Math.random());
    if (answer === "later") return false;
    const isFruitless = isBehind(group) && group.offset === offset;
    group.fruitless = isFruitless ? group.fruitless + 1 : 0;
    if (answer === "gap" || group.fruitless === FRUITLESS) return group.offset < group.top;
    if (isFruitless) this.#askLater(group, PAUSE);
    return false;
  }

  /** Continue with the first message that there is: after `$joined`, or the first that is held. */
  #skip(groups) {
    let missed = 0;
    for (const group of groups) {
      const before = [...group.held.keys()].map((offset) => offset - 1);
      if (group.joined > group.offset) before.push(group.joined);
      const offset = Math.min(group.top, ...before);
      missed += offset - group.offset;
      Object.assign(group, { offset, fruitless: 0 });
    }
    this.#announceGap(groups, missed);
    for (const group of groups) this.#handleHeld(group);
  }

  #announceGap(groups, missed) {
    this.#returning.clear();
    this.#emit("gap", { groups: groups.map(({ tag }) => tag), missed });
  }
}

/**
 * `offset` is the last message handled, `top` the last one known, `joined` that of this connection's `$joined`.
 * `past` has epochs before `epoch`; `isEnded` says that this connection is in one of them.
 */
const newGroup = (tag, epoch, offset) =>
  ({ tag, epoch, past: [], isEnded: false, offset, top: offset, joined: null, held: new Map(), asked: null,
    timer: null, hasMore: false, fruitless: 0 });

/** Whether the server has, or may have, messages of the group that are missing here. */
const isBehind = ({ joined, offset, top, hasMore }) => joined !== null && (hasMore || offset < top);

/** What the server sent to the group, without the position. */
function messageIn({ $at: _, ...message }) {
  return "$data" in message ? message.$data : message;
}

function decode(data) {
  try {
    return typeof data === "string" ? JSON.parse(data) : data;
  } catch {
    return data;
  }
}

/** Convert an error's detail to text. It is text, a list, or DRF's object of lists by field. */
function toText(detail) {
  if (Array.isArray(detail)) return detail.map(toText).join(" ");
  if (Object(detail) !== detail) return String(detail ?? "");
  if ("retry_after" in detail) return toText(detail.detail);
  return Object.entries(detail).map(([field, problem]) => `${field}: ${toText(problem)}`).join(" ");
}
