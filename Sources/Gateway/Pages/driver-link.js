// A driver's connection to `GET /v1/ingest` (subprotocol drover.ingest.v1, see /asyncapi.yaml): the newest ping first,
// so that the map is right at once, then what waited, oldest first; retried until the server says that it is of no use.

import { Backoff, ServerClock, mayRetry } from "./timing.js";

/** @typedef {import("./driver-queue.js").PingQueue} PingQueue */
/** @typedef {{name: "connecting"|"live"|"waiting"|"closed", retryAt?: number, code?: number, reason?: string}} State */

/** Pings of a backlog in one frame: some 40 KB of the 256 KiB that a frame may have. */
const batchSize = 200;
/** From opening the socket to the answered login; the server waits 5 s for the token. All times in ms. */
const loginTimeout = 15_000;
/** A server that has not acknowledged within this time is out of reach, whatever the socket says. */
const acknowledgementTimeout = 20_000;
/** After a connection that lasted this long the retries start from the shortest pause again. */
const settledAfter = 10_000;

const ownEndpoint = () => new URL("/v1/ingest", location.href).href.replace(/^http/, "ws");

/**
 * Its events, all `CustomEvent`s, are
 * - `state` ({@link State}): the connection changed.
 * - `settled` `{delivered, refused}`: how many pings are durable now, and `{reason, detail}` of each that is refused.
 * - `rate` `{interval_ms}`: how often the server wants to hear from this device.
 */
export class IngestLink extends EventTarget {
  #token;
  #queue;
  #url;
  /** @type {State} */ #state = { name: "closed", reason: "not connected yet" };
  /** @type {WebSocket|null} */ #socket = null;
  #backoff = new Backoff();
  #clock = new ServerClock();
  #liveSince = 0;
  #retryTimer = 0;
  #silenceTimer = 0;
  #isFinishing = false;
  /** The connection's own count of pings: an acknowledgement names it. */
  #sequence = 0;
  /** What was sent and not yet acknowledged, in the order of sending: `seq` to the queue's key. */
  /** @type {Map<number, number>} */ #underway = new Map();
  /** The last ping of the backlog that is under way: one batch at a time, or a new ping would wait behind them all. */
  #backlogEnd = 0;
  /** The newest ping that this connection has sent, by its key. */
  #newestSent = 0;

  /** @param {{token: string, queue: PingQueue, url?: string}} options */
  constructor({ token, queue, url = ownEndpoint() }) {
    super();
    this.#token = token;
    this.#queue = queue;
    this.#url = url;
  }

  // Listens, and is handed the event's detail.
  /** @param {string} type @param {(detail: any) => void} listener */
  on(type, listener) {
    this.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }

  get state() { return this.#state; }

  /** This device's clock minus the server's, ms; 0 until the server has spoken. */
  get clockAhead() { return -this.#clock.offset; }

  /** Opens the connection and keeps it until `close()`, `finish()` or a refusal that a retry cannot mend. */
  connect() {
    this.#isFinishing = false;
    if (this.#state.name !== "closed") return;
    addEventListener("online", this.#wake);
    addEventListener("pageshow", this.#wake);
    addEventListener("offline", this.#rest);
    this.#backoff.reset();
    this.#open();
  }

  /** Says goodbye as soon as nothing waits any more. */
  finish() {
    this.#isFinishing = true;
    if (this.#queue.size === 0) this.close();
  }

  /** Says goodbye now. What waits stays in the queue. */
  close() {
    if (this.#state.name === "closed") return;
    this.#forgetSocket();
    this.#end(1000, "closed by this page");
  }

  // Sends what is to be sent now; to be called when the queue has grown.
  pump() {
    if (this.#state.name !== "live") return;
    const newest = this.#queue.newest();
    if (newest && newest.key > this.#newestSent) {
      this.#newestSent = newest.key;
      this.#send([newest]);
    }
    if (this.#backlogEnd > 0) return;
    const backlog = this.#queue.oldest(batchSize, new Set(this.#underway.values()));
    if (backlog.length === 0) return;
    this.#send(backlog);
    this.#backlogEnd = this.#sequence;
  }

  /** @param {import("./driver-queue.js").Entry[]} entries */
  #send(entries) {
    const pings = entries.map(({ key, ping }) => {
      this.#sequence += 1;
      this.#underway.set(this.#sequence, key);
      return { ...ping, seq: this.#sequence };
    });
    this.#socket?.send(JSON.stringify(pings.length === 1 ? pings[0] : pings));
    if (this.#silenceTimer === 0) this.#listen();
  }

  // Gives the server its time to acknowledge.
  #listen() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = this.#underway.size === 0 ? 0
      : setTimeout(() => this.#abandon("no acknowledgement"), acknowledgementTimeout);
  }

  #open() {
    clearTimeout(this.#retryTimer);
    this.#setState({ name: "connecting" });
    const socket = new WebSocket(this.#url, ["drover.ingest.v1"]);
    this.#socket = socket;
    socket.onopen = () => {
      this.#clock.reset();
      // The token goes in a frame: an address would end in logs.
      socket.send(JSON.stringify({ id: 1, token: this.#token }));
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#dropped(code, reason);
    this.#silenceTimer = setTimeout(() => this.#abandon("no answer from the server"), loginTimeout);
  }

  /** @param {unknown} data */
  #receive(data) {
    let frame;
    try { frame = JSON.parse(String(data)); } catch {
      return this.#abandon("the server sent a frame that is not JSON");
    }
    this.#clock.heard(frame.hello?.now);
    if (frame.id === 1 && "expires_at" in frame) this.#loggedIn();
    if (frame.rate) this.#emit("rate", frame.rate);
    if (typeof frame.ack === "number") this.#acknowledged(frame.ack, frame.rejected ?? []);
  }

  #loggedIn() {
    this.#liveSince = Date.now();
    this.#listen();
    this.#setState({ name: "live" });
    this.pump();
  }

  /** @param {number} through @param {{seq: number, reason: string, detail: string}[]} rejected */
  #acknowledged(through, rejected) {
    const refused = new Map(rejected.map((rejection) => [rejection.seq, rejection]));
    /** @type {{key: number, reason: string|null}[]} */ const verdicts = [];
    for (const [sequence, key] of this.#underway) {
      if (sequence > through) break;
      verdicts.push({ key, reason: refused.get(sequence)?.reason ?? null });
      this.#underway.delete(sequence);
    }
    if (through >= this.#backlogEnd) this.#backlogEnd = 0;
    this.#listen();
    this.#queue.settle(verdicts);
    const delivered = verdicts.filter(({ reason }) => reason === null).length;
    this.#emit("settled", { delivered, refused: rejected });
    if (this.#isFinishing && this.#queue.size === 0) return this.close();
    this.pump();
  }

  // Gives the socket up without waiting for the other side, which may be unreachable.
  /** @param {string} reason */
  #abandon(reason) {
    this.#forgetSocket();
    this.#dropped(1006, reason);
  }

  #forgetSocket() {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  /** @param {number} code the WebSocket close code @param {string} reason */
  #dropped(code, reason) {
    this.#reset();
    if (!mayRetry(code)) return this.#end(code, reason);
    if (this.#state.name === "live" && Date.now() - this.#liveSince >= settledAfter) this.#backoff.reset();
    const delay = this.#backoff.next(code);
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.#setState({ name: "waiting", retryAt: Date.now() + delay, code, reason });
  }

  // What was under way may or may not have arrived: it is sent again, and the server knows a repetition.
  #reset() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = 0;
    this.#socket = null;
    this.#underway.clear();
    this.#sequence = this.#backlogEnd = this.#newestSent = 0;
  }

  /** @param {number} code @param {string} reason */
  #end(code, reason) {
    this.#reset();
    clearTimeout(this.#retryTimer);
    removeEventListener("online", this.#wake);
    removeEventListener("pageshow", this.#wake);
    removeEventListener("offline", this.#rest);
    this.#setState({ name: "closed", code, reason });
  }

  #wake = () => {
    if (this.#state.name === "waiting") this.#open();
  };

  #rest = () => {
    if (this.#socket) this.#abandon("offline");
  };

  /** @param {State} state */
  #setState(state) { this.#emit("state", this.#state = state); }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
