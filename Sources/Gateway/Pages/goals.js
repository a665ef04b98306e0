// Where the orders go, and when they will be there: the newest word on each, with a flag on the map for each place.

import { Forecast } from "./forecast.js";

/** @typedef {import("/drover.js").Arrival} Arrival */
/** @typedef {import("/drover.js").SubjectEvent} SubjectEvent */

export class Goals {
  /** By driver and order. */
  /** @type {Map<string, {arrival: Arrival, forecast: Forecast}>} */ #known = new Map();
  /** By place: two orders of one house have one flag. */
  /** @type {Map<string, any>} */ #flags = new Map();
  /** When each order was found to be there, epoch ms. */
  /** @type {Map<string, number>} */ #arrivedAt = new Map();

  /** @param {any} map Leaflet's */
  constructor(map) { this.map = map; }

  /** @param {Arrival[]} arrivals @param {number} now on the server's clock, epoch ms */
  take(arrivals, now) {
    for (const arrival of arrivals) {
      const key = `${arrival.driver_id} ${arrival.subject}`;
      const known = this.#known.get(key);
      if (known) known.arrival = arrival;
      else this.#known.set(key, { arrival, forecast: new Forecast() });
      if (arrival.stage === "arrived" && !this.#arrivedAt.has(arrival.subject)) this.#arrivedAt.set(arrival.subject, now);
    }
    this.#plant();
  }

  // An event may come before the arrival that goes with it.
  /** @param {SubjectEvent} event */
  hear({ type, subject, at }) {
    if (type === "arrived") this.#arrivedAt.set(subject, at);
    // Somebody else carries it now, or again.
    if (type === "assigned") this.#arrivedAt.delete(subject);
    const stages = ["departed", "arriving_soon", "arriving", "arrived"];
    for (const known of this.#known.values()) {
      if (known.arrival.subject !== subject) continue;
      const reached = stages.indexOf(type);
      if (reached > stages.indexOf(known.arrival.stage)) {
        known.arrival = { ...known.arrival, stage: /** @type {Arrival["stage"]} */ (type) };
      }
    }
  }

  // The driver is not on the way with the order any more.
  /** @param {string} driver @param {string} subject */
  leave(driver, subject) {
    this.#known.delete(`${driver} ${subject}`);
    this.#plant();
  }

  clear() {
    this.#known.clear();
    this.#plant();
  }

  /** When the order was found to be there, epoch ms; undefined where it was not. */
  /** @param {string} subject */
  arrivedAt(subject) { return this.#arrivedAt.get(subject); }

  // The next of a driver's orders to arrive; null where nothing is known.
  /** @param {string} driver */
  nextOf(driver) {
    const own = [...this.#known.values()].filter(({ arrival }) => arrival.driver_id === driver);
    return own.sort((a, b) => a.arrival.arrives_at - b.arrival.arrives_at)[0] ?? null;
  }

  /** @returns {{lat: number, lng: number}[]} */
  get places() { return [...this.#flags.values()].map((flag) => flag.getLatLng()); }

  #plant() {
    const wanted = new Map([...this.#known.values()].map(({ arrival }) => [`${arrival.lat} ${arrival.lng}`, arrival]));
    for (const [place, flag] of this.#flags) {
      if (wanted.has(place)) continue;
      flag.remove();
      this.#flags.delete(place);
    }
    for (const [place, { lat, lng }] of wanted) {
      if (this.#flags.has(place)) continue;
      const icon = L.divIcon({ className: "goal", html: flagShape(), iconSize: [32, 40], iconAnchor: [16, 39] });
      const flag = L.marker([lat, lng], { icon, keyboard: false, interactive: false, alt: "Destination", zIndexOffset: -500 });
      this.#flags.set(place, flag.addTo(this.map));
    }
  }
}

// A pin whose tip is the place.
function flagShape() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 32 40");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Destination");
  for (const [name, path] of [
    ["pin", "M16 39C16 39 29 24.5 29 15A13 13 0 1 0 3 15C3 24.5 16 39 16 39z"],
    ["house", "M9.5 15.5 16 9.5l6.5 6v6.5h-4.5v-4.5h-4v4.5h-4.5z"],
  ]) {
    const part = document.createElementNS(svg.namespaceURI ?? "", "path");
    part.setAttribute("class", name);
    part.setAttribute("d", path);
    svg.append(part);
  }
  return svg;
}
