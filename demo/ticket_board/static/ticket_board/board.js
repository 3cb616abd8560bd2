/** Three panes, each with a connection of its own as somebody else; and a desk that counts. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { hue } from "demo/people";

const $ = (id) => document.getElementById(id);
const COLUMNS = [...document.querySelectorAll(".pane:first-child .column")].map(({ dataset }) => dataset.status);
const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

class Pane {
  tickets = new Map(); // by id
  heard = 0;
  right = null; // whether this person may see the board, as the desk says
  chosen = null; // the id of the card whose tools are shown
  dragged = null; // the id of the card that is dragged

  constructor({ name, token }) {
    this.name = name;
    this.element = document.querySelector(`[data-me="${name}"]`);
    this.element.style.setProperty("--hue", hue(name));
    this.socket = new SocketClient(location.pathname, { dialect: "action" });
    showConnection(this.socket, this.find(".connection"));
    this.socket.subscribe(async (now) => {
      await now.request("authenticate", { token });
      await this.begin(now);
    });
    this.listen();
    this.find(".add").onsubmit = (event) => this.add(event);
    this.find("[role=switch]").onchange = ({ target }) => desk.turn(this, target.checked);
    for (const column of this.element.querySelectorAll(".column")) this.takeDrops(column);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  // What comes

  listen() {
    const socket = this.socket;
    socket.on("message", ({ action, request_id }) => {
      if (request_id !== this.subscription || action === "subscribe_to_board") return;
      this.heard += 1;
      this.find(".heard").textContent = this.heard === 1 ? "1 frame heard" : `${this.heard} frames heard`;
    });
    for (const event of ["create", "update"]) {
      socket.on(event, (ticket) => ticket && this.put(ticket)); // a refusal brings none
    }
    socket.on("delete", ({ pk }) => this.take(pk));
    socket.on("error", (error) => this.refused(error)); // nobody asked: a delivery was refused
    socket.on("gap", () => this.again());
    socket.on("close", ({ reason, reconnect, status }) => reconnect || this.darken({ message: reason, status }));
  }

  /** From now on hear of changes; first of all there is. A refusal is shown, and is no failure. */
  async begin(now) {
    const stop = this.socket.on("message", ({ action, request_id }) => {
      if (action === "subscribe_to_board") this.subscription = request_id;
    });
    try {
      const { tickets, server } = await now.request("subscribe_to_board");
      this.tickets = new Map(tickets.map((ticket) => [ticket.id, ticket]));
      this.find(".server").textContent = server ? `server ${server}` : "";
      this.lighten();
    } catch (error) {
      if (error.status !== 403) throw error;
      this.darken(error);
    } finally {
      stop();
    }
  }

  /** Subscribe once more, on the connection there is; a lost one does so by itself. */
  again() {
    if (this.socket.state === "ready") this.begin(this.socket).catch((error) => this.say(error));
    else if (this.socket.state === "closed") this.socket.connect();
  }

  // Light and dark

  lighten() {
    this.element.classList.remove("dark");
    this.find(".curtain").hidden = true;
    this.find(".columns").inert = this.find(".add").inert = false;
    this.say();
    this.show();
  }

  darken({ message, status }) {
    this.element.classList.add("dark");
    this.tickets.clear();
    this.show();
    this.find(".columns").inert = this.find(".add").inert = true;
    this.find(".curtain b").textContent = status ? `Refused (${status})` : "Disconnected";
    this.find(".curtain span").textContent = message;
    this.find(".curtain").hidden = false;
    this.note();
  }

  /** The right may be back already, when it is told that it was gone. */
  refused(error) {
    this.darken(error);
    if (this.right) this.again();
  }

  get isDark() {
    return this.element.classList.contains("dark");
  }

  /** The desk says whether this person has the right. What follows from it only the server knows. */
  turn(right) {
    this.right = right;
    Object.assign(this.find("[role=switch]"), { checked: right, disabled: false });
    this.note();
    if (right && this.isDark) this.again();
  }

  note() {
    const isOver = this.right === false && !this.isDark;
    this.find(".note").textContent = isOver ? "The right is gone. The next change will tell." : "";
  }

  say(error) {
    const [errors] = [error?.detail].flat();
    const words = Object(errors) === errors ? Object.values(errors).flat().join(" ") : error?.message;
    this.find(":scope > .problem").textContent = words ?? "";
  }

  // What one does

  async ask(action, data) {
    this.say();
    try {
      await this.socket.request(action, data);
      return true;
    } catch (error) {
      if (error.status === 403) this.darken(error);
      else this.say(error.status === 404 ? { message: "This card is gone." } : error);
      return false;
    }
  }

  async add(event) {
    event.preventDefault();
    const { title } = event.target.elements;
    const data = { title: title.value };
    if (await this.ask("create", { data })) title.value = "";
  }

  move(pk, status, before) {
    return this.ask("move", { pk, data: { status, before } });
  }

  /** One step: to a column beside, or past a neighbour. */
  step(ticket, way) {
    const column = this.column(ticket.status);
    const [x, y] = [COLUMNS.indexOf(ticket.status), column.indexOf(ticket)];
    if (way === "left" && x > 0) return this.move(ticket.id, COLUMNS[x - 1], null);
    if (way === "right" && x < COLUMNS.length - 1) return this.move(ticket.id, COLUMNS[x + 1], null);
    if (way === "up" && y > 0) return this.move(ticket.id, ticket.status, column[y - 1].id);
    if (way === "down" && y < column.length - 1) return this.move(ticket.id, ticket.status, column[y + 2]?.id ?? null);
  }

  act(ticket, what) {
    if (what === "edit") this.edit(ticket);
    else if (what === "remove") this.ask("delete", { pk: ticket.id });
    else this.step(ticket, what);
  }

  edit({ id, title }, isOn = true) {
    const card = this.card(id);
    card.querySelector(".title").hidden = card.querySelector(".tools").hidden = isOn;
    card.draggable = !isOn;
    const form = card.querySelector(".rename");
    form.hidden = !isOn;
    if (!isOn) return card.querySelector(".title").focus();
    form.elements.title.value = title;
    form.elements.title.select();
  }

  choose(id) {
    const before = this.chosen;
    this.chosen = id;
    for (const one of [before, id]) if (this.tickets.has(one)) this.fill(this.card(one), this.tickets.get(one));
  }

  // Dragging

  takeDrops(column) {
    const { status } = column.dataset;
    const place = ({ clientY }) => {
      const cards = [...column.querySelectorAll(".ticket")].filter(({ dataset }) => Number(dataset.id) !== this.dragged);
      return cards.find((card) => clientY < card.getBoundingClientRect().top + card.offsetHeight / 2) ?? null;
    };
    const mark = (before, isOver) => {
      for (const card of column.querySelectorAll(".drop")) card.classList.remove("drop");
      column.classList.toggle("over", isOver);
      before?.classList.add("drop");
    };
    column.ondragover = (event) => {
      if (this.dragged === null) return; // from another pane, or from elsewhere
      event.preventDefault();
      mark(place(event), true);
    };
    column.ondragleave = (event) => column.contains(event.relatedTarget) || mark(null, false);
    column.ondrop = (event) => {
      if (this.dragged === null) return;
      event.preventDefault();
      mark(null, false);
      this.move(this.dragged, status, Number(place(event)?.dataset.id) || null);
    };
  }

  // What one sees

  put(ticket) {
    const isMoved = this.tickets.has(ticket.id);
    this.tickets.set(ticket.id, ticket);
    this.show();
    this.card(ticket.id).classList.remove("changed");
    void this.card(ticket.id).offsetWidth; // so that the animation begins anew
    this.card(ticket.id).classList.add(isMoved ? "changed" : "fresh");
  }

  take(id) {
    const hadFocus = this.card(id)?.contains(document.activeElement);
    this.tickets.delete(id);
    this.show();
    if (hadFocus) this.find(".add input").focus();
  }

  card(id) {
    return this.find(`.ticket[data-id="${id}"]`);
  }

  column(status) {
    const tickets = [...this.tickets.values()].filter((ticket) => ticket.status === status);
    return tickets.sort((one, other) => one.position - other.position || one.id - other.id);
  }

  /** Lay every card where it belongs; those that have moved glide there. */
  show() {
    const places = new Map([...this.element.querySelectorAll(".ticket")].map((card) => [card, card.getBoundingClientRect()]));
    for (const [card] of places) if (!this.tickets.has(Number(card.dataset.id))) card.remove();
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    for (const column of this.element.querySelectorAll(".column")) {
      const tickets = this.column(column.dataset.status);
      column.querySelector(".count").textContent = tickets.length || "";
      const list = column.querySelector(".cards");
      tickets.forEach((ticket, index) => {
        const card = this.card(ticket.id) ?? this.make(ticket.id);
        this.fill(card, ticket);
        if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null);
      });
    }
    if (focused?.disabled) focused.closest(".ticket").querySelector(".title").focus({ preventScroll: true });
    else if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    if (!stillness.matches) for (const [card, place] of places) glide(card, place);
  }

  make(id) {
    const card = $("card").content.firstElementChild.cloneNode(true);
    const part = (selector) => card.querySelector(selector);
    const ticket = () => this.tickets.get(id);
    card.dataset.id = id;
    part(".title").onclick = () => this.choose(this.chosen === id ? null : id);
    part(".tools").onclick = ({ target }) => target.dataset.do && this.act(ticket(), target.dataset.do);
    part(".rename").onsubmit = async (event) => {
      event.preventDefault();
      const data = { title: event.target.elements.title.value };
      if (data.title === ticket().title || (await this.ask("patch", { pk: id, data }))) this.card(id) && this.edit(ticket(), false);
    };
    card.onkeydown = (event) => {
      if (event.key === "Escape") {
        if (!part(".rename").hidden) this.edit(ticket(), false);
        this.choose(null);
        part(".title").focus();
      } else if (ARROWS[event.key] && this.chosen === id && part(".rename").hidden) {
        event.preventDefault();
        if (!event.repeat) this.step(ticket(), ARROWS[event.key]);
      }
    };
    card.ondragstart = (event) => {
      this.dragged = id;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", ticket().title);
      card.classList.add("away");
    };
    card.ondragend = () => {
      this.dragged = null;
      card.classList.remove("away");
    };
    return card;
  }

  fill(card, { id, title, owner, status }) {
    const isChosen = this.chosen === id;
    const button = card.querySelector(".title");
    if (button.textContent !== title) button.textContent = title;
    button.ariaExpanded = isChosen;
    card.title = `${owner}'s`;
    card.style.setProperty("--hue", hue(owner));
    if (!card.querySelector(".rename").hidden) return; // it is being edited
    card.querySelector(".tools").hidden = !isChosen;
    card.querySelector("[data-do=left]").disabled = status === COLUMNS[0];
    card.querySelector("[data-do=right]").disabled = status === COLUMNS.at(-1);
  }
}

/** Let a card come from where it was. */
function glide(card, before) {
  if (!card.isConnected) return;
  const now = card.getBoundingClientRect();
  const [x, y] = [before.x - now.x, before.y - now.y];
  if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)`, zIndex: 1 }, { transform: "none", zIndex: 1 }], { duration: 260, easing: "cubic-bezier(.2, .8, .3, 1)" });
}

// The desk: who has the right, and what a change costs

class Desk {
  #socket = new SocketClient(`${location.pathname}desk/`, { dialect: "action" });
  #saved = null; // the latest change
  #told = new Map(); // what each server says of it

  constructor() {
    showConnection(this.#socket, $("connection"));
    this.#socket.subscribe((now) => this.#begin(now));
    this.#socket.on("gap", () => this.#begin(this.#socket).catch(() => {}));
    this.#socket.on("update", (person) => this.#know(person));
    this.#socket.on("measured", (about) => this.#measure(about));
  }

  async #begin(now) {
    for (const person of await now.request("subscribe_to_desk")) this.#know(person);
  }

  #know({ name, may_see }) {
    panes.find((pane) => pane.name === name)?.turn(may_see);
  }

  async turn(pane, may_see) {
    try {
      await this.#socket.request("switch", { data: { name: pane.name, may_see } });
    } catch (error) {
      pane.turn(!may_see);
      pane.say(error);
    }
  }

  #measure({ event, ...about }) {
    if (event === "saved") {
      this.#saved = about;
      this.#told = new Map();
    } else if (about.pk === this.#saved?.pk) {
      this.#told.set(about.delivery, about);
    } else return;
    this.#show();
  }

  #show() {
    const { title, created, deleted, queries } = this.#saved;
    const servers = [...this.#told.values()];
    const sum = (name) => servers.reduce((total, one) => total + one[name], 0);
    const [told, refused, read, asked] = ["told", "refused", "read", "asked"].map(sum);
    const all = queries + read + asked;
    const figures = [[1, "save"], [told, told === 1 ? "subscriber" : "subscribers"], [all, all === 1 ? "query" : "queries"]];
    $("figures").replaceChildren(...figures.flatMap(([number, word], index) => {
      const [bold, dot] = ["b", "i"].map((tag) => document.createElement(tag));
      bold.textContent = number;
      dot.textContent = "·";
      return [...(index ? [" ", dot, " "] : []), bold, ` ${word}`];
    }));
    const what = deleted ? "was deleted" : created ? "was created" : "was changed";
    const parts = [`${queries} to save`, `${read} to read it`, `${asked} to ask who may see it`];
    if (servers.length > 1) parts[1] += ` (by ${servers.length} servers)`;
    if (refused) parts.push(`${refused} refused`);
    $("account").textContent = `“${title}” ${what}: ${parts.join(", ")}.`;
  }
}

const panes = JSON.parse($("people").textContent).map((person) => new Pane(person));
const desk = new Desk();
