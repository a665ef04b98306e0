// Where the browser says this device is, as often as the server wants to know, and what keeps the browser awake for it.

/** @typedef {import("./driver-queue.js").Ping} Ping */

/** How often at first, until the server says; ms. */
const firstInterval = 1_000;
/** Who stands still is told by no new fix, so one is asked for: a driver is called stale after 30 s by default. */
const restInterval = 20_000;
/** How long a search for the position may take before it is said, ms. */
const fixTimeout = 15_000;
/** A fix may come this much before its time is due: the platform's clock ticks are not ours. */
const slack = 0.1;

/**
 * Its events, all `CustomEvent`s, are
 * - `seen` ({@link Ping}): a fix, for the page to show.
 * - `fix` ({@link Ping}): one that is due to be reported.
 * - `problem`: `problem` changed.
 */
export class Fixes extends EventTarget {
  /** Wanted from report to report, ms. */
  interval = firstInterval;
  /** Why there is no fix. */
  /** @type {"denied"|"unavailable"|null} */ problem = null;
  /** @type {number|null} */ #watch = null;
  #timer = 0;
  #session = "";
  #battery;
  /** @type {Ping|null} */ #latest = null;
  /** The time of the newest fix that was reported, and when that was. */
  #reportedAt = 0;
  #reportedOn = 0;
  #askedAt = 0;

  /** @param {() => number|undefined} battery tells the charge in [0, 1] */
  constructor(battery) {
    super();
    this.#battery = battery;
    // Whoever allows it in the browser's settings need not press the button again.
    navigator.permissions?.query({ name: "geolocation" }).then((permission) => {
      permission.onchange = () => {
        if (this.isOn && permission.state === "granted") this.#restart();
      };
    }).catch(() => {});
  }

  // Listens, and is handed the event's detail.
  /** @param {string} type @param {(detail: any) => void} listener */
  on(type, listener) {
    this.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }

  get isOn() { return this.#timer !== 0; }

  /** The newest fix of this start. */
  get latest() { return this.#latest; }

  start() {
    if (this.isOn) return;
    this.#session = crypto.randomUUID();
    this.#latest = null;
    this.#reportedAt = this.#reportedOn = 0;
    this.#askedAt = Date.now();
    this.#timer = setInterval(() => this.#everySecond(), 1_000);
    this.#restart();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#clearWatch();
    this.#latest = null;
    this.#setProblem(null);
  }

  #restart() {
    this.#clearWatch();
    this.#watch = navigator.geolocation.watchPosition(
      this.#take, this.#failed, { enableHighAccuracy: true, maximumAge: 0, timeout: fixTimeout });
  }

  #clearWatch() {
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch);
    this.#watch = null;
  }

  #take = (/** @type {GeolocationPosition} */ { coords, timestamp }) => {
    if (!this.isOn) return;
    this.#setProblem(null);
    const ping = pingOf(coords, timestamp, this.#battery(), this.#session);
    // A repetition, or one that a cache had.
    if (this.#latest && ping.recorded_at <= this.#latest.recorded_at) return;
    this.#latest = ping;
    this.#emit("seen", ping);
    this.#reportIfDue();
  };

  #reportIfDue() {
    const ping = this.#latest;
    const wait = this.#reportedOn + this.interval * (1 - slack) - Date.now();
    // A clock that was set back must not silence the page.
    if (!ping || ping.recorded_at <= this.#reportedAt || (wait > 0 && wait < this.interval)) return;
    this.#reportedAt = ping.recorded_at;
    this.#reportedOn = Date.now();
    this.#emit("fix", ping);
  }

  #failed = (/** @type {GeolocationPositionError} */ { code, PERMISSION_DENIED }) => {
    this.#setProblem(code === PERMISSION_DENIED ? "denied" : "unavailable");
  };

  #everySecond() {
    // The last fix before a stop, which came too soon after the one before.
    this.#reportIfDue();
    const now = Date.now();
    const last = Math.max(this.#latest?.recorded_at ?? 0, this.#askedAt);
    if (this.problem === "denied" || now - last < Math.max(restInterval, this.interval)) return;
    this.#askedAt = now;
    navigator.geolocation.getCurrentPosition(
      this.#take, this.#failed, { enableHighAccuracy: true, maximumAge: 0, timeout: fixTimeout });
  }

  /** @param {Fixes["problem"]} problem */
  #setProblem(problem) {
    if (this.problem === problem) return;
    this.problem = problem;
    this.#emit("problem", problem);
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}

/** @param {GeolocationCoordinates} coords @param {number} timestamp @param {number|undefined} battery
 * @param {string} session @returns {Ping} */
function pingOf(coords, timestamp, battery, session) {
  const known = (/** @type {number|null} */ value) => (value === null || Number.isNaN(value) ? undefined : value);
  return {
    recorded_at: Math.round(timestamp), lat: coords.latitude, lng: coords.longitude, accuracy: coords.accuracy,
    altitude: known(coords.altitude), speed: known(coords.speed), heading: known(coords.heading), battery,
    session_id: session,
  };
}

/** Keeps the screen on while it is wanted: a phone that sleeps stops the page. */
export class Awake {
  /** @type {any} a `WakeLockSentinel` */ #lock = null;
  #isWanted = false;
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    // The browser lets the screen go whenever the page is hidden.
    document.addEventListener("visibilitychange", () => { this.#renew(); });
  }

  get isOn() { return this.#lock !== null; }

  /** @param {boolean} on */
  want(on) {
    this.#isWanted = on;
    if (on) this.#renew();
    else this.#lock?.release().catch(() => {});
  }

  async #renew() {
    if (!this.#isWanted || this.#lock || document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
    try {
      const lock = await /** @type {any} */ (navigator).wakeLock.request("screen");
      lock.onrelease = () => {
        this.#lock = null;
        this.#onChange();
      };
      this.#lock = lock;
      if (!this.#isWanted) await lock.release();
    } catch { /* A nearly empty battery, say: the page tells that the screen may go dark. */ }
    this.#onChange();
  }
}

// The charge in [0, 1], where the browser tells it.
/** @returns {Promise<() => number|undefined>} */
export async function batteryMeter() {
  /** @type {{level: number}|undefined} */
  const battery = await /** @type {any} */ (navigator).getBattery?.().catch(() => undefined);
  return () => battery?.level;
}
