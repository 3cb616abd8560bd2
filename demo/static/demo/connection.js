/** What every live page shows of its connection. */

const WORDS = {
  connecting: "Connecting …",
  open: "Signing in …",
  ready: "Live",
  waiting: "Connection lost, trying again …",
  closed: "Not connected",
};

/** Keep `element` saying how the connection of `socket` is. */
export function showConnection(socket, element) {
  const show = (state) => {
    element.textContent = WORDS[state];
    element.dataset.state = state;
  };
  socket.on("state", show);
  show(socket.state);
}
