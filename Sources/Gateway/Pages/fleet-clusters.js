// Which drivers are drawn as one, where the map is too small for each: those of one cell of a grid on the whole world,
// so that moving the map changes nothing. A cell keeps its cluster from one second to the next.

/** @typedef {import("./fleet-drivers.js").Driver} Driver */

/**
 * `x` and `y` are where it is drawn, `toX` and `toY` the middle of its drivers, both as parts of the world's width.
 * @typedef {{key: number, count: number, live: number, stale: number, offline: number, x: number, y: number,
 *   toX: number, toY: number, west: number, south: number, east: number, north: number}} Cluster
 */

/** Width of a cell, px. */
const cellWidth = 72;
/** From so many on they are drawn as one; one that is there stays until it has fewer than `fewest`. */
const enough = 5;
const fewest = 4;
/** From this zoom on everybody is drawn alone: who stands side by side there stands in one yard. */
const aloneFrom = 15;

// Latitude on Web Mercator, from 0 at the upper end of the map to 1 at the lower (EPSG:3857).
/** @param {number} lat degrees */
export function mercator(lat) {
  const clamped = Math.min(85.0511287798, Math.max(-85.0511287798, lat));
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + clamped * Math.PI / 360)) / (2 * Math.PI);
}

export class Clusters {
  /** @type {Map<number, Cluster>} */ #clusters = new Map();
  #zoom = -1;

  get all() { return this.#clusters.values(); }

  get count() { return this.#clusters.size; }

  // Puts every driver into its cluster, or in none.
  /** @param {Iterable<Driver>} drivers those that are shown @param {number} zoom @param {boolean} isWanted
   * @param {Driver|undefined} chosen is always drawn alone */
  arrange(drivers, zoom, isWanted, chosen) {
    const former = this.#zoom === zoom ? this.#clusters : new Map();
    this.#zoom = zoom;
    this.#clusters = new Map();
    const cells = 256 * 2 ** zoom / cellWidth;
    const isOff = !isWanted || zoom >= aloneFrom;
    /** @type {Map<number, Driver[]>} */ const members = new Map();
    for (const driver of drivers) {
      driver.cluster = null;
      if (isOff || driver === chosen) continue;
      const { lat, lng } = driver.position;
      // At zoom 14 there are fewer than 2^16 cells across.
      const key = Math.floor(mercator(lat) * cells) * 65_536 + Math.floor((lng + 180) / 360 * cells);
      const cell = members.get(key);
      if (cell) cell.push(driver);
      else members.set(key, [driver]);
    }
    for (const [key, cell] of members) {
      const before = former.get(key);
      if (cell.length >= (before ? fewest : enough)) this.#clusters.set(key, clusterOf(key, cell, before));
    }
  }
}

/** @param {number} key @param {Driver[]} members @param {Cluster|undefined} before @returns {Cluster} */
function clusterOf(key, members, before) {
  const cluster = {
    key, count: members.length, live: 0, stale: 0, offline: 0, x: 0, y: 0, toX: 0, toY: 0, west: 180, south: 90,
    east: -180, north: -90,
  };
  for (const driver of members) {
    const { lat, lng } = driver.position;
    driver.cluster = cluster;
    cluster[driver.state] += 1;
    cluster.toX += (lng + 180) / 360 / members.length;
    cluster.toY += mercator(lat) / members.length;
    cluster.west = Math.min(cluster.west, lng);
    cluster.east = Math.max(cluster.east, lng);
    cluster.south = Math.min(cluster.south, lat);
    cluster.north = Math.max(cluster.north, lat);
  }
  cluster.x = before?.x ?? cluster.toX;
  cluster.y = before?.y ?? cluster.toY;
  return cluster;
}
