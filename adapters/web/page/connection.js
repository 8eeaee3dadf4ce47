// The live line to the workspace. It reconnects for ever with growing pauses; after each `hello` and after a gap in
// the event numbers the page reloads what it shows, so a lost event never stays lost.

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 15_000;
const SILENCE_MS = 8_000;

export class Connection {
  /** `onEvent(event)`, `onFresh()` when everything shown must be reloaded, `onState("connecting"|"open"|"lost")`. */
  constructor({ onEvent, onFresh, onState }) {
    Object.assign(this, { onEvent, onFresh, onState });
    this.failures = 0;
    this.socket = null;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => !document.hidden && this.hurry());
  }

  open(person) {
    this.close();
    this.person = person;
    this.failures = 0;
    this.#connect();
  }

  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** Somebody is looking, or the network is back: do not sit out the pause. */
  hurry() {
    if (this.person && !this.socket) {
      clearTimeout(this.timer);
      this.#connect();
    }
  }

  #connect() {
    this.onState("connecting");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws?person=${encodeURIComponent(this.person)}`);
    this.socket = socket;
    this.last = null;
    const impatience = setTimeout(() => socket.close(), SILENCE_MS);
    socket.addEventListener(
      "message",
      ({ data }) => socket === this.socket && this.#receive(JSON.parse(data), impatience),
    );
    socket.addEventListener("close", () => {
      clearTimeout(impatience);
      if (socket === this.socket) this.#lost();
    });
  }

  #receive(event, impatience) {
    const gap = this.last !== null && typeof event.n === "number" && event.n !== this.last + 1;
    this.last = typeof event.n === "number" ? event.n : this.last;
    if (event.type === "hello") {
      clearTimeout(impatience);
      this.failures = 0;
      this.onState("open");
      this.onFresh();
      return;
    }
    if (gap) this.onFresh();
    this.onEvent(event);
  }

  #lost() {
    this.socket = null;
    this.onState("lost");
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures);
    this.failures += 1;
    // Half of the pause is random, so that many tabs do not come back in the same instant.
    this.timer = setTimeout(() => this.#connect(), pause * (0.5 + Math.random() / 2));
  }
}
