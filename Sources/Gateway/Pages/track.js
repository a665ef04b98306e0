// Where somebody was at any time of a day: on the way from ping to ping, and nowhere in between in a silence.

/** @typedef {import("./past.js").Point} Point */

/**
 * `silence`: from when to when nothing was heard, epoch ms, where the time lies within; the place is the last one
 * before. `speed` and `heading` are null where unknown, or not to be told.
 * @typedef {{lat: number, lng: number, speed: number|null, heading: number|null,
 *   silence: {from: number, to: number}|null}} Moment
 */

export class Track {
  /** @type {Point[]} */ points = [];

  /** @param {number} gap how long a silence ends a way, ms */
  constructor(gap) { this.gap = gap; }

  /** The first ping's time and the last one's; 0 where there is none. */
  get from() { return this.points[0]?.at ?? 0; }
  get to() { return this.points.at(-1)?.at ?? 0; }

  // Takes further pings, each later than those before. Their longitudes may go beyond 180 degrees, so that a way across
  // the antimeridian stays in one piece.
  /** @param {Point[]} points @returns {Point[]} them, as they belong on the map */
  add(points) {
    const added = [];
    for (const point of points) {
      const last = this.points.at(-1);
      if (last && point.at <= last.at) continue;
      const turns = last ? Math.round((last.lng - point.lng) / 360) : 0;
      const placed = turns === 0 ? point : { ...point, lng: point.lng + turns * 360 };
      this.points.push(placed);
      added.push(placed);
    }
    return added;
  }

  // Whether there was silence between two pings. Where pings were thinned the last one before may be missing, so the
  // way is broken rather too early than too late.
  /** @param {Point} a @param {Point} b */
  isBroken(a, b) { return b.at - a.at > this.gap; }

  /** @param {number} time epoch ms @returns {Moment|null} null where there is no ping at all */
  at(time) {
    const index = this.#indexAt(time);
    const from = this.points[Math.max(0, index)];
    if (!from) return null;
    const to = this.points[index + 1];
    const { lat, lng, speed, heading } = from;
    if (index < 0 || !to || time === from.at) {
      return { lat, lng, speed, heading: heading ?? course(from, to), silence: null };
    }
    if (this.isBroken(from, to)) {
      return { lat, lng, speed: null, heading: null, silence: { from: from.at, to: to.at } };
    }
    const part = (time - from.at) / (to.at - from.at);
    return {
      lat: lat + (to.lat - lat) * part, lng: lng + (to.lng - lng) * part,
      speed: speed === null || to.speed === null ? speed : speed + (to.speed - speed) * part,
      heading: heading ?? course(from, to), silence: null,
    };
  }

  // The last ping that is not later; -1 where there is none.
  /** @param {number} time */
  #indexAt(time) {
    let [low, high] = [0, this.points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.points[middle].at <= time) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

// The direction from one ping to the next, degrees clockwise from north; null where it hardly moved.
/** @param {Point} from @param {Point|undefined} to */
function course(from, to) {
  if (!to) return null;
  const north = to.lat - from.lat;
  const east = (to.lng - from.lng) * Math.cos(from.lat * Math.PI / 180);
  // A ten-thousandth of a degree is eleven metres: less may be nothing but the receiver's noise.
  if (Math.hypot(north, east) < 1e-4) return null;
  return (Math.atan2(east, north) * 180 / Math.PI + 360) % 360;
}
