// What frames both maps: the page's settings, the key or token, the connection's state, and what is told in passing.

import { speak } from "./words.js";

/** @typedef {import("/drover.js").DroverClient} DroverClient */
/** @typedef {import("/drover.js").State} State */
/** @typedef {{tile_url: string|null, tile_attribution: string, stale_s: number, offline_s: number,
 *   track_gap_s: number, center: [number, number], zoom: number,
 *   words: Parameters<typeof speak>[0]}} Settings */

/** @param {string} id @returns {any} the element, which the page is known to have */
export const byId = (id) => document.getElementById(id);

/** @returns {Promise<Settings>} */
export async function loadSettings() {
  const response = await fetch("/assets/settings.json").catch(() => null);
  const given = response?.ok ? await response.json() : {};
  speak(given.words ?? {});
  return {
    tile_url: null, tile_attribution: "", stale_s: 30, offline_s: 120, track_gap_s: 300, center: [20, 0], zoom: 3,
    words: {}, ...given,
  };
}

/** A key or a session's token and what it is for, kept for this tab alone and out of the address bar. */
export class Credential {
  #place;
  token = "";
  /** What the address asks to watch; none is what the token is for. */
  /** @type {string[]} */ subjects = [];
  /** Why there is no token any more: the WebSocket close code; 0 where nothing has ended. */
  ended = 0;

  /** @param {string} place name in `sessionStorage` */
  constructor(place) {
    this.#place = place;
    try {
      const kept = JSON.parse(sessionStorage.getItem(place) ?? "{}");
      this.token = kept.token ?? "";
      this.subjects = kept.subjects ?? [];
      this.ended = kept.ended ?? 0;
    } catch { /* Storage that is barred or spoilt costs typing the key again. */ }
    this.#takeFragment();
    // A second link opened in the same tab changes nothing but the fragment.
    addEventListener("hashchange", () => {
      if (this.#takeFragment()) location.reload();
    });
  }

  /** Whether it came with a link to a customer, who has no key to enter: a session's token or a JWT. */
  get isLink() { return this.token !== "" && !this.token.startsWith("drk_"); }

  /** @param {string} token */
  keep(token) { this.#store(token, 0); }

  // The token is good for nothing any more, and forgotten.
  /** @param {number} code */
  end(code) { this.#store("", code); }

  /** @param {string} token @param {number} ended */
  #store(token, ended) {
    this.token = token;
    this.ended = ended;
    try {
      sessionStorage.setItem(this.#place, JSON.stringify({ token, subjects: this.subjects, ended }));
    } catch { /* Then it lasts as long as the page. */ }
  }

  /** @returns {boolean} whether the address had a key: `#token=…&subjects=driver:a,order:b` */
  #takeFragment() {
    // A plus sign stands for itself: a fragment is not a form.
    const fragment = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
    const token = fragment.get("token");
    if (!token) return false;
    // An area has commas of its own.
    this.subjects = fragment.getAll("subjects").flatMap((list) => list.split(/,(?=[a-z]+:)/)).filter(Boolean);
    this.keep(token);
    // What else it names, such as a driver's day, is no secret and stays.
    for (const taken of ["token", "subjects"]) fragment.delete(taken);
    const rest = String(fragment) === "" ? "" : `#${fragment}`;
    history.replaceState(null, "", location.pathname + location.search + rest);
    return true;
  }
}

// Asks for a key in the page's dialog, and says why, "" where that is plain.
/** @param {string} message @returns {Promise<string>} */
export function askForKey(message) {
  const dialog = byId("key-dialog");
  byId("key-message").textContent = message;
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    dialog.oncancel = (/** @type {Event} */ event) => event.preventDefault();
    byId("key-form").onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      const key = byId("key").value.trim();
      if (!key) return;
      byId("key").value = "";
      dialog.close();
      resolve(key);
    };
  });
}

// What a refusal means to whoever reads the page: an HTTP status or a WebSocket close code.
/** @param {number} [code] @param {string} [reason] */
export function refusalWords(code = 0, reason = "") {
  if (code === 4401 || code === 401) return "This key is not known, or it has expired.";
  if (code === 4403 || code === 403) return "This key may not see this map, or it was revoked.";
  return `The server ended the connection (${code} ${reason}).`;
}

// The connection's sign: colour, shape, and words that a screen reader hears once a change.
/** @param {State|undefined} state @param {string} live what it is called when all is well */
export function showConnection({ name, retryAt = 0 } = { name: "closed" }, live = "Live") {
  const { dataset } = byId("connection");
  if (name === "live") dataset.known = "";
  const first = dataset.known === undefined ? "Connecting" : "Reconnecting";
  const words = { connecting: first, live, waiting: "Reconnecting", closed: "Not connected" }[name];
  const wait = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  dataset.state = name;
  setText(byId("connection-words"), words);
  setText(byId("connection-countdown"), name === "waiting" ? ` · next try in ${wait} s` : "");
}

// Shows a line, and has it read out.
/** @param {string} text "" for none */
export function notice(text) {
  setText(byId("notice"), text);
  byId("notice").hidden = text === "";
  say(text);
}

// Has a screen reader say something once it is silent.
/** @param {string} text */
export const say = (text) => setText(byId("said"), text);

// The same text again would be work for the browser and might be read out again.
/** @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// What browser tests look at.
/** @param {any} map @param {{describe: () => object[]}} drivers @param {() => DroverClient|null} client
 * @param {Record<string, () => unknown>} [more] */
export function exposeToTests(map, drivers, client, more = {}) {
  Object.assign(window, {
    droverTest: {
      markers: () => drivers.describe(),
      state: () => client()?.state.name ?? "closed",
      center: () => [map.getCenter().lat, map.getCenter().lng],
      zoom: () => map.getZoom(),
      day: () => ({}),
      ...more,
    },
  });
}
