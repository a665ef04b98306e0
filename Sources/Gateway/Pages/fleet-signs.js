// The signs of the fleet map, by state in colour and in shape, so that every eye tells them apart: live is a blue disc,
// stale an amber square, offline a grey cross; an arrow points where the driver is heading. Colours after Okabe and Ito
// (https://jfly.uni-koeln.de/color/), from the style sheet. The map's canvas and the list draw the same paths.

/** @typedef {import("/drover.js").Status["state"]} State */

/** Paths around 0,0 in px; `body` is filled and edged, `mark` lies on it. */
const paths = {
  live: "M-12 0a12 12 0 1 1 24 0a12 12 0 1 1-24 0z",
  stale: "M-9-11h18a2 2 0 0 1 2 2v18a2 2 0 0 1-2 2h-18a2 2 0 0 1-2-2v-18a2 2 0 0 1 2-2z",
  offline: "M-10-6-6-10 0-4 6-10 10-6 4 0 10 6 6 10 0 4-6 10-10 6-4 0z",
  arrow: "M0-9 6.5 7 0 3.5-6.5 7z",
  dot: "M-4 0a4 4 0 1 1 8 0a4 4 0 1 1-8 0z",
};
const names = ["live", "live-ink", "stale", "stale-ink", "offline", "edge", "ink", "glass", "paper", "trail"];
/** Half of the room that a sign takes with its edge, px. */
const reach = 16;
/** Arrows are drawn at so many angles: finer than anybody sees. */
const angles = 64;

/** Signs drawn once each, in the colours and for the pixels of this screen, to be copied to the map's canvas. */
export class Signs {
  /** @type {Map<string, HTMLCanvasElement>} */ #drawn = new Map();
  /** @type {Record<string, string>} */ colours = {};
  #ratio = 0;

  constructor() { this.readColours(); }

  /** To be called where the colour scheme has changed. */
  readColours() {
    const sheet = getComputedStyle(document.documentElement);
    for (const name of names) {
      this.colours[name] = sheet.getPropertyValue(`--fleet-${name}`).trim();
    }
    this.#drawn.clear();
  }

  // The picture of a driver; its middle is the driver's place.
  /** @param {State} state @param {number|null} heading degrees @param {number} scale @param {number} ratio of device
   * pixels to px */
  of(state, heading, scale, ratio) {
    if (ratio !== this.#ratio) this.#drawn.clear();
    this.#ratio = ratio;
    const step = heading === null || state === "offline" ? -1 : Math.round(heading / 360 * angles + angles) % angles;
    const key = `${state}${step},${scale}`;
    const known = this.#drawn.get(key);
    if (known) return known;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.ceil(reach * 2 * scale * ratio);
    const ink = canvas.getContext("2d");
    if (ink) this.#draw(ink, state, step, scale * ratio);
    this.#drawn.set(key, canvas);
    return canvas;
  }

  /** @param {CanvasRenderingContext2D} ink @param {State} state @param {number} step @param {number} scale */
  #draw(ink, state, step, scale) {
    const body = new Path2D(paths[state]);
    ink.translate(ink.canvas.width / 2, ink.canvas.height / 2);
    ink.scale(scale, scale);
    ink.lineJoin = "round";
    ink.lineWidth = 4;
    ink.strokeStyle = this.colours.edge;
    ink.stroke(body);
    ink.fillStyle = this.colours[state];
    ink.fill(body);
    if (state === "offline") return;
    if (state === "stale") {
      // Amber alone would be faint on a light ground.
      ink.lineWidth = 1.5;
      ink.strokeStyle = this.colours["stale-ink"];
      ink.stroke(body);
    }
    ink.fillStyle = this.colours[`${state}-ink`];
    if (step >= 0) ink.rotate(step / angles * 2 * Math.PI);
    ink.fill(new Path2D(step >= 0 ? paths.arrow : paths.dot));
  }
}

// The same sign as an element, for the list and the legend; without a heading.
/** @param {State} state */
export function signElement(state) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-16 -16 32 32");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("sign");
  const body = document.createElementNS(svg.namespaceURI ?? "", "path");
  svg.append(body);
  showState(svg, state);
  return svg;
}

/** @param {Element} sign @param {State} state */
export function showState(sign, state) {
  if (sign.getAttribute("data-state") === state) return;
  sign.setAttribute("data-state", state);
  sign.firstElementChild?.setAttribute("d", paths[state]);
}
