// Who is known to the dispatcher's page, and how they are: no drawing, no elements. The map and the list both read it.

import { Glide } from "/drover.js";

/** @typedef {import("/drover.js").Position} Position */
/** @typedef {import("/drover.js").Status} Status */
/** @typedef {Status["state"]} State */

/**
 * `position` is the newest ping, `glide` the way there. `status` is what the server has said since. `trail` is where
 * the driver was before, latitudes and longitudes in turns, the oldest first. `x`, `y` and `heading` are of the last
 * frame that the map has drawn, px of the map's element and degrees, and so is `painted`; `cluster` is what it is drawn
 * as part of.
 * @typedef {{id: string, position: Position, glide: Glide, state: State, status: Status|null, trail: number[],
 *   trailedAt: number, x: number, y: number, heading: number|null, isInView: boolean, painted: State,
 *   cluster: import("./fleet-clusters.js").Cluster|null}} Driver
 */

/** A trail has at most so many places, this far apart in time, ms: ten minutes of thousands of drivers are little. */
const trailLength = 60;
const trailStep = 10_000;
const severity = { live: 0, stale: 1, offline: 2 };
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class FleetDrivers {
  /** @type {Map<string, Driver>} */ #drivers = new Map();
  // What was said of drivers that have no position yet.
  /** @type {Map<string, Status>} */ #awaited = new Map();
  /** Counts on whenever somebody comes or goes. */
  changes = 0;

  /**
   * @param {{stale_s: number, offline_s: number, track_gap_s: number}} limits
   * @param {() => number} serverNow epoch ms
   * @param {number} most drivers there may be
   */
  constructor(limits, serverNow, most) {
    this.limits = limits;
    this.serverNow = serverNow;
    this.most = most;
    /** Somebody was left out, since there are too many. */
    this.isTruncated = false;
    stillness.addEventListener("change", () => {
      for (const { glide } of this.all()) glide.still = stillness.matches;
    });
  }

  get size() { return this.#drivers.size; }

  all() { return this.#drivers.values(); }

  /** @param {string} id */
  get(id) { return this.#drivers.get(id); }

  // Takes a position and says whether it was news: one that is not newer changes nothing.
  /** @param {Position} position */
  place(position) {
    const now = performance.now();
    const driver = this.#drivers.get(position.driver_id);
    if (!driver) return this.#add(position, now);
    if (position.recorded_at <= driver.position.recorded_at) {
      // The same again says through what else the driver is seen.
      if (position.recorded_at === driver.position.recorded_at && position.subjects) {
        const subjects = new Set([...driver.position.subjects ?? [], ...position.subjects]);
        driver.position = { ...driver.position, subjects: [...subjects] };
      }
      return false;
    }
    this.#remember(driver);
    driver.glide.move(position, now);
    driver.position = position;
    // Unless it was said of this very position.
    if ((driver.status?.last_recorded_at ?? 0) < position.recorded_at) driver.status = null;
    this.refresh(driver);
    return true;
  }

  /** @param {Status} status */
  report(status) {
    const driver = this.#drivers.get(status.driver_id);
    // Who joins is introduced by a status, which the position follows.
    if (!driver) {
      if (this.#awaited.size < this.most) this.#awaited.set(status.driver_id, status);
      return;
    }
    driver.status = status;
    this.refresh(driver);
  }

  /** @param {string} id */
  remove(id) {
    this.#awaited.delete(id);
    if (this.#drivers.delete(id)) this.changes += 1;
  }

  clear() {
    this.#awaited.clear();
    this.#drivers.clear();
    this.isTruncated = false;
    this.changes += 1;
  }

  // Brings a driver's state up to the clock; to be called every second or so.
  /** @param {Driver} driver */
  refresh(driver) {
    const age = this.ageOf(driver);
    const { stale_s, offline_s } = this.limits;
    /** @type {State} */
    let state = age >= offline_s * 1000 ? "offline" : age >= stale_s * 1000 ? "stale" : "live";
    // The server may know more: that the device hung up.
    if (driver.status && severity[driver.status.state] > severity[state]) state = driver.status.state;
    driver.state = state;
  }

  // How long ago the newest fix was, ms, on the server's clock.
  /** @param {Driver} driver */
  ageOf(driver) { return Math.max(0, this.serverNow() - driver.position.recorded_at); }

  /** @param {Position} position @param {number} now */
  #add(position, now) {
    if (this.#drivers.size >= this.most) {
      this.isTruncated = true;
      return false;
    }
    const id = position.driver_id;
    const glide = new Glide(position, now);
    glide.still = stillness.matches;
    /** @type {Driver} */
    const driver = {
      id, position, glide, state: "live", status: this.#awaited.get(id) ?? null, trail: [], trailedAt: 0, x: 0, y: 0,
      heading: position.heading ?? null, isInView: false, painted: "live", cluster: null,
    };
    this.#awaited.delete(id);
    this.#drivers.set(id, driver);
    this.changes += 1;
    this.refresh(driver);
    return true;
  }

  // Adds the place that is being left to the trail, which a long silence ends.
  /** @param {Driver} driver */
  #remember(driver) {
    const { lat, lng, recorded_at } = driver.position;
    if (recorded_at - driver.trailedAt < trailStep) return;
    if (recorded_at - driver.trailedAt > this.limits.track_gap_s * 1000) driver.trail.length = 0;
    driver.trailedAt = recorded_at;
    driver.trail.push(lat, lng);
    if (driver.trail.length > trailLength * 2) driver.trail.splice(0, 2);
  }
}
