/** Show the state of a connection. Every live page does this. */

const LABELS = {
  connecting: "Connecting …",
  open: "Signing in …",
  ready: "Live",
  waiting: "Connection lost. Reconnecting …",
  closed: "Not connected",
};

/** Show the state of `socket` as the text of `element`, and update it. */
export function showConnection(socket, element) {
  const show = (state) => {
    element.textContent = LABELS[state];
    element.dataset.state = state;
  };
  socket.on("state", show);
  show(socket.state);
}
