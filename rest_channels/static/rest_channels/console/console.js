/**
 * The console: connects to a socket of the project, sends frames to it, and shows all frames.
 *
 * The server renders what the socket takes. This script adds an input to each argument, and keeps
 * the JSON of the frame and the inputs equal. It is one file without imports, because a storage that
 * renames static files (ManifestStaticFilesStorage) does not rename them in imports by default.
 *
 * Nothing that comes from a socket or from the project becomes HTML: all text is set as `textContent`.
 *
 * @typedef {"closed" | "connecting" | "open" | "closing"} State
 * @typedef {string | Uint8Array} Data  a frame of text or of bytes
 * @typedef {object} Entry  one line of the log
 * @property {"sent" | "received" | "event"} kind
 * @property {Date} time
 * @property {Data} data  a long frame is cut, and then `isCut`
 * @property {boolean} isCut
 * @property {number} size  in bytes, of the whole frame
 * @property {string} title  the name of the handler, or what has happened
 * @property {string} status  of an answer
 * @property {boolean} isError
 * @property {string} [preview]  instead of the beginning of the data
 * @property {number} [duration]  of an answer, in ms since its request was sent
 * @property {HTMLLIElement} [row]
 */

const MAX_ENTRIES = 1000; // lines of the log
const MAX_KEPT = 4_000_000; // characters and bytes of all frames in the log
const MAX_FRAME = 200_000; // characters or bytes of one frame in the log
const MAX_COLOURED = 30_000; // characters of a frame whose values have colours
const MAX_PREVIEW = 240; // characters
const MAX_HEX = 1024; // bytes
const MAX_INDENT = 40; // levels
const AT_END = 40; // px from the end of the log, within which it follows new frames

const page = readPage();

/** The socket of the page, or one of the streams that it has. */
const firstSocket = page?.sockets[0] ?? { path: "", pathArguments: [], operations: [], stream: null, key: null };

/** The data that the server has rendered for this script. Only pages of sockets have it. */
function readPage() {
  const element = document.getElementById("console-data");
  return element && JSON.parse(element.textContent);
}

/** A text of the page in the user's language, with `{names}` replaced by values. */
function say(name, values = {}) {
  return page.texts[name].replace(/{(\w+)}/g, (_all, key) => values[key]);
}

/** @param {string} tag  @param {object} [properties]  @param {...(Node | string)} children */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const byId = (id) => document.getElementById(id);
const copyOf = (templateId) => byId(templateId).content.cloneNode(true);

// JSON as text: numbers keep all their digits, which JSON.parse would round.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const isOpening = (token) => token === "{" || token === "[";
const isClosing = (token) => token === "}" || token === "]";

const tokensOf = (json) => json.match(TOKEN) ?? [];
const compact = (json) => tokensOf(json).join("");

/** Parse JSON; `undefined` if `text` is none. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Break JSON into lines.
 * @param {string[]} tokens  @param {string} unit  of indentation  @param {string} [margin] of all lines
 * @returns {{ text: string, kind: string }[]}
 */
function layOut(tokens, unit, margin = "") {
  let depth = 0;
  const newLine = () => `\n${margin}${unit.repeat(Math.min(depth, MAX_INDENT))}`;
  return tokens.map((token, index) => {
    if (isOpening(token)) {
      depth += 1;
      return { text: isClosing(tokens[index + 1]) ? token : token + newLine(), kind: "" };
    }
    if (isClosing(token)) {
      depth -= 1;
      return { text: isOpening(tokens[index - 1]) ? token : newLine() + token, kind: "" };
    }
    if (token === ",") return { text: token + newLine(), kind: "" };
    if (token === ":") return { text: ": ", kind: "" };
    return { text: token, kind: kindOf(token, tokens[index + 1]) };
  });
}

function kindOf(token, next) {
  if (next === ":") return "key";
  if (token.startsWith('"')) return "string";
  return /^[-\d]/.test(token) ? "number" : "word";
}

const indented = (json) => layOut(tokensOf(json), "  ").map(({ text }) => text).join("");

/** The nodes that show a frame of text: JSON is broken into lines, and short JSON has colours. */
function nodesOf(text) {
  if (parse(text) === undefined) return [text];
  if (text.length > MAX_COLOURED) return [indented(text)];
  return layOut(tokensOf(text), "  ").map(({ text, kind }) =>
    kind ? make("span", { className: kind, textContent: text }) : text);
}

// Sizes, times and bytes

const language = document.documentElement.lang || undefined;
const timeFormat = new Intl.DateTimeFormat(language, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});

/** A number of three digits at most, with the symbol of its unit. */
function measure(value, symbol) {
  const maximumFractionDigits = value < 10 && symbol !== "B" ? 1 : 0;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits }).format(value)} ${symbol}`;
}

function sizeText(bytes) {
  if (bytes < 1000) return measure(bytes, "B");
  return bytes < 1_000_000 ? measure(bytes / 1000, "kB") : measure(bytes / 1_000_000, "MB");
}

const durationText = (ms) => (ms < 1000 ? measure(ms, "ms") : measure(ms / 1000, "s"));

const sizeOf = (data) => (typeof data === "string" ? new TextEncoder().encode(data) : data).length;

const hexOf = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** Bytes as other tools show them: 16 in a line, with the characters that they may be. */
function hexDump(bytes) {
  const lines = [];
  for (let start = 0; start < Math.min(bytes.length, MAX_HEX); start += 16) {
    const part = bytes.subarray(start, start + 16);
    const characters = [...part].map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "."));
    lines.push(`${start.toString(16).padStart(4, "0")}  ${hexOf(part).padEnd(47)}  ${characters.join("")}`);
  }
  return lines.join("\n");
}

/** @param {string} text  @returns {Uint8Array | null} null if it is no hexadecimal text */
function bytesOf(text) {
  const digits = text.replace(/\s/g, "");
  if (digits.length % 2 || /[^\da-f]/i.test(digits)) return null;
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

// Frames

/**
 * Read the envelope of a frame, in any dialect and in a multiplexer.
 * @param {Data} data
 * @returns {{ name: string, form: "json" | "text" | "bytes", id: string | null, status: string,
 *   isError: boolean, errors: any }}
 */
function readEnvelope(data) {
  const frame = typeof data === "string" ? parse(data) : undefined;
  const form = typeof data !== "string" ? "bytes" : frame === undefined ? "text" : "json";
  const isMultiplexed = Object(frame?.payload) === frame?.payload && "stream" in frame;
  const content = isMultiplexed ? frame.payload : frame;
  if (Object(content) !== content) return { name: "", form, id: null, status: "", isError: false, errors: null };
  const name = [content.action, content.method, content.type].find((each) => typeof each === "string") ?? "";
  const status = statusOf(content);
  const isFailure = content.type === "ERROR" || Number(status) >= 400;
  const id = content.request_id == null ? null : JSON.stringify([frame.stream ?? null, content.request_id]);
  return {
    name: (isMultiplexed ? [frame.stream, name] : [name]).filter(Boolean).join(": "),
    form,
    id,
    status: status || (isFailure ? "ERROR" : ""),
    isError: isFailure,
    errors: isFailure ? errorsOf(content) : null,
  };
}

function statusOf({ response_status, status }) {
  const found = [response_status, status].find((each) => each >= 100 && each <= 599);
  return Number.isInteger(found) ? String(found) : "";
}

/** What an error frame says: an object of errors by field, a list, or a text. */
function errorsOf(content) {
  if (Array.isArray(content.errors)) return content.errors.length === 1 ? content.errors[0] : content.errors;
  if ("method" in content) return content.data;
  const { status, request_id, ...errors } = content;
  return errors;
}

/** Convert errors to one text. @param {any} errors */
function errorText(errors) {
  if (Array.isArray(errors)) return errors.map(errorText).join(" ");
  if (Object(errors) !== errors) return String(errors ?? "");
  if ("detail" in errors) return errorText(errors.detail);
  return Object.entries(errors).map(([field, problem]) => `${field}: ${errorText(problem)}`).join(" ");
}

/** Set the value at a path of keys, and make the objects on the way. `undefined` deletes it. */
function setIn(object, path, value) {
  const [key, ...rest] = path;
  if (rest.length) {
    if (Object(object[key]) !== object[key]) object[key] = {};
    setIn(object[key], rest, value);
  } else if (value === undefined) delete object[key];
  else object[key] = value;
}

const getIn = (object, path) => path.reduce((value, key) => value?.[key], object);

// Close codes

/** What a close code means, and what to do. @returns {{ name: string, meaning: string, advice: string }} */
function explain(code) {
  if (page.closeCodes[code]) return page.closeCodes[code];
  const kind = code >= 4400 && code < 4500 ? "client" : code >= 4500 && code < 4600 ? "server" : "own";
  const { meaning, advice } = page.otherCodes[kind];
  return { name: "", meaning: meaning.replace("{status}", String(code - 4000)), advice };
}

/** What a handshake that failed means. Browsers do not tell a refusal from a server that is down. */
async function explainRefusal(address) {
  const isOwn = new URL(address).host === location.host;
  const options = { cache: "no-store", headers: { Accept: "text/html" } };
  const answers = () => fetch(location.href, options).then(({ status }) => status < 500, () => false);
  const kind = !isOwn || (await answers()) ? "refused" : "unreachable";
  return { name: "", ...page.otherCodes[kind] };
}

// The connection

/** One WebSocket at a time. Frames that are sent before it is open wait for it. */
class Connection {
  /** @type {State} */ state = "closed";
  #socket = null;
  #waiting = []; // frames that wait until it is open: { transmit, failed }

  /** @param {Record<"state" | "received" | "happened" | "closed" | "failed", Function>} on */
  constructor(on) {
    this.on = on;
  }

  /** @param {string} address  @param {string[]} protocols  @returns {boolean} whether it connects */
  open(address, protocols) {
    let socket;
    try {
      socket = new WebSocket(address, protocols);
    } catch (error) {
      this.on.failed(error.message);
      return false;
    }
    this.#socket = socket;
    this.address = address;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket === this.#socket && this.#opened();
    socket.onmessage = ({ data }) =>
      socket === this.#socket && this.on.received(typeof data === "string" ? data : new Uint8Array(data));
    socket.onclose = (event) => socket === this.#socket && this.#closed(event);
    this.#become("connecting");
    this.on.happened(say("state_connecting"), address);
    return true;
  }

  close() {
    this.#become("closing");
    this.#socket.close(1000);
  }

  /**
   * Send a frame now, or when the connection opens. Then call `sent`, or `failed` if it never opens.
   * @param {Data} data  @param {{ sent: () => void, failed: () => void }} calls
   */
  send(data, { sent, failed }) {
    const transmit = () => {
      this.#socket.send(data);
      sent();
    };
    if (this.state === "open") transmit();
    else this.#waiting.push({ transmit, failed });
  }

  #opened() {
    this.#become("open");
    const { protocol } = this.#socket;
    this.on.happened(protocol ? say("openWith", { protocol }) : say("open"));
    for (const { transmit } of this.#waiting.splice(0)) transmit();
  }

  #closed({ code, reason }) {
    const isRefused = this.state === "connecting" && code === 1006;
    const isOwn = this.state === "closing";
    this.#become("closed", isOwn ? undefined : code);
    for (const { failed } of this.#waiting.splice(0)) failed();
    this.on.closed({ code, reason, isRefused, isOwn });
  }

  #become(state, code) {
    this.state = state;
    this.on.state(state, code);
  }
}

// The form of the connection: path arguments, query string, token and subprotocols

const PLACEHOLDER = /<(?:(\w+):)?(\w+)>/g;

class ConnectionForm {
  constructor(form) {
    this.form = form;
    this.fields = form.elements;
    this.#addArguments();
    const query = this.fields.namedItem("query");
    if (page.path !== null) query.value = location.search.slice(1);
    for (const input of [query, ...this.arguments]) input.addEventListener("input", () => this.#compose());
    this.#compose();
  }

  get address() {
    return this.#value("address");
  }

  /** The path and the query string of the address, as tests and client.js take them. */
  get path() {
    const address = URL.canParse(this.address) ? new URL(this.address) : new URL(location.href);
    return address.pathname + address.search;
  }

  /** The subprotocols; a browser fails unless one is accepted, and no server accepts a token. */
  protocols(token = this.#value("token")) {
    const names = this.#value("protocols").split(/[\s,]+/).filter(Boolean);
    if (!token) return names;
    return [`authorization.${this.#value("scheme")}.${token}`, ...(names.length ? names : ["rest-channels"])];
  }

  /** The subprotocols with a word in place of the token, for code that others may see. */
  get shownProtocols() {
    return this.protocols(this.#value("token") && "TOKEN");
  }

  /** Whether all inputs are filled in. If not, the browser shows the one that is missing. */
  isComplete() {
    return this.form.reportValidity();
  }

  /** The text of an input; "" where the page has none, such as that of a token. */
  #value(name) {
    return this.fields.namedItem(name)?.value.trim() ?? "";
  }

  #addArguments() {
    const { path, pathArguments } = firstSocket;
    const isNumber = new Set(pathArguments.filter(({ type }) => type === "int").map(({ name }) => name));
    const found = page.path === null ? [...path.matchAll(PLACEHOLDER)] : [];
    this.arguments = [...new Set(found.map(([, , name]) => name))].map((name) => {
      const input = make("input", { name: `path-${name}`, required: true, autocomplete: "off", spellcheck: false });
      if (isNumber.has(name)) Object.assign(input, { inputMode: "numeric", pattern: "[0-9]+", value: "1" });
      input.dataset.argument = name;
      const code = make("code", { textContent: name });
      byId("path-arguments").append(make("label", { className: "input" }, make("span", { className: "name" }, code), input));
      return input;
    });
  }

  #compose() {
    const query = this.#value("query").replace(/^\?/, "");
    const origin = location.origin.replace("http", "ws");
    const path = page.path === null ? this.#filledPath() : location.pathname;
    this.fields.namedItem("address").value = origin + path + (query && `?${query}`);
  }

  #filledPath() {
    const values = Object.fromEntries(this.arguments.map((input) => [input.dataset.argument, input.value.trim()]));
    const filled = firstSocket.path.replace(PLACEHOLDER, (all, converter, name) => {
      const value = encodeURIComponent(values[name] ?? "");
      return (converter === "path" ? value.replaceAll("%2F", "/") : value) || all;
    });
    return page.prefix + filled;
  }
}

// The inputs of an operation

const AS_NUMBER = { read: Number, write: String };
const AS_TEXT = { read: String, write: String };
const AS_JSON = { read: JSON.parse, write: (value) => JSON.stringify(value) };

/** For arguments of unknown type: JSON if it is, else text. */
const AS_ANY = {
  read(text) {
    const value = parse(text);
    return value === undefined ? text : value;
  },
  write: (value) => (typeof value === "string" && parse(value) === undefined ? value : JSON.stringify(value)),
};

const CONTROLS = {
  bool: () => choiceControl([[true, "true"], [false, "false"]]),
  int: ({ min_value, max_value }) => numberControl({ step: 1, min: min_value ?? "", max: max_value ?? "" }),
  float: ({ min_value, max_value }) => numberControl({ step: "any", min: min_value ?? "", max: max_value ?? "" }),
  decimal: () => ({ element: make("input", { inputMode: "decimal" }), ...AS_TEXT }),
  date: () => ({ element: make("input", { type: "date" }), ...AS_TEXT }),
  time: () => ({ element: make("input", { type: "time", step: 1 }), ...AS_TEXT }),
  email: () => ({ element: make("input", { type: "email" }), ...AS_TEXT }),
  url: () => ({ element: make("input", { type: "url" }), ...AS_TEXT }),
  str: ({ max_length }) => ({ element: max_length > 255 ? make("textarea", { rows: 2 }) : make("input"), ...AS_TEXT }),
  json: () => ({ element: make("textarea", { rows: 2, className: "frame" }), ...AS_JSON }),
  any: () => ({ element: make("input"), ...AS_ANY }),
};

/** The controls of DRF's field types and of Python's types. Any other takes JSON or text. */
const CONTROL_OF_TYPE = {
  boolean: "bool", bool: "bool",
  integer: "int", int: "int",
  float: "float",
  decimal: "decimal",
  date: "date", time: "time", email: "email", url: "url",
  string: "str", str: "str", slug: "str", regex: "str", datetime: "str", duration: "str", UUID: "str",
  list: "json", dict: "json", "nested object": "json", JSON: "json",
};

function numberControl(limits) {
  return { element: make("input", { type: "number", ...limits }), ...AS_NUMBER };
}

/** @param {[any, string][]} choices  pairs of value and text; an empty choice sends nothing */
function choiceControl(choices) {
  const options = choices.map(([value, text], index) => {
    const isSame = String(value) === text;
    return make("option", { value: String(index), textContent: isSame ? text : `${text} (${value})` });
  });
  return {
    element: make("select", {}, make("option", { value: "", textContent: "–" }), ...options),
    read: (index) => choices[index][0],
    write: (value) => String(choices.findIndex(([each]) => each === value)),
  };
}

function multipleControl(choices) {
  const options = choices.map(([value, text], index) =>
    make("option", { value: String(index), textContent: text, title: String(value) }));
  const element = make("select", { multiple: true, size: Math.min(choices.length, 5) }, ...options);
  return {
    element,
    read: () => [...element.selectedOptions].map((option) => choices[option.value][0]),
    select: (values) => options.forEach((option) => {
      option.selected = Array.isArray(values) && values.includes(choices[option.value][0]);
    }),
  };
}

function controlFor(spec) {
  if (spec.type === "multiple choice") return multipleControl(spec.choices);
  if (spec.choices?.length) return choiceControl(spec.choices);
  return CONTROLS[CONTROL_OF_TYPE[spec.type] ?? "any"](spec);
}

let lastControl = 0;

/** One argument of a frame: what the server has rendered of it, and an input for its value. */
class Input {
  /** @param {HTMLElement} row  @param {object} spec  @param {string[]} path  its keys in the frame */
  constructor(row, spec, path) {
    this.path = path;
    this.name = spec.name;
    this.control = controlFor(spec);
    this.element = this.control.element;
    const id = `input-${(lastControl += 1)}`;
    const help = row.querySelector(".help");
    help.id = `${id}-help`;
    this.problem = make("small", { className: "problem", id: `${id}-problem`, hidden: true });
    Object.assign(this.element, { id, autocomplete: "off", spellcheck: false, required: false });
    this.element.setAttribute("aria-describedby", `${help.id} ${this.problem.id}`);
    row.querySelector("label").htmlFor = id;
    row.querySelector("label").after(this.element, this.problem);
  }

  /** The value, `undefined` if it is empty, or if it has to be JSON and is not (`isUnreadable`). */
  read() {
    const { value } = this.element;
    this.isUnreadable = this.control.read === JSON.parse && value !== "" && parse(value) === undefined;
    this.fail(this.isUnreadable ? say("noJson") : "");
    return value === "" || this.isUnreadable ? undefined : this.control.read(value);
  }

  write(value) {
    this.isUnreadable = false;
    this.fail("");
    if (this.control.select) this.control.select(value);
    else this.element.value = value === undefined ? "" : this.control.write(value);
  }

  fail(text) {
    this.problem.textContent = text;
    this.problem.hidden = !text;
    this.element.setAttribute("aria-invalid", String(Boolean(text)));
  }
}

/** What has become of the frame that a form has sent last. */
class Outcome {
  #lastId = null; // of the request that waits for its answer

  /** @param {HTMLElement} output  @param {(errors: any) => string} showErrors  returns the text of those left */
  constructor(output, showErrors) {
    this.output = output;
    this.showErrors = showErrors;
  }

  say(text, isError = false) {
    this.output.textContent = text;
    this.output.classList.toggle("problem", isError);
  }

  /** The frame was sent. Without an id nothing tells which frame is its answer. */
  sent(id) {
    this.#lastId = id;
    this.say(id === null ? say("sent") : say("waitingForAnswer"));
  }

  /** The connection was closed before the answer to a request came. */
  lost(id) {
    if (id === this.#lastId) this.say(say("noAnswer"), true);
  }

  /**
   * @param {ReturnType<typeof readEnvelope>} envelope  of the answer  @param {number} duration
   * @param {() => void} show  shows the answer in the log
   */
  answered({ id, status, isError, errors }, duration, show) {
    if (id !== this.#lastId) return;
    const values = { status, duration: durationText(duration) };
    this.#showFrame(say(status ? "answeredWith" : "answered", values), isError ? errors : null, show);
  }

  /** An error came that names no request. @param {any} errors  @param {() => void} show */
  failed(errors, show) {
    this.#showFrame(say("errorAfter"), errors, show);
  }

  #showFrame(text, errors, show) {
    const left = errors === null ? "" : this.showErrors(errors);
    this.say([text, left].filter(Boolean).join(" "), errors !== null);
    const button = make("button", { type: "button", className: "small", textContent: say("showAnswer") });
    button.addEventListener("click", show);
    this.output.append(" ", button);
  }
}

/** The form of one operation. The inputs and the JSON show the same frame. */
class OperationForm {
  #isOwnId = true; // whether the console counts the request_id

  constructor(details, hooks) {
    this.form = details.querySelector("form");
    this.hooks = hooks;
    this.socket = page.sockets[details.dataset.socket];
    this.operation = this.socket.operations[details.dataset.operation];
    this.prefix = this.socket.stream === null ? [] : ["payload"];
    this.frame = this.#example();
    this.inputs = [...this.form.querySelectorAll(".input")].map((row) => this.#makeInput(row));
    this.#addEditor();
    this.#listen();
    this.#showFrame();
    this.#showInputs();
  }

  /** The JSON of the frame. */
  get text() {
    return this.editor.value;
  }

  /** Send the frame, or show why it cannot be sent. */
  send() {
    const unreadable = this.inputs.find(({ isUnreadable }) => isUnreadable)?.element;
    const invalid = parse(this.text) === undefined ? this.editor : unreadable;
    if (invalid) return invalid.focus();
    for (const input of this.inputs) input.fail("");
    if (this.#isOwnId) this.#countRequest();
    this.hooks.send(compact(this.text), this.outcome);
  }

  /** Show errors beside their inputs. Return the text of all others. */
  #showErrors(errors) {
    if (Object(errors) !== errors || Array.isArray(errors)) return errorText(errors);
    const others = Object.entries(errors).filter(([name, problem]) => {
      const input = this.inputs.find((each) => each.name === name);
      input?.fail(errorText(problem));
      return !input;
    });
    return errorText(Object.fromEntries(others));
  }

  #example() {
    const { example } = this.operation;
    const hasId = this.socket.key === "action" || this.socket.key === "method";
    const { [this.socket.key]: name, ...rest } = example;
    const payload = hasId ? { [this.socket.key]: name, request_id: 1, ...rest } : example;
    if (payload.data && !this.operation.fields.length && !Object.keys(payload.data).length) payload.data = null;
    return structuredClone(this.prefix.length ? { stream: this.socket.stream, payload } : payload);
  }

  #makeInput(row) {
    const { group, name } = row.dataset;
    const lists = { argument: this.operation.arguments, field: this.operation.fields };
    const known = lists[group]?.find((each) => each.name === name);
    const spec = known ?? { name, type: group === "data" ? "JSON" : "string" };
    const path = group === "field" && this.operation.hasData ? ["data", name] : [name];
    const input = new Input(row, spec, [...this.prefix, ...path]);
    input.element.addEventListener("input", () => this.#inputChanged(input));
    return input;
  }

  #addEditor() {
    const example = this.form.querySelector(".example");
    const name = make("span", { className: "name", textContent: example.dataset.label });
    const label = make("label", { className: "input" }, name);
    this.editor = make("textarea", { className: "frame", spellcheck: false, autocapitalize: "off", autocomplete: "off" });
    this.problem = make("p", { className: "problem", hidden: true });
    const output = make("output", { className: "answer" });
    this.outcome = new Outcome(output, (errors) => this.#showErrors(errors));
    label.append(this.editor);
    const tools = make("div", { className: "tools" }, copyOf("send-template"), copyOf("copy-template"));
    example.replaceWith(label, this.problem, tools, output);
  }

  #listen() {
    this.form.noValidate = true; // values that the server refuses can be tried, too
    this.editor.addEventListener("input", () => this.#editorChanged());
    onSend(this.form, () => this.send());
    onCopy(this.form, () => ({ data: this.text, socket: this.socket }));
  }

  #inputChanged(input) {
    const value = input.read();
    if (input.isUnreadable) return;
    setIn(this.frame, input.path, value);
    this.#showFrame();
  }

  #editorChanged() {
    const frame = parse(this.text);
    this.#mark(frame === undefined ? jsonProblem(this.text) : "");
    this.#resize();
    if (Object(frame) !== frame) return;
    if (getIn(frame, this.#idPath) !== getIn(this.frame, this.#idPath)) this.#isOwnId = false;
    this.frame = frame;
    this.#showInputs();
  }

  get #idPath() {
    return [...this.prefix, "request_id"];
  }

  /** Give the frame the next id. The text is changed where the id is, and stays as it was otherwise. */
  #countRequest() {
    if (!Number.isInteger(getIn(this.frame, this.#idPath))) return;
    const id = this.hooks.nextId();
    setIn(this.frame, this.#idPath, id);
    this.editor.value = this.text.replace(/("request_id"\s*:\s*)-?\d+/, `$1${id}`);
  }

  #mark(problem) {
    markProblem(this.editor, this.problem, problem);
  }

  #showFrame() {
    this.editor.value = JSON.stringify(this.frame, null, 2);
    this.#mark("");
    this.#resize();
  }

  #resize() {
    this.editor.rows = Math.min(Math.max(this.text.split("\n").length, 2), 24);
  }

  #showInputs() {
    for (const input of this.inputs) input.write(getIn(this.frame, input.path));
  }
}

/** Say what is wrong with a text that is no JSON, as the browser says it. */
function jsonProblem(text) {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return say("noJsonBecause", { reason: error.message });
  }
}

function markProblem(editor, output, problem) {
  output.textContent = problem;
  output.hidden = !problem;
  editor.setAttribute("aria-invalid", String(Boolean(problem)));
}

/** Call `send` when a form is submitted, also by Ctrl+Enter in a text area. */
function onSend(form, send) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  });
}

/** The form for any frame: JSON, other text, or bytes. */
class RawForm {
  constructor(form, hooks) {
    this.form = form;
    this.editor = form.elements.namedItem("frame");
    this.problem = byId("raw-problem");
    this.hooks = hooks;
    form.querySelector(".tools").append(copyOf("send-template"), copyOf("copy-template"));
    this.outcome = new Outcome(form.querySelector("output"), errorText);
    this.editor.value ||= indented(JSON.stringify(firstSocket.operations[0]?.example ?? {}));
    form.addEventListener("input", () => this.#check());
    onSend(form, () => this.send());
    onCopy(form, () => ({ data: this.data ?? this.editor.value, socket: firstSocket }));
  }

  get kind() {
    return this.form.elements.namedItem("kind").value;
  }

  /** What is sent; `null` if it is not of the kind that was chosen. @returns {Data | null} */
  get data() {
    const { value } = this.editor;
    if (this.kind === "text") return value;
    if (this.kind === "bytes") return bytesOf(value);
    return parse(value) === undefined ? null : compact(value);
  }

  send() {
    this.#check();
    if (this.data === null) this.editor.focus();
    else this.hooks.send(this.data, this.outcome);
  }

  /** Show a frame of the log, to change it. @param {Data} data */
  edit(data) {
    const isText = typeof data === "string";
    const kind = !isText ? "bytes" : parse(data) === undefined ? "text" : "json";
    this.form.elements.namedItem("kind").value = kind;
    this.editor.value = !isText ? hexOf(data) : kind === "json" ? indented(data) : data;
    this.editor.rows = Math.min(Math.max(this.editor.value.split("\n").length, 5), 24);
    this.#check();
    this.editor.focus();
  }

  #check() {
    const { value } = this.editor;
    const problems = {
      json: () => jsonProblem(value),
      text: () => "",
      bytes: () => (this.data === null ? say("noHex") : ""),
    };
    markProblem(this.editor, this.problem, problems[this.kind]());
  }
}

// The log

class Log {
  /** @type {Entry[]} */ #entries = [];
  #entryOfRow = new WeakMap();
  #kept = 0; // characters and bytes
  #dropped = 0; // entries
  #isPaused = false;
  #isScheduled = false;

  constructor(hooks) {
    this.hooks = hooks;
    this.list = byId("log");
    this.filterText = byId("log-text");
    this.filterKind = byId("log-kind");
    this.pauseButton = byId("log-pause");
    this.pauseLabel = this.pauseButton.textContent;
    this.filterText.addEventListener("input", () => this.#filter());
    this.filterKind.addEventListener("change", () => this.#filter());
    this.pauseButton.addEventListener("click", () => this.#pause());
    byId("log-clear").addEventListener("click", () => this.clear());
    this.list.addEventListener("toggle", (event) => this.#toggled(event), { capture: true });
  }

  /** @param {Partial<Entry> & { kind: string, data: Data }} values  @returns {Entry} */
  add(values) {
    const isCut = values.data.length > MAX_FRAME;
    const entry = {
      time: new Date(), title: "", status: "", isError: false, size: sizeOf(values.data), ...values,
      data: isCut ? values.data.slice(0, MAX_FRAME) : values.data, isCut,
    };
    this.#entries.push(entry);
    this.#kept += entry.data.length;
    while (this.#entries.length > MAX_ENTRIES || this.#kept > MAX_KEPT) this.#dropFirst();
    this.#schedule();
    return entry;
  }

  /** Show an entry, whatever the filter. */
  show({ row }) {
    if (!row?.isConnected) return;
    row.hidden = false;
    row.querySelector("details").open = true;
    row.querySelector("summary").focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  clear() {
    this.#entries = [];
    this.#kept = this.#dropped = 0;
    this.list.replaceChildren();
    this.#showCount();
  }

  #dropFirst() {
    const entry = this.#entries.shift();
    this.#kept -= entry.data.length;
    this.#dropped += entry.kind === "event" ? 0 : 1;
    entry.row?.remove();
  }

  /** Show new entries before the next picture: many frames may come meanwhile. */
  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#show();
    });
  }

  #show() {
    this.#showCount();
    if (this.#isPaused) return;
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END;
    this.list.append(...this.#entries.filter(({ row }) => !row).map((entry) => this.#makeRow(entry)));
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  #showCount() {
    const frames = this.#entries.filter(({ kind }) => kind !== "event");
    const bytes = frames.reduce((sum, { size }) => sum + size, 0);
    const counted = frames.length ? say("count", { number: frames.length, size: sizeText(bytes) }) : "";
    const dropped = this.#dropped ? say("dropped", { number: this.#dropped }) : "";
    byId("log-count").textContent = [counted, dropped].filter(Boolean).join(" · ");
    byId("log-empty").hidden = this.#entries.length > 0;
    const hidden = this.#entries.filter(({ row }) => !row).length;
    this.pauseButton.textContent = this.#isPaused ? say("resume", { number: hidden }) : this.pauseLabel;
  }

  #makeRow(entry) {
    const row = copyOf("entry-template").firstElementChild;
    const set = (selector, text) => (row.querySelector(selector).textContent = text);
    row.dataset.kind = entry.kind;
    row.classList.toggle("failed", entry.isError);
    set(".kind", say(entry.kind));
    set(".title", entry.title);
    set(".status", entry.status);
    row.querySelector(".status").hidden = !entry.status;
    set(".duration", entry.duration === undefined ? "" : durationText(entry.duration));
    set(".size", entry.kind === "event" ? "" : sizeText(entry.size));
    set("time", timeFormat.format(entry.time));
    set(".preview", entry.preview || previewOf(entry.data));
    row.hidden = !this.#isShown(entry);
    entry.row = row;
    this.#entryOfRow.set(row, entry);
    return row;
  }

  #toggled({ target }) {
    const row = target.closest(".entry");
    const body = row.querySelector(".opened");
    body.replaceChildren();
    if (target.open) this.#open(this.#entryOfRow.get(row), body);
  }

  #open(entry, body) {
    const { data, isCut } = entry;
    const isText = typeof data === "string";
    const isLong = isCut || (!isText && data.length > MAX_HEX);
    if (isLong) body.append(make("p", { className: "muted", textContent: say("cut") }));
    const shown = isText ? nodesOf(data) : [hexDump(data)];
    if (data.length) body.append(make("pre", { tabIndex: 0, className: isText ? "" : "hex" }, ...shown));
    if (entry.kind === "event" || isCut) return;
    const tools = make("div", { className: "tools" }, copyOf("again-template"), copyOf("copy-template"));
    if (entry.kind === "received") tools.querySelector("[data-do=again]").remove();
    tools.addEventListener("click", ({ target }) => {
      if (target.dataset.do) this.hooks[target.dataset.do](entry);
    });
    onCopy(tools, () => ({ data, socket: firstSocket }));
    body.append(tools);
  }

  #pause() {
    this.#isPaused = !this.#isPaused;
    this.pauseButton.setAttribute("aria-pressed", String(this.#isPaused));
    this.#show();
    this.#showCount();
  }

  #isShown({ kind, title, data, status, isError }) {
    const wanted = this.filterKind.value;
    if (wanted && wanted !== kind && !(wanted === "error" && isError)) return false;
    const text = this.filterText.value.toLowerCase();
    if (!text) return true;
    const content = typeof data === "string" ? data : hexOf(data.subarray(0, MAX_HEX));
    return `${title} ${status} ${content}`.toLowerCase().includes(text);
  }

  #filter() {
    for (const entry of this.#entries) if (entry.row) entry.row.hidden = !this.#isShown(entry);
  }
}

function previewOf(data) {
  if (typeof data === "string") return data.slice(0, MAX_PREVIEW);
  return hexOf(data.subarray(0, MAX_PREVIEW / 3));
}

// Frames as code

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** JSON as a Python literal, in one line if it is short. `margin` is that of the line it begins in. */
function pythonOf(json, margin) {
  const words = { true: "True", false: "False", null: "None" };
  const tokens = tokensOf(json).map((token) =>
    token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : (words[token] ?? token));
  const line = tokens.map((token) => (token === "," || token === ":" ? `${token} ` : token)).join("");
  return line.length <= 72 ? line : layOut(tokens, "    ", margin).map(({ text }) => text).join("");
}

/** The calls of `websockets`, `SocketCommunicator` and others, by what is copied. */
const CODE = {
  frame: ({ data }) => (typeof data === "string" ? data : hexOf(data)),

  python({ data, json, connection }) {
    const sent = typeof data !== "string" ? `bytes.fromhex("${hexOf(data)}")`
      : json === undefined ? JSON.stringify(data) : `json.dumps(${pythonOf(data, "    ")})`;
    const protocols = connection.shownProtocols;
    const offered = protocols.length ? `, subprotocols=${JSON.stringify(protocols)}` : "";
    return [
      ...(sent.startsWith("json.") ? ["import json", ""] : []),
      "from websockets.sync.client import connect",
      "",
      '# As a user: connect(…, additional_headers={"Cookie": "sessionid=…"})',
      `with connect(${JSON.stringify(connection.address)}${offered}) as socket:`,
      `    socket.send(${sent})`,
      "    print(socket.recv())",
    ].join("\n");
  },

  test({ data, json, connection, name }) {
    const [, module, application] = page.application.match(/^(.*)\.(\w+)$/) ?? ["", "mysite.asgi", page.application];
    const send = typeof data !== "string" ? `send_to(bytes_data=bytes.fromhex("${hexOf(data)}"))`
      : json === undefined ? `send_to(${JSON.stringify(data)})` : `send_json(${pythonOf(data, "        ")})`;
    const protocols = connection.shownProtocols;
    const offered = protocols.length ? `, subprotocols=${JSON.stringify(protocols)}` : "";
    return [
      `from ${module} import ${application}`,
      "from rest_channels.testing import SocketCommunicator",
      "",
      "",
      `async def test_${name.replace(/\W+/g, "_").toLowerCase() || "frame"}():`,
      "    # As a user: SocketCommunicator(…, user=user)",
      `    async with SocketCommunicator(${application}, ${JSON.stringify(connection.path)}${offered}) as socket:`,
      `        await socket.${send}`,
      `        print(await socket.receive_${json === undefined ? "from" : "json"}())`,
    ].join("\n");
  },

  javascript({ data, json, connection, socket }) {
    const protocols = connection.shownProtocols;
    const dialect = socket.stream === null && isRequest(json, socket.key) ? socket.key : "none";
    const options = [`dialect: "${dialect}"`, ...(protocols.length ? [`protocols: ${JSON.stringify(protocols)}`] : [])];
    return [
      `import { SocketClient } from "${page.client}";`,
      "",
      `const socket = new SocketClient(${JSON.stringify(connection.path)}, { ${options.join(", ")} });`,
      ...scriptCalls(data, json, dialect),
    ].join("\n");
  },

  shell({ data, connection }) {
    const protocols = connection.shownProtocols;
    const offered = protocols.length ? ` --protocol ${quote(protocols.join(", "))}` : "";
    const isText = typeof data === "string";
    const octal = (bytes) => [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
    const sent = isText ? `printf '%s\\n' ${quote(data)}` : `printf '${octal(data)}'`;
    return [
      "# As a user: -H='Cookie: sessionid=…'",
      `${sent} | websocat ${isText ? "" : "--binary "}-n1${offered} ${quote(connection.address)}`,
    ].join("\n");
  },
};

const isRequest = (json, key) => key !== null && typeof json?.[key] === "string";

/** The lines of JavaScript that send a frame with client.js, and show the answer. */
function scriptCalls(data, json, dialect) {
  if (typeof data !== "string")
    return ['socket.on("message", console.log);', `socket.send(Uint8Array.from([${data.join(", ")}]));`];
  if (json === undefined || dialect === "none") {
    const literal = json === undefined ? JSON.stringify(data) : indented(data);
    return ['socket.on("message", console.log);', `socket.send(${literal});`];
  }
  const { [dialect]: name, request_id, ...rest } = json;
  const content = dialect === "method" ? rest.data : rest;
  const isEmpty = content == null || (Object(content) === content && !Object.keys(content).length);
  const call = `(${JSON.stringify(name)}${isEmpty ? "" : `, ${JSON.stringify(content, null, 2)}`})`;
  if (dialect === "type") return ['socket.on("message", console.log);', `socket.send${call};`];
  return [`console.log(await socket.request${call});`];
}

let connectionForm; // of this page

/** Copy as code what `find` returns, when one of the buttons in `element` is clicked. */
function onCopy(element, find) {
  element.addEventListener("click", async ({ target }) => {
    const kind = target.dataset?.copy;
    if (!kind) return;
    const { data, socket } = find();
    const json = typeof data === "string" ? parse(data) : undefined;
    const name = readEnvelope(data).name;
    const sent = json === undefined ? data : compact(data);
    const text = CODE[kind]({ data: sent, json, socket, name, connection: connectionForm });
    const isCopied = await copy(text);
    announce(say(isCopied ? "copied" : "notCopied"), target);
  });
}

/** Copy text. Pages of a plain http address, such as one in a home network, have no clipboard API. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { value: text, className: "said" });
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return isCopied;
  }
}

let forgetting; // a timer

/** Say something to users of a screen reader, and show it at the button that was clicked. */
function announce(text, button) {
  byId("said").textContent = text;
  document.querySelector("[data-said]")?.removeAttribute("data-said");
  button.dataset.said = text;
  clearTimeout(forgetting);
  forgetting = setTimeout(() => {
    button.removeAttribute("data-said");
    byId("said").textContent = "";
  }, 1500);
}

// The page

/** Connects the parts of a socket's page. */
class Console {
  #sent = new Map(); // id of a request → when it was sent, and where its form shows the answer
  #nameless = []; // the outcomes of frames without an id, since a frame was received; at most two
  #lastId = 0;
  #attempt = 0; // how often the page has connected

  constructor() {
    connectionForm = new ConnectionForm(byId("connection"));
    this.closed = byId("closed");
    this.connection = new Connection({
      state: (state, code) => this.#showState(state, code),
      received: (data) => this.#received(data),
      happened: (title, data = "") => this.log.add({ kind: "event", data, title }),
      closed: (event) => this.#connectionClosed(event),
      failed: (reason) => this.#connectionFailed(reason),
    });
    const send = (data, outcome) => this.send(data, outcome);
    this.raw = new RawForm(byId("raw"), { send });
    this.log = new Log({ again: ({ data }) => this.send(data), edit: ({ data }) => this.raw.edit(data) });
    const nextId = () => (this.#lastId += 1);
    for (const each of document.querySelectorAll("details.operation")) new OperationForm(each, { send, nextId });
    byId("connection").addEventListener("submit", (event) => this.#toggle(event));
    this.#showState("closed");
  }

  /** Send a frame, and connect first if need be. @param {Data} data  @param {Outcome} [outcome] */
  send(data, outcome) {
    const { state } = this.connection;
    outcome?.say("");
    if (state !== "open" && state !== "connecting" && !this.#connect()) return;
    if (this.connection.state === "connecting") outcome?.say(say("waiting"));
    this.connection.send(data, {
      sent: () => this.#wasSent(data, outcome),
      failed: () => this.#wasNotSent(data, outcome),
    });
  }

  #wasSent(data, outcome) {
    const { name, form, id } = readEnvelope(data);
    this.log.add({ kind: "sent", data, title: name || say(form) });
    if (id !== null) this.#remember(id, { at: performance.now(), outcome });
    else if (this.#nameless.length < 2) this.#nameless.push({ outcome });
    outcome?.sent(id);
  }

  #wasNotSent(data, outcome) {
    this.log.add({ kind: "event", data, title: say("notSent"), isError: true });
    outcome?.say(say("notSentBecause"), true);
  }

  /** Keep when a request was sent. Requests without an answer are forgotten, the oldest first. */
  #remember(id, request) {
    this.#sent.delete(id);
    this.#sent.set(id, request);
    if (this.#sent.size > MAX_ENTRIES) this.#sent.delete(this.#sent.keys().next().value);
  }

  #received(data) {
    const now = performance.now();
    const envelope = readEnvelope(data);
    const { name, form, id, status, isError, errors } = envelope;
    const request = this.#sent.get(id);
    const duration = request && now - request.at;
    this.#sent.delete(id);
    const preview = isError ? errorText(errors).slice(0, MAX_PREVIEW) : "";
    const title = name || say(form);
    const entry = this.log.add({ kind: "received", data, title, status, isError, duration, preview });
    const show = () => this.log.show(entry);
    request?.outcome?.answered(envelope, duration, show);
    if (isError && id === null) this.#onlyOutcome()?.failed(errors, show);
    this.#nameless = [];
  }

  /** That of the frame that waits, if no other one does: only then an error without an id is its own. */
  #onlyOutcome() {
    const waiting = [...this.#sent.values(), ...this.#nameless];
    return waiting.length === 1 ? waiting[0].outcome : undefined;
  }

  #toggle(event) {
    event.preventDefault();
    const { state } = this.connection;
    if (state === "open" || state === "connecting") this.connection.close();
    else this.#connect();
  }

  #connect() {
    if (!connectionForm.isComplete()) return false;
    this.closed.hidden = true;
    this.#attempt += 1;
    return this.connection.open(connectionForm.address, connectionForm.protocols());
  }

  #showState(state, code) {
    document.body.dataset.state = state;
    const element = byId("state");
    element.dataset.state = state;
    element.textContent = code ? say("stateClosed", { code }) : say(`state_${state}`);
    byId("connect").textContent = say(state === "open" ? "disconnect" : state === "connecting" ? "cancel" : "connect");
  }

  async #connectionClosed({ code, reason, isRefused, isOwn }) {
    for (const [id, { outcome }] of this.#sent) outcome?.lost(id);
    this.#sent.clear();
    this.#nameless = [];
    if (isOwn) return this.log.add({ kind: "event", data: "", title: say("closedHere") });
    const attempt = this.#attempt;
    const found = isRefused ? await explainRefusal(this.connection.address) : explain(code);
    const title = isRefused ? say("refused") : [say("closed", { code }), found.name].filter(Boolean).join(" ");
    this.#showClosed(title, [reason && `“${reason}”`, found.meaning, found.advice], attempt, code !== 1000);
  }

  #connectionFailed(reason) {
    this.#showClosed(say("failed"), [reason, say("failedAdvice")]);
  }

  /** Say in the log and at the top of the page why the connection has ended. */
  #showClosed(title, texts, attempt = this.#attempt, isError = true) {
    const shown = texts.filter(Boolean);
    this.log.add({ kind: "event", title, data: shown.join(" "), isError });
    if (attempt !== this.#attempt) return; // the user has connected again meanwhile
    const paragraphs = shown.map((textContent) => make("p", { textContent }));
    this.closed.replaceChildren(make("h2", { textContent: title }), ...paragraphs);
    this.closed.classList.toggle("failed", isError);
    this.closed.hidden = false;
  }
}

/** Let long paths and names of classes break after a slash or a dot. */
function breakNames() {
  for (const element of document.querySelectorAll(".sockets a code, .sockets .class")) {
    const parts = element.textContent.split(/(?<=[./])/);
    element.replaceChildren(...parts.flatMap((part) => [part, make("wbr")]));
  }
}

/** Show only the sockets of the list that have the text of the filter. */
function filterIndex() {
  const filter = byId("index-filter");
  const items = [...byId("sockets").children];
  const update = () => {
    const text = filter.value.trim().toLowerCase();
    for (const item of items) item.hidden = !item.textContent.toLowerCase().includes(text);
    byId("no-sockets").hidden = items.some(({ hidden }) => !hidden);
  };
  filter.addEventListener("input", update);
  update(); // a page that the browser restores keeps its text
}

document.documentElement.classList.add("has-script");
if (page) new Console();
else if (byId("index-filter")) {
  breakNames();
  filterIndex();
}
