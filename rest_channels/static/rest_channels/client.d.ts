/**
 * Whether clients reconnect after a close code, as `CloseCode` in Python defines.
 * @param {number} code  @returns {boolean}
 */
export function mayReconnect(code: number): boolean;
/**
 * An error with the server's `status` and `detail`; status 0 means that it did not reply.
 * `retryAfter` is the time in seconds that the server asks to wait, or 0.
 */
export class SocketError extends Error {
    /** @param {any} detail  @param {number} [status]  @param {any} [retryAfter] */
    constructor(detail: any, status?: number, retryAfter?: any);
    detail: any;
    status: number;
    retryAfter: number;
}
/** A connection that reconnects by itself, with messages, requests and subscriptions. */
export class SocketClient {
    /**
     * @param {string} url relative to the page  @param {Partial<typeof DEFAULTS>} [options]
     * @param {() => any} [openOther] only for `stream()`  @param {{ base: number, cap: number }} [delays] as well
     */
    constructor(url: string, options?: Partial<typeof DEFAULTS>, openOther?: () => any, delays?: {
        base: number;
        cap: number;
    });
    /** @returns {State} */
    get state(): State;
    /** Connect now. Only needed in the state "closed". */
    connect(): void;
    /** Close the connection and do not reconnect. Waiting calls are rejected. */
    close(): void;
    /**
     * One stream of a `Multiplexer`, with the methods of a client of its own. All calls with a name return the same
     * client. The option `streams` has its dialect. It connects again with this connection, and ends with it.
     * Its own `close()` leaves this connection open.
     * @param {string} name  @returns {SocketClient}
     */
    stream(name: string): SocketClient;
    /**
     * Call `fn(event)` for an event of the connection, or `fn(data, frame)` for messages of a name.
     * @template {string} E
     * @param {E} event
     * @param {E extends keyof ConnectionEvents ? (event: ConnectionEvents[E]) => unknown
     *   : (data: any, frame: any) => unknown} fn
     * @returns {() => void} removes the listener
     */
    on<E extends string>(event: E, fn: E extends keyof ConnectionEvents ? (event: ConnectionEvents[E]) => unknown : (data: any, frame: any) => unknown): () => void;
    /**
     * Run `fn(now)` once whenever the connection opens. The state is "ready" when all such calls are done.
     * If `fn` throws a client error (4xx), the connection is closed. After other errors it reconnects.
     * @param {(now: Now) => unknown} fn  @returns {() => void} removes the subscription
     */
    subscribe(fn: (now: Now) => unknown): () => void;
    /**
     * Send a request whenever the connection opens, and call `fn(data, frame)` for every frame with
     * its request_id: the reply if it has data, events of observers, pages of a list.
     * An error frame ends the watch. Then `data` is null, `frame.errors` says why, and an error event follows.
     * After a server error (5xx) a watch that has worked before asks again, after growing delays, and does not end.
     * @param {string} name  @param {unknown} data  @param {(data: any, frame: any) => unknown} fn
     * @returns {(name?: string) => void} ends the watch; with a name, for example
     *   "unsubscribe_instance", it also sends that request with the same data and request_id, after the first reply
     */
    watch(name: string, data: unknown, fn: (data: any, frame: any) => unknown): (name?: string) => void;
    /**
     * Keep a list that equals a queryset of the server, such as that of "subscribe_list", or of the type of a `live`. `fn(rows, diff)` gets all rows
     * in their order, whenever they differ; `diff` is null for a whole list. After a reconnect only what differs is sent.
     * An error frame ends it as it ends a watch: then `fn(null, frame)` is called, and an error event follows.
     * @param {string} name  @param {object} data  the arguments of the action
     * @param {(rows: any[] | null, diff: ListDiff | null) => unknown} fn
     * @returns {{ readonly rows: any[], stop: (name?: string) => void }}  `stop` ends it, as the function of `watch` does
     */
    live(name: string, data: object, fn: (rows: any[] | null, diff: ListDiff | null) => unknown): {
        readonly rows: any[];
        stop: (name?: string) => void;
    };
    /**
     * Send a message of the dialect, `send("move", { x: 1 })`, or a whole frame, `send({ … })`.
     * @param {unknown} name  @param {unknown} [data]
     * @returns {Promise<void>} fulfilled when sent, rejected when not; the rejection may be ignored
     */
    send(name: unknown, data?: unknown): Promise<void>;
    /**
     * Send a request and wait for its reply.
     * @overload
     * @param {string} name  @param {unknown} [data]  @param {RequestOptions} [options]
     * @returns {Promise<any>} the data of the reply; rejected with `SocketError` or the signal's reason
     */
    request(name: string, data?: unknown, options?: RequestOptions): Promise<any>;
    /**
     * Send a frame without a name, with the dialect "none", and wait for its reply.
     * @overload
     * @param {object} name  the frame
     * @param {RequestOptions} [data]
     * @returns {Promise<any>} the reply; rejected with `SocketError` or the signal's reason
     */
    request(name: object, data?: RequestOptions): Promise<any>;
    #private;
}
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
 */
export type State = "connecting" | "open" | "ready" | "waiting" | "closed";
/**
 * `timeout` in ms, 0 for none; `retry`: send again if the connection is lost before the reply.
 * With `true` this repeats none of the actions in WRITES; "always" repeats any request
 */
export type RequestOptions = {
    timeout?: number;
    retry?: boolean | "always";
    signal?: AbortSignal;
};
/**
 * `reason` is text for users; `status` and `detail` are from the error frame before the close
 */
export type CloseEvent = {
    code: number;
    reason: string;
    status: number;
    detail: any;
    reconnect: boolean;
};
/**
 * what the functions of each event get
 */
export type ConnectionEvents = {
    open: object;
    ready: object;
    state: State;
    message: any;
    error: SocketError;
    close: CloseEvent;
    reconnecting: {
        tries: number;
        delay: number;
    };
    recovered: {
        messages: number;
    };
    gap: {
        groups: string[];
        missed: number | null;
    };
};
/**
 * what differs from the list before:
 *  keys that leave, `[after, row, tag]`, `[after, key]`, and `[row, tag]`; `after` is the key of the row before it
 */
export type ListDiff = {
    leave: any[];
    enter: any[];
    move: any[];
    change: any[];
};
/**
 * sends at once, ahead of the queue
 */
export type Now = Pick<SocketClient, "send" | "request">;
declare namespace DEFAULTS {
    let dialect: "action" | "method" | "type" | "none";
    let timeout: number;
    let heartbeat: number;
    let patience: number;
    let base: number;
    let cap: number;
    let stable: number;
    let refusals: number;
    let queue: number;
    let protocols: string[];
    let streams: Record<string, "action" | "method" | "type" | "none">;
}
export {};
