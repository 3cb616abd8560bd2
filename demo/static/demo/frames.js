/** Tell the page around this one of each WebSocket frame. Load it before a client is created. */

const tell = (isSent, text) => parent.postMessage({ isSent, text }, location.origin);

globalThis.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", ({ data }) => tell(false, data));
  }

  send(data) {
    tell(true, data);
    super.send(data);
  }
};
