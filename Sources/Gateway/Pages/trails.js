// The way that each driver has come lately, as seen from here: behind its marker, fading out with age.

/** @typedef {import("./markers.js").Vans} Vans */
/** @typedef {import("./markers.js").Van} Van */
/**
 * `at` is epoch ms as the device has it.
 * @typedef {{lat: number, lng: number, at: number}} Point
 *
 * `tip` leads from the last point to where the marker is now.
 * @typedef {{points: Point[], bands: any[], tip: any}} Trail
 */

/** How long it is seen, ms, and in how many steps it fades. */
const lasts = 600_000;
const bands = 6;
/** Points are at least so far apart, m and ms, which also bounds their number. */
const nearest = 4;
const soonest = 2_000;
const mostPoints = lasts / soonest;
/** Nobody was seen driving further than this at once, m. */
const longest = 2_000;

export class Trails {
  /** @type {Map<string, Trail>} */ #trails = new Map();
  #frame = 0;

  /** @param {any} map Leaflet's @param {Vans} vans @param {number} gap how long a silence ends a way, ms */
  constructor(map, vans, gap) {
    this.map = map;
    this.vans = vans;
    this.gap = gap;
  }

  // A driver leaves its position for the next one: to be called before that is placed.
  /** @param {Van} van */
  leave({ id, position, drawn }) {
    const { points } = this.#trails.get(id) ?? this.#begin(id);
    const last = points.at(-1);
    // Where the marker was cutting a corner, the way shows it.
    const isClose = this.map.distance(drawn, position) < 30;
    const { lat, lng } = isClose ? drawn : position;
    const at = position.recorded_at;
    if (last && (at - last.at < soonest || this.map.distance(last, position) < nearest)) return;
    points.push({ lat, lng, at });
    if (points.length > mostPoints) points.shift();
  }

  /** @param {string} id */
  remove(id) {
    const trail = this.#trails.get(id);
    this.#trails.delete(id);
    for (const line of trail ? [...trail.bands, trail.tip] : []) line.remove();
  }

  /** Forgets what is too old, beside the driver's newest position, and draws the rest; to be called every second or so. */
  refresh() {
    for (const [id, { points, bands: lines }] of this.#trails) {
      const now = this.vans.get(id)?.position.recorded_at ?? Infinity;
      while (points.length > 0 && now - points[0].at > lasts) points.shift();
      /** @type {Point[][][]} */ const pieces = lines.map(() => []);
      points.forEach((point, index) => {
        const before = points[index - 1];
        if (!before || this.#isBroken(before, point)) return;
        const band = pieces[Math.min(bands - 1, Math.max(0, Math.floor(((now - point.at) / lasts) * bands)))];
        const open = band.at(-1);
        if (open?.at(-1) === before) open.push(point);
        else band.push([before, point]);
      });
      lines.forEach((line, band) => line.setLatLngs(pieces[band]));
      if (!this.vans.get(id)) this.remove(id);
    }
    this.follow();
  }

  // Has the tips follow their markers until all of them have arrived.
  follow() {
    if (this.#frame === 0 && this.#trails.size > 0) this.#frame = requestAnimationFrame(this.#step);
  }

  /** How many points there are, for tests. */
  get size() { return [...this.#trails.values()].reduce((sum, { points }) => sum + points.length, 0); }

  #step = () => {
    this.#frame = 0;
    let isMoving = false;
    for (const [id, { points, tip }] of this.#trails) {
      const van = this.vans.get(id);
      const last = points.at(-1);
      if (!van || !last || this.#isBroken(last, { ...van.drawn, at: van.position.recorded_at })) {
        tip.setLatLngs([]);
        continue;
      }
      tip.setLatLngs([last, van.drawn]);
      isMoving ||= van.drawn.lat !== van.position.lat || van.drawn.lng !== van.position.lng;
    }
    if (isMoving) this.follow();
  };

  // Nobody knows the way from one to the other.
  /** @param {Point} from @param {Point} to */
  #isBroken(from, to) {
    return to.at - from.at > this.gap || Math.abs(to.lng - from.lng) > 180 || this.map.distance(from, to) > longest;
  }

  /** @param {string} id @returns {Trail} */
  #begin(id) {
    const line = (/** @type {string} */ className) => L.polyline([], { className, interactive: false }).addTo(this.map);
    /** @type {Trail} */ const trail = {
      points: [], bands: Array.from({ length: bands }, (_, age) => line(`trail trail-${age}`)), tip: line("trail trail-0"),
    };
    this.#trails.set(id, trail);
    return trail;
  }
}
