/** Three panels, each connected as another user, and a monitor that counts queries. */

import { SocketClient } from "rest_channels";
import { showConnection } from "demo/connection";
import { showOutages } from "demo/outages";
import { hue } from "demo/people";

const $ = (id) => document.getElementById(id);
const COLUMNS = [...document.querySelectorAll(".panel:first-child .column")].map(({ dataset }) => dataset.status);
const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const LATE = 5; // seconds after a save; what is read later belongs to no save
const noMotion = matchMedia("(prefers-reduced-motion: reduce)");

class Panel {
  list = null; // the live list of the tickets that the filters describe
  tickets = new Map(); // its tickets by id, in their order
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
    if (this.element.matches(":first-child")) showOutages(this.socket);
    this.socket.subscribe((now) => this.logIn(now, token));
    this.socket.on("close", ({ reason, reconnect, status }) => reconnect || this.lock({ message: reason, status }));
    this.follow();
    this.find(".filters").onchange = () => this.follow();
    this.find(".filters").oninput = ({ target }) => target.type === "search" && this.follow();
    this.find(".filters").onsubmit = (event) => event.preventDefault();
    this.find(".add").onsubmit = (event) => this.add(event);
    this.find("[role=switch]").onchange = ({ target }) => monitor.setAccess(this, target.checked);
    for (const column of this.element.querySelectorAll(".column")) this.acceptDrops(column);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  // The list of tickets. It equals that of the server, also after the connection was lost.

  async logIn(now, token) {
    await now.request("authenticate", { token });
    const server = await now.request("server");
    this.find(".server").textContent = server ? `server ${server}` : "";
  }

  /** Subscribe to the list that the filters describe, instead of the one before. */
  follow() {
    this.list?.stop("unsubscribe_list");
    let isFirst = true;
    this.list = this.socket.live("subscribe_list", { query: this.filters }, (tickets, diff) => {
      if (!isFirst) this.countReceived();
      if (tickets) this.showTickets(tickets, diff);
      else this.refused(diff, isFirst);
      isFirst = false;
    });
  }

  get filters() {
    return Object.fromEntries([...new FormData(this.find(".filters"))].filter(([, value]) => value));
  }

  showTickets(tickets, diff) {
    const focused = this.element.contains(document.activeElement) && document.activeElement.closest(".ticket");
    this.tickets = new Map(tickets.map((ticket) => [ticket.id, ticket]));
    if (!diff) return this.unlock(); // the whole list
    this.show();
    for (const [, ticket] of diff.enter) this.highlight(ticket, "fresh");
    for (const [ticket] of diff.change) this.highlight(ticket, "changed");
    if (focused && !focused.isConnected) this.find(".add input").focus();
  }

  highlight({ id }, name) {
    const card = this.card(id);
    card.classList.remove("fresh", "changed");
    void card.offsetWidth; // restarts the animation
    card.classList.add(name);
  }

  countReceived() {
    this.received += 1;
    this.find(".received").textContent = this.received === 1 ? "1 message received" : `${this.received} messages received`;
  }

  /** The server has ended the list. When this message arrives, the user may already have access again. */
  refused({ errors, response_status: status }, isFirst) {
    this.lock({ message: errors.join(" "), status });
    if (this.maySee && !isFirst) this.follow();
  }

  // Access

  unlock() {
    this.element.classList.remove("locked");
    this.find(".no-access").hidden = true;
    this.setInert(false);
    this.showProblem();
    this.show();
  }

  lock({ message, status }) {
    this.element.classList.add("locked");
    this.tickets.clear();
    this.show();
    this.setInert(true);
    this.find(".no-access b").textContent = status ? `Refused (${status})` : "Disconnected";
    this.find(".no-access span").textContent = message;
    this.find(".no-access").hidden = false;
    this.showNote();
  }

  setInert(isInert) {
    for (const selector of [".filters", ".columns", ".add"]) this.find(selector).inert = isInert;
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
    this.find(".note").textContent = isWithdrawn ? "Access withdrawn. It takes effect with the next change of the list." : "";
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

  card(id) {
    return this.find(`.ticket[data-id="${id}"]`);
  }

  column(status) {
    return [...this.tickets.values()].filter((ticket) => ticket.status === status);
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
  #measured = []; // what the servers measured for the latest change

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

  /** Add what a server measured. Messages of another server may come before that about the save. */
  #add(measurement) {
    this.#measured.push(measurement);
    this.#measured.sort((one, other) => one.time - other.time);
    const latest = this.#measured.at(-1).time;
    this.#measured = this.#measured.filter(({ time }) => time > latest - LATE);
    const save = this.#measured.findLast(({ event }) => event === "saved");
    if (save) this.#show(save);
  }

  #show({ title, created, deleted, save_queries, time: from }) {
    const since = this.#measured.filter(({ time }) => time >= from);
    const [read, told] = ["read", "told"].map((name) => since.filter(({ event }) => event === name));
    const sum = (measurements) => measurements.reduce((total, { queries }) => total + queries, 0);
    const sent = told.filter(({ permitted }) => permitted).length;
    const all = save_queries + sum(read) + sum(told);
    const servers = new Set(read.map(({ server }) => server)).size;
    const figures = [[1, "save"], [sent, sent === 1 ? "subscriber" : "subscribers"], [all, all === 1 ? "query" : "queries"]];
    $("figures").replaceChildren(...figures.flatMap(([number, word], index) => {
      const [bold, dot] = ["b", "i"].map((tag) => document.createElement(tag));
      bold.textContent = number;
      dot.textContent = "·";
      return [...(index ? [" ", dot, " "] : []), bold, ` ${word}`];
    }));
    const change = deleted ? "was deleted" : created ? "was created" : "was changed";
    const by = servers > 1 ? ` (by ${servers} servers)` : "";
    const parts = [`${save_queries} to save it`, `${sum(read)} to read lists${by}`, `${sum(told)} to check permissions`];
    const refused = told.length - sent ? ` Refused subscribers: ${told.length - sent}.` : "";
    $("details").textContent = `“${title}” ${change}. Queries: ${parts.join(", ")}.${refused}`;
  }
}

const panels = JSON.parse($("people").textContent).map((person) => new Panel(person));
const monitor = new Monitor();
