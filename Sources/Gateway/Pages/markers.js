// The drivers on the customer's map: a disc each that glides from ping to ping, turns with the heading, and says by
// colour and shape whether it is live, stale or offline (the style sheet says how).

import { Glide } from "/drover.js";
import { setText } from "./page.js";
import { ageWords } from "./words.js";

/** @typedef {import("/drover.js").Position} Position */
/** @typedef {import("/drover.js").Status} Status */

/** With more drivers none shows its name. */
const crowd = 60;
const severity = { live: 0, stale: 1, offline: 2 };

/**
 * `position` is the newest ping, `drawn` where the marker is on its `glide` there. `status` is what the server has said
 * since. `turn` goes beyond a circle, so that each turn takes the short way.
 * @typedef {{id: string, position: Position, drawn: {lat: number, lng: number}, state: Status["state"],
 *   glide: Glide, status: Status|null, turn: number, marker: any, circle: any, element: HTMLElement,
 *   label: HTMLElement}} Van
 */

export class Vans {
  /** @type {Map<string, Van>} */ #vans = new Map();
  // What was said of drivers that have no position yet.
  /** @type {Map<string, Status>} */ #awaited = new Map();
  /** @type {Set<Van>} */ #gliding = new Set();
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #zooming = false;
  #frame = 0;

  /**
   * @param {any} map Leaflet's
   * @param {{stale_s: number, offline_s: number}} limits
   * @param {() => number} serverNow epoch ms
   * @param {(van: Van) => void} onPick
   * @param {(id: string) => string} nameOf what a driver is called here
   */
  constructor(map, limits, serverNow, onPick, nameOf = (id) => id) {
    this.map = map;
    this.limits = limits;
    this.serverNow = serverNow;
    this.onPick = onPick;
    this.nameOf = nameOf;
    // Leaflet animates a zoom itself; a marker moved meanwhile would jump.
    map.on("zoomstart", () => { this.#zooming = true; });
    map.on("zoomend", () => {
      this.#zooming = false;
      this.arrangeNames();
    });
  }

  get all() { return [...this.#vans.values()]; }

  /** How many drivers are known without a position. */
  get awaited() { return this.#awaited.size; }

  /** @param {string} id */
  get(id) { return this.#vans.get(id); }

  // Takes a position and says whether it was news: one that is not newer changes nothing.
  /** @param {Position} position */
  place(position) {
    const van = this.#vans.get(position.driver_id) ?? this.#add(position);
    if (van.position !== position) {
      if (position.recorded_at <= van.position.recorded_at) return false;
      this.#move(van, position);
    }
    if (typeof position.heading === "number") {
      van.turn += ((position.heading - van.turn) % 360 + 540) % 360 - 180;
    }
    showHeading(van.element, van);
    this.#showCircle(van);
    this.refresh(van);
    return true;
  }

  /** @param {Status} status */
  report(status) {
    const van = this.#vans.get(status.driver_id);
    // Who joins is introduced by a status, which the position follows.
    if (!van) return void this.#awaited.set(status.driver_id, status);
    van.status = status;
    this.refresh(van);
  }

  /** @param {string} id */
  remove(id) {
    this.#awaited.delete(id);
    const van = this.#vans.get(id);
    if (!van) return;
    this.#vans.delete(id);
    this.#gliding.delete(van);
    van.marker.remove();
    van.circle?.remove();
  }

  // Brings a driver's state up to the clock; to be called every second or so.
  /** @param {Van} van */
  refresh(van) {
    const age = this.ageOf(van);
    const { stale_s, offline_s } = this.limits;
    /** @type {Status["state"]} */
    let state = age >= offline_s * 1000 ? "offline" : age >= stale_s * 1000 ? "stale" : "live";
    // The server may know more: that the device hung up.
    if (van.status && severity[van.status.state] > severity[state]) state = van.status.state;
    if (van.element.dataset.state !== state) {
      van.element.dataset.state = state;
      van.state = state;
      van.circle?.getElement()?.classList.toggle("old", state !== "live");
    }
    const name = this.nameOf(van.id);
    setText(van.label, state === "live" ? name : `${name} · ${ageWords(age)}`);
  }

  // Shows the names that have room beside every disc and the names before them: first those that show already, lest
  // they flicker.
  arrangeNames() {
    if (this.#zooming || this.#vans.size > crowd) return;
    const rank = (/** @type {Van} */ { element }) => (element.classList.contains("nameless") ? 1 : 0);
    // Everything is measured before anything is changed, which costs one layout.
    const placed = this.all.sort((a, b) => rank(a) - rank(b)).map((van) => {
      const { x, y } = this.map.latLngToContainerPoint(van.drawn);
      const half = van.label.offsetWidth / 2 + 2;
      return {
        van, disc: { left: x - 13, right: x + 13, top: y - 13, bottom: y + 13 },
        name: { left: x - half, right: x + half, top: y + 15, bottom: y + 36 },
      };
    });
    /** @type {Box[]} */
    const names = [];
    for (const { van, name } of placed) {
      const hasRoom = !names.some((other) => overlap(name, other))
        && !placed.some((other) => other.van !== van && overlap(name, other.disc));
      if (hasRoom) names.push(name);
      van.element.classList.toggle("nameless", !hasRoom);
    }
  }

  // How long ago the newest fix was, ms, on the server's clock.
  /** @param {Van} van */
  ageOf(van) { return Math.max(0, this.serverNow() - van.position.recorded_at); }

  /** What browser tests see. */
  describe() {
    return this.all.map(({ id, position, drawn, state }) => ({
      driver_id: id, lat: drawn.lat, lng: drawn.lng, targetLat: position.lat, targetLng: position.lng, state,
      heading: position.heading ?? null, speed: position.speed ?? null,
    }));
  }

  /** @param {Position} position @returns {Van} */
  #add(position) {
    const element = document.createElement("div");
    element.className = "van";
    element.dataset.driver = position.driver_id;
    const label = document.createElement("span");
    label.className = "van-label";
    element.append(vanShape(), label);
    const icon = L.divIcon({ className: "van-icon", html: element, iconSize: [36, 36] });
    const marker = L.marker([position.lat, position.lng], { icon, riseOnHover: true }).addTo(this.map);
    /** @type {Van} */
    const van = {
      id: position.driver_id, position, drawn: { lat: position.lat, lng: position.lng },
      glide: new Glide(position, performance.now()), state: "live", turn: 0, marker, circle: null, element, label,
      status: this.#awaited.get(position.driver_id) ?? null,
    };
    this.#awaited.delete(van.id);
    marker.on("click", () => this.onPick(van));
    this.#vans.set(van.id, van);
    return van;
  }

  /** @param {Van} van @param {Position} position */
  #move(van, position) {
    van.glide.still = this.#still.matches;
    van.glide.move(position, performance.now());
    van.position = position;
    // Unless it was said of this very position.
    if ((van.status?.last_recorded_at ?? 0) < position.recorded_at) van.status = null;
    this.#gliding.add(van);
    if (this.#frame === 0) this.#frame = requestAnimationFrame(this.#step);
  }

  // One frame of every glide.
  /** @param {number} now when the frame began, as `performance.now()` */
  #step = (now) => {
    for (const van of this.#zooming ? [] : this.#gliding) {
      const { lat, lng, moving } = van.glide.at(now);
      van.drawn = { lat, lng };
      if (!moving) this.#gliding.delete(van);
      van.marker.setLatLng(van.drawn);
      van.circle?.setLatLng(van.drawn);
    }
    this.#frame = this.#gliding.size > 0 ? requestAnimationFrame(this.#step) : 0;
  };

  /** @param {Van} van */
  #showCircle(van) {
    const { accuracy } = van.position;
    if (!accuracy || this.#vans.size > 5) {
      van.circle?.remove();
      van.circle = null;
    } else if (van.circle) {
      van.circle.setRadius(accuracy);
    } else {
      const className = van.state === "live" ? "accuracy" : "accuracy old";
      van.circle = L.circle(van.drawn, { radius: accuracy, className, interactive: false }).addTo(this.map);
    }
  }
}

/** @typedef {{left: number, right: number, top: number, bottom: number}} Box px */
/** @param {Box} a @param {Box} b */
export const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

// An arrow where the heading is known.
/** @param {HTMLElement} element @param {{position: {heading?: number}, turn: number}} van */
export function showHeading(element, { position, turn }) {
  element.classList.toggle("headed", typeof position.heading === "number");
  element.style.setProperty("--turn", `${turn}deg`);
}

/** The drawing of a driver; which of its parts show is up to the style sheet. */
export function vanShape() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-18 -18 36 36");
  svg.setAttribute("aria-hidden", "true");
  for (const [name, path] of Object.entries(shapes)) {
    const part = document.createElementNS(svg.namespaceURI ?? "", "path");
    part.setAttribute("class", name);
    part.setAttribute("d", path);
    svg.append(part);
  }
  return svg;
}

const shapes = {
  disc: "M-13 0a13 13 0 1 1 26 0a13 13 0 1 1-26 0",
  square: "M-11-11h22v22h-22z",
  dot: "M-4 0a4 4 0 1 1 8 0a4 4 0 1 1-8 0",
  arrow: "M0-9 6.5 7 0 3.5-6.5 7z",
  cross: "M-5-5 5 5M5-5-5 5",
};
