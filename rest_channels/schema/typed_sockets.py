"""The part of the TypeScript module that is the same for all projects."""

__all__ = ["TYPED_SOCKETS"]

TYPED_SOCKETS = """\
/** What a named handler of the server takes and answers. */
type Handlers = Record<string, { data: unknown; response: unknown }>;
interface Named { requests: Handlers; events: object; others: boolean }
interface Plain { frame: unknown; message: unknown }
interface Stream { socket: Named | Plain; dialect: string }
interface Multiplexed extends Plain { streams: Record<string, Stream> }

type ClientOptions = NonNullable<ConstructorParameters<typeof SocketClient>[1]>;
export type Options = Omit<ClientOptions, "dialect" | "streams"> & {
  /** The URL of the server, such as "wss://example.com". By default that of the page. */
  server?: string;
};

type Optional<D> = [D] extends [null | undefined] ? true : {} extends D ? true : false;
type Data<D, Rest extends unknown[] = []> =
  Optional<D> extends true ? [data?: D, ...rest: Rest] : [data: D, ...rest: Rest];

/** The rows of an answer that begins a live list, and the names of the answers that do. */
type LiveRow<A> = A extends { rows: (infer Row)[]; tags: string[] } ? Row : never;
type LiveName<A> = {
  [N in keyof A & string]: [LiveRow<A[N]>] extends [never] ? never : N;
}[keyof A & string];
type Responses<R extends Handlers> = { [N in keyof R]: R[N]["response"] };
type Without<D, Name> = { [N in keyof D as N extends Name ? never : N]: D[N] };

type Key = number | string | unknown[];
/** What differs between two states of a live list. */
export interface LiveDiff<Row> {
  leave: Key[];
  /** Each row after the key of the row before it, with its tag. */
  enter: [after: Key | null, row: Row, tag: string][];
  move: [after: Key | null, key: Key][];
  change: [row: Row, tag: string][];
}

interface Connection {
  readonly state: State;
  connect(): void;
  close(): void;
}

/** A socket with live lists: requests whose answers, by their name, begin one. */
interface LiveLists<R extends Handlers, Answers> {
  live<N extends LiveName<Answers> & keyof R & string, Row = LiveRow<Answers[N]>>(
    name: N,
    data: Without<R[N]["data"], "have">,
    listener: (rows: Row[] | null, diff: LiveDiff<Row> | null) => unknown,
  ): { readonly rows: Row[]; stop(name?: keyof R & string): void };
}

/** A socket whose frames name a handler, and whose server answers. */
export interface RequestSocket<S extends Named>
  extends Connection, LiveLists<S["requests"], Responses<S["requests"]>> {
  request<N extends keyof S["requests"] & string>(
    name: N, ...rest: Data<S["requests"][N]["data"], [options?: RequestOptions]>
  ): Promise<S["requests"][N]["response"]>;
  send<N extends keyof S["requests"] & string>(
    name: N, ...rest: Data<S["requests"][N]["data"]>
  ): Promise<void>;
  watch<N extends keyof S["requests"] & string>(
    name: N,
    data: S["requests"][N]["data"] | undefined,
    listener: (
      data: S["requests"][N]["response"] | S["events"][keyof S["events"]] | null, frame: unknown
    ) => unknown,
  ): (name?: keyof S["requests"] & string) => void;
  subscribe(run: (now: Pick<RequestSocket<S>, "request" | "send">) => unknown): () => void;
  on<N extends keyof S["events"] & string>(
    name: N, listener: (data: S["events"][N], frame: unknown) => unknown
  ): () => void;
  on<E extends keyof ConnectionEvents>(
    event: E, listener: (event: ConnectionEvents[E]) => unknown
  ): () => void;
  on<N extends string>(
    name: S["others"] extends true ? N : never, listener: (data: unknown, frame: unknown) => unknown
  ): () => void;
}

/** A socket whose frames have a type, and are not answered. */
export interface MessageSocket<S extends Named>
  extends Connection, LiveLists<S["requests"], S["events"]> {
  send<N extends keyof S["requests"] & string>(
    type: N, ...rest: Data<S["requests"][N]["data"]>
  ): Promise<void>;
  subscribe(run: (now: Pick<MessageSocket<S>, "send">) => unknown): () => void;
  on: RequestSocket<S>["on"];
}

/** A socket whose frames have no name. */
export interface PlainSocket<S extends Plain> extends Connection {
  send(frame: S["frame"]): Promise<void>;
  request(frame: S["frame"], options?: RequestOptions): Promise<S["message"]>;
  subscribe(run: (now: Pick<PlainSocket<S>, "send" | "request">) => unknown): () => void;
  on(event: "message", listener: (frame: S["message"]) => unknown): () => void;
  on<E extends Exclude<keyof ConnectionEvents, "message">>(
    event: E, listener: (event: ConnectionEvents[E]) => unknown
  ): () => void;
}

type SocketOf<S, Dialect> =
  S extends Multiplexed ? MultiplexedSocket<S>
    : S extends Named ? Dialect extends "type" ? MessageSocket<S> : RequestSocket<S>
    : S extends Plain ? PlainSocket<S> : never;

/** A socket with several streams, each of which is used as a socket of its own. */
export interface MultiplexedSocket<S extends Multiplexed>
  extends Connection, Pick<PlainSocket<S>, "send" | "on"> {
  stream<N extends keyof S["streams"] & string>(
    name: N
  ): SocketOf<S["streams"][N]["socket"], S["streams"][N]["dialect"]>;
}

export type Socket<P extends keyof Sockets> = SocketOf<Sockets[P], (typeof DIALECTS)[P]>;

type Parameters_<P extends keyof Sockets> = Sockets[P]["parameters"];

/**
 * Open a socket. It connects again by itself.
 *
 * `parameters` are the arguments in the path; leave them out if it has none.
 */
export function openSocket<P extends keyof Sockets>(
  path: P,
  ...[parameters, options]: {} extends Parameters_<P>
    ? [parameters?: Parameters_<P>, options?: Options]
    : [parameters: Parameters_<P>, options?: Options]
): Socket<P> {
  const given: Record<string, unknown> = parameters ?? {};
  const { server = "", ...rest } = options ?? {};
  const filled = path.replace(/\\{(\\w+)\\}/g, (_, name: string) =>
    encodeURIComponent(String(given[name])));
  const dialects: ClientOptions["dialect"] | ClientOptions["streams"] = DIALECTS[path];
  const known = typeof dialects === "object" ? { streams: dialects } : { dialect: dialects };
  return new SocketClient(server + filled, { ...rest, ...known }) as unknown as Socket<P>;
}
"""
