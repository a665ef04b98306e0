// The drivers on the dispatcher's map: thousands on one canvas, gliding. A frame is drawn only while somebody in view
// moves, or the view or a driver has changed, and only as often as this device can without neglecting the rest.

import { Clusters, mercator } from "./fleet-clusters.js";
import { paintAim, paintChosen, paintCluster, paintName } from "./fleet-paint.js";
import { Signs } from "./fleet-signs.js";
import { overlap } from "./markers.js";
import { ageWords } from "./words.js";

/** @typedef {import("./fleet-drivers.js").Driver} Driver */
/** @typedef {import("./fleet-drivers.js").FleetDrivers} FleetDrivers */
/** @typedef {import("./fleet-clusters.js").Cluster} Cluster */
/** @typedef {{driver?: Driver, cluster?: Cluster}} Hit what is at a point */
/** @typedef {import("./markers.js").Box} Box */

/** With more in view only the chosen one shows its name, and signs are smaller. */
export const crowd = 60;
const crowdScale = 0.7;
/** Drivers that are so far outside of the view are not drawn, px. */
const outside = 24;
/** How near to a driver a pointer has to be, px; a finger, too. */
const nearness = 16;
const fingerNearness = 26;
/** Enter takes what is at most this far from the middle, px. */
const aimReach = 200;

export class FleetLayer {
  #canvas = document.createElement("canvas");
  /** @type {CanvasRenderingContext2D} */ #ink;
  #signs = new Signs();
  #clusters = new Clusters();
  #frame = 0;
  #zooming = false;
  /** The clusters and names are to be arranged anew. */
  #isStale = true;
  /** @type {{driver: Driver, text: string, box: Box}[]} */ #names = [];
  /** @type {Hit} */ #hovered = {};
  /** Counts the frames, for whoever wonders whether they come. */
  frames = 0;
  /** How long the last frame took to draw, ms, and when it ended. */
  #lasted = 0;
  #endedAt = 0;
  #chosen = "";
  #isClustering = true;

  /**
   * @param {any} map Leaflet's
   * @param {FleetDrivers} drivers
   * @param {(driver: Driver) => boolean} isShown
   * @param {(id: string) => void} onPick
   */
  constructor(map, drivers, isShown, onPick) {
    this.map = map;
    this.drivers = drivers;
    this.isShown = isShown;
    this.onPick = onPick;
    const ink = this.#canvas.getContext("2d");
    if (!ink) throw new Error("this browser draws on no canvas");
    this.#ink = ink;
    this.#canvas.className = "fleet-canvas leaflet-zoom-animated";
    map.createPane("fleet").append(this.#canvas);
    map.on("move zoom viewreset resize", this.redraw);
    map.on("zoomanim", this.#followZoom);
    map.on("zoomend", () => {
      this.#zooming = false;
      this.arrange();
    });
    map.on("moveend", () => this.arrange());
    map.on("click", (/** @type {any} */ event) => this.#pick(this.hit(event.containerPoint, isFinger(event))));
    map.on("mousemove", (/** @type {any} */ event) => this.#hover(this.hit(event.containerPoint)));
    map.on("mouseout", () => this.#hover({}));
    const element = map.getContainer();
    element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" || event.target !== element) return;
      event.preventDefault();
      this.#pick(this.#aimed());
    });
    for (const type of ["focus", "blur"]) element.addEventListener(type, this.redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#signs.readColours();
      this.redraw();
    });
  }

  /** @param {boolean} isWanted whether drivers side by side are drawn as one */
  set isClustering(isWanted) {
    this.#isClustering = isWanted;
    this.arrange();
  }

  // Marks one driver, "" for none.
  /** @param {string} id */
  choose(id) {
    this.#chosen = id;
    this.arrange();
  }

  // Puts drivers into clusters, and names where there is room, with the next frame; to be called every second or so.
  arrange() {
    this.#isStale = true;
    this.redraw();
  }

  /** Draws a frame soon. */
  redraw = () => {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(this.#draw);
  };

  // What is at a point of the map's element: the nearest driver, else a cluster.
  /** @param {{x: number, y: number}} point @param {boolean} [byFinger] @returns {Hit} */
  hit({ x, y }, byFinger = false) {
    let nearest = byFinger ? fingerNearness : nearness;
    /** @type {Driver|undefined} */ let driver;
    for (const each of this.drivers.all()) {
      if (!each.isInView || each.cluster) continue;
      const distance = Math.hypot(each.x - x, each.y - y);
      if (distance < nearest) [nearest, driver] = [distance, each];
    }
    if (driver) return { driver };
    const { world, left, top } = this.#view();
    for (const cluster of this.#clusters.all) {
      const distance = Math.hypot(cluster.x * world - left - x, cluster.y * world - top - y);
      if (distance < radiusOf(cluster) + 3) return { cluster };
    }
    return {};
  }

  /** What browser tests see. */
  describe() {
    const { world, left, top } = this.#view();
    return {
      clusters: [...this.#clusters.all].map(({ x, y, count, live, stale, offline }) =>
        ({ x: x * world - left, y: y * world - top, count, live, stale, offline })),
      alone: [...this.drivers.all()].filter((driver) => this.isShown(driver) && !driver.cluster).length,
      names: this.#names.map(({ text, box }) => ({ text, ...box })), frames: this.frames, lasted: this.#lasted,
      isMoving: this.#frame !== 0, hovered: this.#hovered.driver?.id ?? null,
    };
  }

  // How wide the world is, px, and where the map's element begins in it.
  #view() {
    const world = 256 * 2 ** this.map.getZoom();
    const origin = this.map.getPixelOrigin().add(this.map.containerPointToLayerPoint([0, 0]));
    return { world, left: origin.x, top: origin.y };
  }

  /** @param {number} now when the frame began, as `performance.now()` */
  #draw = (now) => {
    this.#frame = 0;
    if (this.#zooming) return;
    // Whoever is slow draws less often rather than nothing else.
    if (now - this.#endedAt < this.#lasted * 0.5) return this.redraw();
    const began = performance.now();
    const size = this.map.getSize();
    const ratio = devicePixelRatio;
    const canvas = this.#canvas;
    if (canvas.width !== Math.round(size.x * ratio) || canvas.height !== Math.round(size.y * ratio)) {
      canvas.width = Math.round(size.x * ratio);
      canvas.height = Math.round(size.y * ratio);
      canvas.style.width = `${size.x}px`;
      canvas.style.height = `${size.y}px`;
    }
    L.DomUtil.setTransform(canvas, this.map.containerPointToLayerPoint([0, 0]), 1);
    const chosen = this.drivers.get(this.#chosen);
    const isArranging = this.#isStale;
    if (isArranging) {
      this.#isStale = false;
      const shown = [...this.drivers.all()].filter(this.isShown);
      const isWanted = this.#isClustering && shown.length > crowd;
      this.#clusters.arrange(shown, Math.round(this.map.getZoom()), isWanted, chosen);
    }
    const { isMoving, alone } = this.#place(now, size);
    const scale = alone > crowd ? crowdScale : 1;
    if (isArranging) this.#arrangeNames(alone, scale);
    this.#ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#ink.clearRect(0, 0, size.x, size.y);
    const areClustersMoving = this.#paint(scale, ratio, chosen);
    this.frames += 1;
    this.#endedAt = performance.now();
    this.#lasted = this.#endedAt - began;
    if (isMoving || areClustersMoving) this.redraw();
  };

  // Works out where everybody is, and who is in view.
  /** @param {number} now @param {{x: number, y: number}} size */
  #place(now, size) {
    const { world, left, top } = this.#view();
    let isMoving = false;
    let alone = 0;
    for (const driver of this.drivers.all()) {
      driver.isInView = false;
      if (driver.cluster || !this.isShown(driver)) continue;
      const { lat, lng, heading, moving } = driver.glide.at(now);
      driver.x = (lng + 180) / 360 * world - left;
      driver.y = mercator(lat) * world - top;
      driver.heading = heading ?? null;
      driver.isInView = driver.x > -outside && driver.y > -outside && driver.x < size.x + outside
        && driver.y < size.y + outside;
      if (!driver.isInView) continue;
      alone += 1;
      isMoving ||= moving;
    }
    return { isMoving, alone };
  }

  /** @param {number} scale @param {number} ratio @param {Driver|undefined} chosen */
  #paint(scale, ratio, chosen) {
    const ink = this.#ink;
    const signs = this.#signs;
    const { world, left, top } = this.#view();
    if (chosen && this.isShown(chosen)) {
      paintChosen(ink, signs, chosen, (lat, lng) => [(lng + 180) / 360 * world - left, mercator(lat) * world - top],
        world);
    }
    // Pixel for pixel, which is the fastest there is; each state over those that matter less.
    ink.setTransform(1, 0, 0, 1, 0, 0);
    for (const state of /** @type {const} */ (["offline", "stale", "live"])) {
      for (const driver of this.drivers.all()) {
        if (!driver.isInView || driver.state !== state || driver === chosen) continue;
        this.#stamp(driver, scale, ratio);
      }
    }
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    let isMoving = false;
    const { x: width, y: height } = this.map.getSize();
    for (const cluster of this.#clusters.all) {
      // A middle that has moved is approached, a tenth of the way a frame.
      cluster.x += (cluster.toX - cluster.x) * 0.1;
      cluster.y += (cluster.toY - cluster.y) * 0.1;
      const [x, y] = [cluster.x * world - left, cluster.y * world - top];
      if (x < -40 || y < -40 || x > width + 40 || y > height + 40) continue;
      isMoving ||= Math.hypot(cluster.toX - cluster.x, cluster.toY - cluster.y) * world > 0.5;
      paintCluster(ink, signs, cluster, x, y, radiusOf(cluster), cluster === this.#hovered.cluster);
    }
    for (const name of this.#names) {
      if (!name.driver.isInView || name.driver === chosen) continue;
      name.text = this.#nameOf(name.driver);
      paintName(ink, signs, name.driver, name.text, scale);
    }
    if (chosen?.isInView) {
      ink.setTransform(1, 0, 0, 1, 0, 0);
      this.#stamp(chosen, 1, ratio);
      ink.setTransform(ratio, 0, 0, ratio, 0, 0);
      paintName(ink, signs, chosen, this.#nameOf(chosen), 1, true);
    }
    const { driver, cluster } = this.#hovered;
    if (driver?.isInView && driver !== chosen) paintName(ink, signs, driver, this.#nameOf(driver), scale, true);
    // For the keyboard only.
    if (this.map.getContainer().matches(":focus-visible")) {
      const aim = this.#aimed();
      if (aim.driver) paintAim(ink, signs, aim.driver.x, aim.driver.y, 20);
      else if (aim.cluster) {
        paintAim(ink, signs, aim.cluster.x * world - left, aim.cluster.y * world - top, radiusOf(aim.cluster) + 6);
      }
    }
    this.map.getContainer().classList.toggle("pointing", driver !== undefined || cluster !== undefined);
    return isMoving;
  }

  /** @param {Driver} driver @param {number} scale @param {number} ratio */
  #stamp(driver, scale, ratio) {
    driver.painted = driver.state;
    const sign = this.#signs.of(driver.state, driver.heading, scale, ratio);
    this.#ink.drawImage(
      sign, Math.round(driver.x * ratio - sign.width / 2), Math.round(driver.y * ratio - sign.height / 2));
  }

  /** @param {Driver} driver */
  #nameOf(driver) {
    return driver.state === "live" ? driver.id : `${driver.id} · ${ageWords(this.drivers.ageOf(driver))}`;
  }

  // Names stand where they have room below their sign, those that stand already first, lest they flicker.
  /** @param {number} alone @param {number} scale */
  #arrangeNames(alone, scale) {
    const before = new Set(this.#names.map(({ driver }) => driver));
    this.#names = [];
    if (alone > crowd) return;
    const inView = [...this.drivers.all()].filter(({ isInView }) => isInView);
    const rank = (/** @type {Driver} */ driver) => (driver.id === this.#chosen ? 0 : before.has(driver) ? 1 : 2);
    const half = 13 * scale;
    const signs = inView.map((driver) => ({
      driver, box: { left: driver.x - half, right: driver.x + half, top: driver.y - half, bottom: driver.y + half },
    }));
    const { world, left, top } = this.#view();
    /** @type {Box[]} */ const taken = [...this.#clusters.all].map((cluster) => {
      const [x, y, radius] = [cluster.toX * world - left, cluster.toY * world - top, radiusOf(cluster)];
      return { left: x - radius, right: x + radius, top: y - radius, bottom: y + radius };
    });
    this.#ink.font = nameFont;
    for (const driver of inView.sort((a, b) => rank(a) - rank(b))) {
      const text = this.#nameOf(driver);
      const width = this.#ink.measureText(text).width / 2 + 7;
      const box = {
        left: driver.x - width, right: driver.x + width, top: driver.y + half + 1, bottom: driver.y + half + 19,
      };
      const hasRoom = !taken.some((other) => overlap(box, other))
        && !signs.some((other) => other.driver !== driver && overlap(box, other.box));
      if (!hasRoom && driver.id !== this.#chosen) continue;
      taken.push(box);
      this.#names.push({ driver, text, box });
    }
  }

  // What Enter takes: whatever is nearest to the middle.
  /** @returns {Hit} */
  #aimed() {
    const { x, y } = this.map.getSize().divideBy(2);
    const { world, left, top } = this.#view();
    let nearest = aimReach;
    /** @type {Hit} */ let aimed = {};
    for (const driver of this.drivers.all()) {
      if (!driver.isInView || driver.id === this.#chosen) continue;
      const distance = Math.hypot(driver.x - x, driver.y - y);
      if (distance < nearest) [nearest, aimed] = [distance, { driver }];
    }
    for (const cluster of this.#clusters.all) {
      const distance = Math.hypot(cluster.x * world - left - x, cluster.y * world - top - y);
      if (distance < nearest) [nearest, aimed] = [distance, { cluster }];
    }
    return aimed;
  }

  /** @param {Hit} hit */
  #pick({ driver, cluster }) {
    if (driver) this.onPick(driver.id);
    else if (cluster) {
      const { south, west, north, east } = cluster;
      const fitting = this.map.getBoundsZoom([[south, west], [north, east]]);
      const zoom = Math.min(17, Math.max(this.map.getZoom() + 1, fitting));
      this.map.setView([(south + north) / 2, (west + east) / 2], zoom);
    }
  }

  /** @param {Hit} hit */
  #hover(hit) {
    if (hit.driver === this.#hovered.driver && hit.cluster?.key === this.#hovered.cluster?.key) return;
    this.#hovered = hit;
    this.redraw();
  }

  // Leaflet animates a zoom itself: the picture grows or shrinks with the map below.
  /** @param {{center: any, zoom: number}} event */
  #followZoom = ({ center, zoom }) => {
    this.#zooming = true;
    const map = this.map;
    const corner = map.containerPointToLatLng([0, 0]);
    const pane = L.DomUtil.getPosition(map.getPane("mapPane"));
    const origin = map.project(center, zoom).subtract(map.getSize().divideBy(2)).add(pane).round();
    L.DomUtil.setTransform(
      this.#canvas, map.project(corner, zoom).subtract(origin), map.getZoomScale(zoom, map.getZoom()));
  };
}

const nameFont = "12px system-ui, sans-serif";

/** @param {Cluster} cluster px */
const radiusOf = ({ count }) => Math.min(32, 13 + Math.log2(count) * 2);

/** @param {any} event Leaflet's */
const isFinger = ({ originalEvent }) => originalEvent?.pointerType === "touch";
