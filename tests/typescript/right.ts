import { openSocket, type Ticket, type User } from "./sockets.js";

const users = openSocket("/users/");
const ada: Promise<User> = users.request("retrieve", { pk: 1 });
users.request("create", { data: { username: "ada" } }, { timeout: 1000 });
users.request("patch", { pk: 1, data: { last_login: null } });
users.request("delete", { pk: 1 }).then((nothing: null) => nothing);
users.request("list", { limit: 5 });
users.request("list");
const stop = users.watch("subscribe_instance", { pk: 1 }, (data) => data);
stop("unsubscribe_instance");
users.on("update", (user) => user.username.toUpperCase());
users.on("close", ({ code, reconnect }) => (reconnect ? code : 0));
users.on("something else", (data: unknown) => data);
users.subscribe((now) => now.request("list"));

const tickets = openSocket("/tickets/", {}, { server: "wss://example.com", timeout: 5 });
const ticket: Promise<Ticket> = tickets.request("escalate", { pk: 1, reason: "late" });
ticket.then(({ parent, owner }) => parent?.title ?? owner.last_login);
tickets.request("write", { data: { title: "x", status: "done" } });
tickets.request("move", { seat: 1, side: "left" });
tickets.on("gap", (nothing: null) => nothing);

const lists = openSocket("/lists/");
const live = lists.live("subscribe_list", { shop: 1, query: { search: "a" } }, (rows, diff) => [
  rows?.[0]?.username.trim(),
  diff?.enter.map(([after, row, tag]) => [after, row.username, tag.trim()]),
]);
live.rows.map(({ last_login }) => last_login);
live.stop("unsubscribe_list");
lists.live("watch_active", {}, (rows) => rows?.map(({ seat }) => seat.toFixed()));
lists.on("diff", ({ leave, move }) => [leave.length, move.length]);

const editor = openSocket("/editor/{pk}/", { pk: 1 });
editor.request("save", { seat: 1, side: "right", note: null }).then((moves) => moves[0]?.seat);
editor.send("watch", null);
editor.on("saved", (counts) => counts["a"]?.toFixed());

const table = openSocket("/table/{name}/", { name: "first" });
table.send("MOVE", { seat: 1, side: "left" });
table.send("BET_ALL", { amount: 5 });
table.send("HELLO");
const guests = table.live("GUESTS", { search: "a" }, (rows, diff) => [
  rows?.[0]?.username.trim(),
  diff?.change.map(([row, tag]) => [row.username, tag.trim()]),
]);
guests.rows.map(({ last_login }) => last_login);
guests.stop("STOP_GUESTS");
table.on("GUESTS", (list) => ("rows" in list ? list.rows.length : list.leave.length));
table.on("MOVED", ({ seat, TIMESTAMP }) => [seat + 1, TIMESTAMP]);

const echo = openSocket("/echo/");
echo.send("text");
echo.request(5);
echo.on("message", (frame: string | number) => frame);

const all = openSocket("/all/");
all.send({ stream: "echo", payload: "text" });
all.send({ stream: "tickets", payload: { action: "escalate", pk: 1 } });
all.on("message", ({ stream }) => stream === "echo" || stream === null);
all.on("ready", () => all.close());
const stream = all.stream("tickets");
stream.request("escalate", { pk: 1 }).then(({ title }) => title.trim());
stream.on("update", (user) => user.username.trim());
all.stream("echo").on("message", (frame: string | number) => frame);
echo.request(5).then((answer: string | number) => answer);

ada.then(({ id }) => id.toFixed());
