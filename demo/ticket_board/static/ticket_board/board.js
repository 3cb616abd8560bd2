/** Three panels, each connected as another user, and a monitor that counts queries. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { showOutages } from "demo/outages";
import { hue } from "demo/people";

const $ = (id) => document.getElementById(id);
const COLUMNS = [...document.querySelectorAll(".panel:first-child .column")].map(({ dataset }) => dataset.status);
const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const LATE = 1000; // ms after a save; deliveries that are later are those to panels that were away
const noMotion = matchMedia("(prefers-reduced-motion: reduce)");

class Panel {
  tickets = new Map(); // by id
  received = 0; // messages about changes
  maySee = null; // whether this user may see the board, as the monitor reports
  selected = null; // the id of the ticket whose tools are shown
  dragged = null; // the id of the ticket that is dragged

  constructor({ name, token }) {
    this.name = name;
    this.element = document.querySelector(`[data-me="${name}"]`);
    this.element.style.setProperty("--hue", hue(name));
    this.socket = new SocketClient(location.pathname, { dialect: "action" });
    showConnection(this.socket, this.find(".connection"));
    if (this.element.matches(":first-child")) showOutages(this.socket, ["create", "update", "delete"], "change");
    this.socket.subscribe((now) => now.request("authenticate", { token }));
    this.socket.on("gap", () => this.follow());
    this.socket.on("close", ({ reason, reconnect, status }) => reconnect || this.lock({ message: reason, status }));
    this.follow();
    this.find(".add").onsubmit = (event) => this.add(event);
    this.find("[role=switch]").onchange = ({ target }) => monitor.setAccess(this, target.checked);
    for (const column of this.element.querySelectorAll(".column")) this.acceptDrops(column);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  // Messages from the server. It keeps a history of the changes, for panels whose connection is lost.

  /** Show all tickets, and then each change. After a reconnect `watch` subscribes again. */
  follow() {
    this.stop?.(); // what an earlier call follows
    this.stop = this.socket.watch("subscribe_to_board", {}, (data, frame) => {
      if (frame.action !== "subscribe_to_board") this.countReceived();
      if (!data) this.refused(frame);
      else if (frame.action === "subscribe_to_board") this.showAll(data);
      else if (frame.action === "delete") this.remove(data.pk);
      else this.put(data);
    });
  }

  showAll({ tickets, server }) {
    this.tickets = new Map(tickets.map((ticket) => [ticket.id, ticket]));
    this.find(".server").textContent = server ? `server ${server}` : "";
    this.unlock();
  }

  countReceived() {
    this.received += 1;
    this.find(".received").textContent = this.received === 1 ? "1 message received" : `${this.received} messages received`;
  }

  /** The server has ended the subscription. When this message arrives, the user may already have access again. */
  refused({ action, errors, response_status: status }) {
    this.lock({ message: errors.join(" "), status });
    if (this.maySee && action !== "subscribe_to_board") this.follow();
  }

  // Access

  unlock() {
    this.element.classList.remove("locked");
    this.find(".no-access").hidden = true;
    this.find(".columns").inert = this.find(".add").inert = false;
    this.showProblem();
    this.show();
  }

  lock({ message, status }) {
    this.element.classList.add("locked");
    this.tickets.clear();
    this.show();
    this.find(".columns").inert = this.find(".add").inert = true;
    this.find(".no-access b").textContent = status ? `Refused (${status})` : "Disconnected";
    this.find(".no-access span").textContent = message;
    this.find(".no-access").hidden = false;
    this.showNote();
  }

  get isLocked() {
    return this.element.classList.contains("locked");
  }

  /** Show whether this user has access. The server checks it itself before each message. */
  accessChanged(maySee) {
    this.maySee = maySee;
    Object.assign(this.find("[role=switch]"), { checked: maySee, disabled: false });
    this.showNote();
    if (!maySee || !this.isLocked) return;
    this.follow();
    if (this.socket.state === "closed") this.socket.connect();
  }

  showNote() {
    const isWithdrawn = this.maySee === false && !this.isLocked;
    this.element.classList.toggle("withdrawn", isWithdrawn);
    this.find(".note").textContent = isWithdrawn ? "Access withdrawn. It takes effect with the next change." : "";
  }

  showProblem(error) {
    const [errors] = [error?.detail].flat();
    const text = Object(errors) === errors ? Object.values(errors).flat().join(" ") : error?.message;
    this.find(":scope > .problem").textContent = text ?? "";
  }

  // Actions of the user

  async request(action, data) {
    this.showProblem();
    try {
      await this.socket.request(action, data);
      return true;
    } catch (error) {
      if (error.status === 403) this.lock(error);
      else this.showProblem(error.status === 404 ? { message: "This ticket was deleted." } : error);
      return false;
    }
  }

  async add(event) {
    event.preventDefault();
    const { title } = event.target.elements;
    const data = { title: title.value };
    if (await this.request("create", { data })) title.value = "";
  }

  move(pk, status, before) {
    return this.request("move", { pk, data: { status, before } });
  }

  /** Move a ticket by one column, or by one place in its column. */
  step(ticket, direction) {
    const column = this.column(ticket.status);
    const [x, y] = [COLUMNS.indexOf(ticket.status), column.indexOf(ticket)];
    if (direction === "left" && x > 0) return this.move(ticket.id, COLUMNS[x - 1], null);
    if (direction === "right" && x < COLUMNS.length - 1) return this.move(ticket.id, COLUMNS[x + 1], null);
    if (direction === "up" && y > 0) return this.move(ticket.id, ticket.status, column[y - 1].id);
    if (direction === "down" && y < column.length - 1) return this.move(ticket.id, ticket.status, column[y + 2]?.id ?? null);
  }

  act(ticket, action) {
    if (action === "edit") this.edit(ticket);
    else if (action === "remove") this.request("delete", { pk: ticket.id });
    else this.step(ticket, action);
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

  select(id) {
    const previous = this.selected;
    this.selected = id;
    for (const one of [previous, id]) if (this.tickets.has(one)) this.fill(this.card(one), this.tickets.get(one));
  }

  // Dragging

  acceptDrops(column) {
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
      if (this.dragged === null) return; // it comes from another panel
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

  // Display

  put(ticket) {
    const isMoved = this.tickets.has(ticket.id);
    this.tickets.set(ticket.id, ticket);
    this.show();
    this.card(ticket.id).classList.remove("changed");
    void this.card(ticket.id).offsetWidth; // restarts the animation
    this.card(ticket.id).classList.add(isMoved ? "changed" : "fresh");
  }

  remove(id) {
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

  /** Put every card in its place, and animate those that moved. */
  show() {
    const places = new Map([...this.element.querySelectorAll(".ticket")].map((card) => [card, card.getBoundingClientRect()]));
    for (const [card] of places) if (!this.tickets.has(Number(card.dataset.id))) card.remove();
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    for (const column of this.element.querySelectorAll(".column")) {
      const tickets = this.column(column.dataset.status);
      column.querySelector(".count").textContent = tickets.length || "";
      const list = column.querySelector(".cards");
      tickets.forEach((ticket, index) => {
        const card = this.card(ticket.id) ?? this.createCard(ticket.id);
        this.fill(card, ticket);
        if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null);
      });
    }
    if (focused?.disabled) focused.closest(".ticket").querySelector(".title").focus({ preventScroll: true });
    else if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    if (!noMotion.matches) for (const [card, place] of places) animateMove(card, place);
  }

  createCard(id) {
    const card = $("card").content.firstElementChild.cloneNode(true);
    const part = (selector) => card.querySelector(selector);
    const ticket = () => this.tickets.get(id);
    card.dataset.id = id;
    part(".title").onclick = () => this.select(this.selected === id ? null : id);
    part(".tools").onclick = ({ target }) => target.dataset.do && this.act(ticket(), target.dataset.do);
    part(".rename").onsubmit = async (event) => {
      event.preventDefault();
      const data = { title: event.target.elements.title.value };
      if (data.title === ticket().title || (await this.request("patch", { pk: id, data }))) this.card(id) && this.edit(ticket(), false);
    };
    card.onkeydown = (event) => {
      if (event.key === "Escape") {
        if (!part(".rename").hidden) this.edit(ticket(), false);
        this.select(null);
        part(".title").focus();
      } else if (ARROWS[event.key] && this.selected === id && part(".rename").hidden) {
        event.preventDefault();
        if (!event.repeat) this.step(ticket(), ARROWS[event.key]);
      }
    };
    card.ondragstart = (event) => {
      this.dragged = id;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", ticket().title);
      card.classList.add("dragging");
    };
    card.ondragend = () => {
      this.dragged = null;
      card.classList.remove("dragging");
    };
    return card;
  }

  fill(card, { id, title, owner, status }) {
    const isSelected = this.selected === id;
    const button = card.querySelector(".title");
    if (button.textContent !== title) button.textContent = title;
    button.ariaExpanded = isSelected;
    card.title = `Owner: ${owner}`;
    card.style.setProperty("--hue", hue(owner));
    if (!card.querySelector(".rename").hidden) return; // it is being edited
    card.querySelector(".tools").hidden = !isSelected;
    card.querySelector("[data-do=left]").disabled = status === COLUMNS[0];
    card.querySelector("[data-do=right]").disabled = status === COLUMNS.at(-1);
  }
}

/** Animate a card from its previous place. */
function animateMove(card, before) {
  if (!card.isConnected) return;
  const now = card.getBoundingClientRect();
  const [x, y] = [before.x - now.x, before.y - now.y];
  if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)`, zIndex: 1 }, { transform: "none", zIndex: 1 }], { duration: 260, easing: "cubic-bezier(.2, .8, .3, 1)" });
}

// The monitor: which users have access, and how many queries a change needs

class Monitor {
  #socket = new SocketClient(`${location.pathname}monitor/`, { dialect: "action" });
  #saved = null; // the latest change
  #savedAt = 0;
  #deliveries = new Map(); // what each server measured for it
  #early = new Map(); // the same, of other changes

  constructor() {
    showConnection(this.#socket, $("connection"));
    this.#socket.subscribe((now) => this.#start(now));
    this.#socket.on("gap", () => this.#start(this.#socket).catch(() => {}));
    this.#socket.on("update", (person) => this.#showAccess(person));
    this.#socket.on("measured", (measurement) => this.#add(measurement));
  }

  async #start(now) {
    for (const person of await now.request("subscribe_to_monitor")) this.#showAccess(person);
  }

  #showAccess({ name, may_see }) {
    panels.find((panel) => panel.name === name)?.accessChanged(may_see);
  }

  async setAccess(panel, may_see) {
    try {
      await this.#socket.request("set_access", { data: { name: panel.name, may_see } });
    } catch (error) {
      panel.accessChanged(!may_see);
      panel.showProblem(error);
    }
  }

  #add({ event, ...measurement }) {
    const { pk, delivery } = measurement;
    if (event === "saved") {
      this.#saved = measurement;
      this.#savedAt = Date.now();
      // Another server may have told of its delivery before the message about the save arrived.
      this.#deliveries = new Map([...this.#early].filter(([, early]) => early.pk === pk));
      this.#early.clear();
    } else if (pk === this.#saved?.pk && Date.now() - this.#savedAt > LATE) {
      return; // the delivery to a panel that was away
    } else if (pk === this.#saved?.pk) {
      this.#deliveries.set(delivery, measurement);
    } else {
      this.#early.set(delivery, measurement);
      setTimeout(() => this.#early.delete(delivery), LATE);
      return;
    }
    this.#show();
  }

  #show() {
    const { title, created, deleted, save_queries } = this.#saved;
    const servers = [...this.#deliveries.values()];
    const sum = (name) => servers.reduce((total, one) => total + one[name], 0);
    const [sent, refused, read, checked] = ["sent", "refused", "read_queries", "permission_queries"].map(sum);
    const all = save_queries + read + checked;
    const figures = [[1, "save"], [sent, sent === 1 ? "subscriber" : "subscribers"], [all, all === 1 ? "query" : "queries"]];
    $("figures").replaceChildren(...figures.flatMap(([number, word], index) => {
      const [bold, dot] = ["b", "i"].map((tag) => document.createElement(tag));
      bold.textContent = number;
      dot.textContent = "·";
      return [...(index ? [" ", dot, " "] : []), bold, ` ${word}`];
    }));
    const change = deleted ? "was deleted" : created ? "was created" : "was changed";
    const parts = [`${save_queries} to save it`, `${read} to read it`, `${checked} to check permissions`];
    if (servers.length > 1) parts[1] += ` (by ${servers.length} servers)`;
    const subscribers = refused ? ` Refused subscribers: ${refused}.` : "";
    $("details").textContent = `“${title}” ${change}. Queries: ${parts.join(", ")}.${subscribers}`;
  }
}

const panels = JSON.parse($("people").textContent).map((person) => new Panel(person));
const monitor = new Monitor();
