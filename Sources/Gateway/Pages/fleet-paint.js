// What is painted on the fleet's canvas beside the signs: clusters, names, and the chosen driver's trail and accuracy.

/** @typedef {import("./fleet-drivers.js").Driver} Driver */
/** @typedef {import("./fleet-clusters.js").Cluster} Cluster */
/** @typedef {import("./fleet-signs.js").Signs} Signs */
/** @typedef {CanvasRenderingContext2D} Ink */

/** The equator, m. */
const equator = 40_075_016.686;
/** Gap between the parts of a cluster's ring, radians. */
const ringGap = 0.12;

// How many there are, with a ring that says of which state: live is thick, stale thinner, offline thin and broken.
/** @param {Ink} ink @param {Signs} signs @param {Cluster} cluster @param {number} x @param {number} y
 * @param {number} radius @param {boolean} isHovered */
export function paintCluster(ink, { colours }, cluster, x, y, radius, isHovered) {
  const { count, live, stale, offline } = cluster;
  ink.beginPath();
  ink.arc(x, y, radius + 2, 0, 2 * Math.PI);
  ink.fillStyle = colours.edge;
  ink.fill();
  const parts = [[live, colours.live, 6], [stale, colours.stale, 4], [offline, colours.offline, 2]].filter(([n]) => n);
  const gap = parts.length > 1 ? ringGap : 0;
  let angle = -Math.PI / 2;
  for (const [number, colour, width] of /** @type {[number, string, number][]} */ (parts)) {
    const end = angle + number / count * 2 * Math.PI;
    ink.beginPath();
    ink.arc(x, y, radius - 3, angle + gap / 2, Math.max(angle + gap / 2 + 0.05, end - gap / 2));
    ink.lineWidth = width;
    ink.strokeStyle = colour;
    ink.setLineDash(width === 2 ? [3, 2] : []);
    ink.stroke();
    angle = end;
  }
  ink.setLineDash([]);
  if (isHovered) {
    ink.beginPath();
    ink.arc(x, y, radius + 4, 0, 2 * Math.PI);
    ink.lineWidth = 2;
    ink.strokeStyle = colours.live;
    ink.stroke();
  }
  ink.font = `600 ${radius > 24 ? 13 : 12}px system-ui, sans-serif`;
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  ink.fillStyle = colours.ink;
  ink.fillText(count < 10_000 ? String(count) : `${Math.round(count / 1000)}k`, x, y + 0.5);
}

// A driver's name below its sign.
/** @param {Ink} ink @param {Signs} signs @param {Driver} driver @param {string} text @param {number} scale of the sign
 * @param {boolean} [isStrong] */
export function paintName(ink, { colours }, { x, y }, text, scale, isStrong = false) {
  ink.font = `${isStrong ? "600 " : ""}12px system-ui, sans-serif`;
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  const width = ink.measureText(text).width + 10;
  const top = y + 13 * scale + 1;
  ink.beginPath();
  ink.roundRect(x - width / 2, top, width, 17, 4);
  ink.fillStyle = isStrong ? colours.paper : colours.glass;
  ink.fill();
  ink.fillStyle = colours.ink;
  ink.fillText(text, x, top + 9);
}

// Where the chosen driver comes from, how exactly its place is known, and a ring that says it is the one.
/** @param {Ink} ink @param {Signs} signs @param {Driver} driver
 * @param {(lat: number, lng: number) => [number, number]} pixel @param {number} world its width, px */
export function paintChosen(ink, { colours }, driver, pixel, world) {
  const { trail, x, y, position } = driver;
  ink.lineJoin = ink.lineCap = "round";
  ink.beginPath();
  for (let i = 0; i < trail.length; i += 2) ink.lineTo(...pixel(trail[i], trail[i + 1]));
  ink.lineTo(x, y);
  for (const [width, colour] of /** @type {[number, string][]} */ ([[6, colours.edge], [3, colours.trail]])) {
    ink.lineWidth = width;
    ink.strokeStyle = colour;
    ink.stroke();
  }
  if (position.accuracy) {
    const metresPerPixel = equator * Math.cos(position.lat * Math.PI / 180) / world;
    ink.beginPath();
    ink.arc(x, y, position.accuracy / metresPerPixel, 0, 2 * Math.PI);
    ink.globalAlpha = 0.14;
    ink.fillStyle = colours[driver.state];
    ink.fill();
    ink.globalAlpha = 0.6;
    ink.lineWidth = 1;
    ink.strokeStyle = colours[driver.state];
    ink.stroke();
    ink.globalAlpha = 1;
  }
  paintAim(ink, { colours }, x, y, 20);
}

// A ring around what is chosen, or would be.
/** @param {Ink} ink @param {{colours: Record<string, string>}} signs @param {number} x @param {number} y
 * @param {number} radius px */
export function paintAim(ink, { colours }, x, y, radius) {
  for (const [width, colour] of /** @type {[number, string][]} */ ([[5, colours.edge], [2, colours.ink]])) {
    ink.beginPath();
    ink.arc(x, y, radius, 0, 2 * Math.PI);
    ink.lineWidth = width;
    ink.strokeStyle = colour;
    ink.stroke();
  }
}
