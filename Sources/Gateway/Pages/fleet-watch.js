// What the dispatcher's page asks the gateway for: the groups that are chosen, else what the key is limited to, else the
// box that is in view or the area that was drawn.

/** @typedef {import("/drover.js").DroverClient} DroverClient */

/** How long the map has to lie still before another box is asked for, ms. */
const settleTime = 300;
/** What is watched reaches beyond the view by this part of it on each side, and may do so by this much. */
const margin = 0.25;
const mostMargin = 1.5;
const world = "area:-90,-180,90,180";

export class Watching {
  /** @type {DroverClient|null} */ #client = null;
  /** What is watched by name where no group is chosen; none is by box. */
  /** @type {string[]} */ #named = [];
  /** @type {string[]} */ #groups = [];
  /** @type {string[]} */ #current = [];
  /** What the box spans; null is the world. */
  /** @type {any} */ #bounds = null;
  #timer = 0;
  /** The map has not been looked at yet: everybody is asked for, wherever they are. */
  isEverywhere = true;

  /** @param {any} map Leaflet's @param {import("./fleet-area.js").AreaFilter} area
   * @param {() => void} onSettled what is asked for has changed, and was answered */
  constructor(map, area, onSettled) {
    this.map = map;
    this.area = area;
    this.onSettled = onSettled;
    // Following moves the map all the time.
    map.on("moveend", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.look(), settleTime);
    });
  }

  /** Whether it is places that are watched, not names. */
  get isByBox() { return this.#groups.length === 0 && this.#named.length === 0; }

  /** What is watched. */
  get subjects() { return this.#current; }

  // Begins; resolves once the gateway has answered.
  /** @param {DroverClient} client @param {string[]} named what is watched by name; none is by place */
  begin(client, named) {
    this.#client = client;
    this.#named = named;
    return this.#watch(named.length > 0 ? named : [world]);
  }

  end() {
    clearTimeout(this.#timer);
    this.#client = null;
    this.#named = this.#groups = this.#current = [];
    this.#bounds = null;
    this.isEverywhere = true;
  }

  // Watches these groups, or what it would else where there are none.
  /** @param {string[]} ids */
  choose(ids) {
    this.#groups = ids.map((id) => `group:${id}`);
    return this.look();
  }

  /** Watches another box where the one that is watched does not fit the view any more. */
  async look() {
    if (!this.#client) return;
    if (!this.isByBox) return this.#watch(this.#groups.length > 0 ? this.#groups : this.#named);
    if (this.area.bounds) return this.#watch([this.area.subject]);
    if (this.isEverywhere) return this.#watch([world]);
    const view = this.map.getBounds();
    const isBox = this.#current.length === 1 && this.#current[0] === this.#bounds?.subject;
    if (isBox && this.#bounds.box.contains(view) && view.pad(mostMargin).contains(this.#bounds.box)) return;
    const box = view.pad(margin);
    this.#bounds = { box, subject: subjectOf(box) };
    return this.#watch([this.#bounds.subject]);
  }

  /** @param {string[]} next */
  async #watch(next) {
    const client = this.#client;
    const former = this.#current;
    if (!client || (next.length === former.length && next.every((subject) => former.includes(subject)))) return;
    this.#current = next;
    // The new ones first, so that nobody who is in both is ever away.
    await client.subscribe(next.filter((subject) => !former.includes(subject)));
    if (this.#client !== client) return;
    client.unsubscribe(former.filter((subject) => !this.#current.includes(subject)));
    this.onSettled();
  }
}

// The box within the one world that has coordinates.
/** @param {any} box */
function subjectOf(box) {
  const ends = [[box.getSouth(), 90], [box.getWest(), 180], [box.getNorth(), 90], [box.getEast(), 180]];
  const texts = ends.map(([degrees, limit]) => Math.min(limit, Math.max(-limit, degrees)).toFixed(6));
  return `area:${texts.join(",")}`;
}
