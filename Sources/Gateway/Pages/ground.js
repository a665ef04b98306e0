// What lies under the drivers: street tiles where there is a tile server, a plain grid of coordinates where not.

/** @typedef {import("./page.js").Settings} Settings */

/** Lines of the grid are at least this many pixels apart. */
const gridSpacing = 110;
/** Labels of crossings in a neighbouring tile reach at most this far into this one, px. */
const labelReach = 110;

// A map that looks at the configured centre.
/** @param {HTMLElement} element @param {Settings} settings */
export function createMap(element, settings) {
  const { center, zoom, tile_url, tile_attribution: attribution } = settings;
  const map = L.map(element, { center, zoom, worldCopyJump: true, minZoom: 2, maxZoom: 19 });
  L.control.scale({ imperial: false }).addTo(map);
  const grid = new Grid({ zIndex: 0, maxZoom: 19 });
  // Another colour scheme wants other ink.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => grid.redraw());
  if (!tile_url) return map.addLayer(grid);
  const tiles = L.tileLayer(tile_url, { attribution, className: "streets", maxZoom: 19, zIndex: 1 });
  // The grid shows through wherever a tile is missing.
  tiles.once("tileerror", () => map.addLayer(grid));
  return map.addLayer(tiles);
}

/** Quiet lines at round degrees, each crossing labelled with its coordinates. */
const Grid = L.GridLayer.extend({
  /** @param {{x: number, y: number, z: number}} coords */
  createTile({ x: column, y: row, z: zoom }) {
    const { x: width, y: height } = this.getTileSize();
    const { crs } = this._map.options;
    const left = column * width;
    const top = row * height;
    const northWest = crs.pointToLatLng(L.point(left - labelReach, top), zoom);
    const southEast = crs.pointToLatLng(L.point(left + width, top + height + 20), zoom);
    const step = gridStep(zoom, width);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    const meridians = multiples(step, northWest.lng, southEast.lng)
      .map((lng) => ({ lng, x: Math.round(crs.latLngToPoint(L.latLng(0, lng), zoom).x - left) + 0.5 }));
    const parallels = multiples(step, southEast.lat, Math.min(northWest.lat, 85))
      .map((lat) => ({ lat, y: Math.round(crs.latLngToPoint(L.latLng(lat, 0), zoom).y - top) + 0.5 }));

    const ratio = Math.ceil(devicePixelRatio);
    const canvas = document.createElement("canvas");
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const ink = canvas.getContext("2d");
    if (!ink) return canvas;
    const style = getComputedStyle(document.documentElement);
    ink.scale(ratio, ratio);
    ink.strokeStyle = style.getPropertyValue("--grid-line");
    ink.fillStyle = style.getPropertyValue("--grid-text");
    ink.font = "10px system-ui, sans-serif";
    for (const { x } of meridians) { ink.moveTo(x, 0); ink.lineTo(x, height); }
    for (const { y } of parallels) { ink.moveTo(0, y); ink.lineTo(width, y); }
    ink.stroke();
    for (const { lng, x } of meridians) {
      for (const { lat, y } of parallels) ink.fillText(`${lat.toFixed(digits)}, ${lng.toFixed(digits)}`, x + 4, y - 4);
    }
    return canvas;
  },
});

// Degrees from line to line: 1, 2 or 5 times a power of ten.
/** @param {number} zoom @param {number} tileWidth px */
function gridStep(zoom, tileWidth) {
  /** @type {number} */
  const smallest = (gridSpacing * 360) / (tileWidth * 2 ** zoom);
  const magnitude = 10 ** Math.floor(Math.log10(smallest));
  return [1, 2, 5, 10].map((factor) => factor * magnitude).find((step) => step >= smallest) ?? 10 * magnitude;
}

// The multiples of `step` from one number to another.
/** @param {number} step @param {number} from @param {number} to */
function multiples(step, from, to) {
  const first = Math.ceil(from / step);
  const count = Math.max(0, Math.floor(to / step) - first + 1);
  return Array.from({ length: count }, (_, i) => (first + i) * step);
}
