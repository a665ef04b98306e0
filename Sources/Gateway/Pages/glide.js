// Where to draw a driver between two positions: on a straight way from one to the next, at even speed, never beyond the
// newest. Knows nothing of any map: a page asks at each frame where the driver is.

/** A glide takes as long as the positions are apart, within these bounds, ms, and a little longer: they may be late. */
const shortestGlide = 100;
const longestGlide = 5_000;
const glideSlack = 1.1;
/** How long a turn takes, ms. */
const turnTime = 300;
/** Positions of one frame are handed over within this, ms. */
const sameFrame = 5;
/** Nobody is seen driving this far at once, m: after a silence the driver is simply there. */
const longestJump = 2_000;
const metresPerDegree = 111_195;

/**
 * A driver's way across the screen. `now` is any clock in ms that only goes forward: `performance.now()`, or what
 * `requestAnimationFrame` gives.
 *
 * @example
 * const glide = new Glide(position, performance.now());
 * client.on("positions", ({ positions }) => positions.forEach((each) => glide.move(each, performance.now())));
 * const draw = (now) => { marker.setLatLng(glide.at(now)); requestAnimationFrame(draw); };
 */
export class Glide {
  #to;
  #from;
  /** Since when it is under way, and for how long. */
  #since;
  #lasts = 0;
  /** Degrees beyond a circle, so that each turn takes the short way; null where unknown. */
  /** @type {number|null} */ #turn;
  /** @type {number|null} */ #turnFrom;
  /** Between positions, as observed, ms; 0: only one yet. */
  #interval = 0;

  /** Whoever wants no motion on the screen sees drivers jump from place to place. */
  still = false;

  // Stands at its first position; `recorded_at` is epoch ms.
  /** @param {{lat: number, lng: number, recorded_at: number, heading?: number}} position @param {number} now ms */
  constructor({ lat, lng, recorded_at, heading }, now) {
    this.#to = { lat, lng, recorded_at };
    this.#from = { lat, lng };
    this.#since = now;
    this.#turn = this.#turnFrom = heading ?? null;
  }

  // Sets out for the next position, and says whether it was one: an older one, or the same again, changes nothing.
  /** @param {{lat: number, lng: number, recorded_at: number, heading?: number}} position @param {number} now ms */
  move({ lat, lng, recorded_at, heading }, now) {
    if (recorded_at <= this.#to.recorded_at) return false;
    const { lat: north, lng: east, heading: faced } = this.at(now);
    // A burst is shown as fast as it comes, a late position as slowly as it was made. What was missed comes all at once
    // and says nothing of how fast the next will come.
    const passed = now - this.#since;
    const gap = Math.min(passed, recorded_at - this.#to.recorded_at);
    if (passed > sameFrame) this.#interval = this.#interval === 0 ? gap : (this.#interval + gap) / 2;
    // Across the antimeridian a glide would cross the whole map.
    const isNear = Math.abs(lng - east) < 180 && metres(north, east, lat, lng) <= longestJump;
    this.#lasts = isNear && !this.still
      ? Math.min(longestGlide, Math.max(shortestGlide, this.#interval * glideSlack)) : 0;
    this.#from = { lat: north, lng: east };
    this.#to = { lat, lng, recorded_at };
    this.#since = now;
    this.#turnFrom = faced ?? heading ?? null;
    this.#turn = heading === undefined || this.#turnFrom === null
      ? null : this.#turnFrom + ((heading - this.#turnFrom) % 360 + 540) % 360 - 180;
    return true;
  }

  // Where the driver is to be drawn; `heading` is null where unknown, `moving` false once it has arrived.
  /** @param {number} now ms @returns {{lat: number, lng: number, heading: number|null, moving: boolean}} */
  at(now) {
    const passed = Math.max(0, now - this.#since);
    const lasts = this.still ? 0 : this.#lasts;
    const heading = this.#headingAfter(passed);
    const isTurning = heading !== null && this.#turn !== this.#turnFrom && passed < this.#turnTime;
    if (passed >= lasts) return { lat: this.#to.lat, lng: this.#to.lng, heading, moving: isTurning };
    const part = passed / lasts;
    const { lat, lng } = this.#from;
    return {
      lat: lat + (this.#to.lat - lat) * part, lng: lng + (this.#to.lng - lng) * part, heading, moving: true,
    };
  }

  get #turnTime() { return this.still || this.#lasts === 0 ? 0 : turnTime; }

  /** @param {number} passed ms @returns {number|null} */
  #headingAfter(passed) {
    if (this.#turn === null || this.#turnFrom === null) return null;
    const part = passed < this.#turnTime ? passed / this.#turnTime : 1;
    return ((this.#turnFrom + (this.#turn - this.#turnFrom) * part) % 360 + 360) % 360;
  }
}

// A distance that is right enough to tell a drive from a jump.
/** @param {number} lat @param {number} lng @param {number} toLat @param {number} toLng degrees */
const metres = (lat, lng, toLat, toLng) => metresPerDegree
  * Math.hypot(toLat - lat, (toLng - lng) * Math.cos(lat * Math.PI / 180));
