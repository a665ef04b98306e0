// The dispatcher's page: who is in view, and how are they? Drivers are found by asking for the visible box every few
// seconds; those found are watched live, as many as the session has room for.

import { DroverClient } from "/drover.js";
import { createMap } from "./ground.js";
import { Vans, crowd } from "./markers.js";
import { DriverRows } from "./rows.js";
import {
  Credential, askForKey, byId, exposeToTests, loadSettings, notice, refusalWords, setText, showConnection,
} from "./page.js";

/** @typedef {import("/drover.js").Position} Position */

const pollEvery = 3_000;
const settleTime = 400;
const pageLimit = 1_000;
const world = "-85,-180,85,180";

const settings = await loadSettings();
const credential = new Credential("drover.fleet");
const map = createMap(byId("map"), settings);
/** @type {DroverClient|null} */ let client = null;
const vans = new Vans(map, settings, () => client?.serverNow() ?? Date.now(), ({ id }) => follow(id));
const rows = new DriverRows(byId("drivers"), vans, follow);
/** @type {Set<string>} */ let watched = new Set();
/** @type {Set<string>} */ let refused = new Set();
/** The session has room for no more subjects; the other drivers move with each answer about the box. */
let full = false;
let followed = "";
/** Until somebody is found, or the map is moved by hand, everybody is looked for, wherever they are. */
let firstLook = true;
let truncated = false;
let failing = false;
let pollTimer = 0;

exposeToTests(map, vans, () => client);
map.on("dragstart", () => follow(""));
map.on("movestart", () => { firstLook = false; });
// Following moves the map all the time.
map.on("moveend", () => { if (client && followed === "") askSoon(settleTime); });
byId("search").oninput = () => {
  notice("");
  rows.filter(byId("search").value);
};
byId("search-form").onsubmit = (/** @type {Event} */ event) => {
  event.preventDefault();
  search(byId("search").value.trim());
};
byId("forget").onclick = () => start("");
setInterval(refresh, 1000);

// Begins anew with this key, or asks for one and says why.
/** @param {string} token @param {string} [why] */
async function start(token, why = "") {
  stop();
  credential.keep(token);
  const key = token || await askForKey(why);
  credential.keep(key);
  const current = new DroverClient({ token: key });
  client = current;
  // A push under way for one that has left the view does not bring it back.
  current.on("positions", (detail) => {
    take(detail.positions.filter((/** @type {Position} */ { driver_id }) => watched.has(driver_id)));
  });
  current.on("status", ({ status }) => status.forEach(vans.report, vans));
  current.on("refused", (detail) => {
    for (const [subject, code] of Object.entries(detail.refused)) {
      const id = subject.slice("driver:".length);
      watched.delete(id);
      if (code === "limit") full = true;
      else refused.add(id);
    }
  });
  current.on("state", (state) => {
    if (client !== current) return;
    showConnection(state);
    if (state.name === "closed") start("", refusalWords(state.code, state.reason));
  });
  current.connect();
  askSoon(0);
}

function stop() {
  const former = client;
  client = null;
  former?.close();
  clearTimeout(pollTimer);
  for (const { id } of vans.all) vans.remove(id);
  watched = new Set();
  refused = new Set();
  full = truncated = false;
  firstLook = true;
  follow("");
  refresh();
}

/** @param {number} delay ms */
function askSoon(delay) {
  clearTimeout(pollTimer);
  pollTimer = setTimeout(poll, delay);
}

async function poll() {
  pollTimer = 0;
  if (document.hidden) return askSoon(pollEvery);
  const current = client;
  let found;
  try {
    found = await drivers(firstLook ? world : visibleBox());
  } catch (error) {
    if (client !== current) return;
    const { status = 0, retryAfter = 0, message } = /** @type {Refusal} */ (error);
    if (status === 401 || status === 403) return start("", refusalWords(status));
    failing = true;
    notice(status === 0 ? "The gateway cannot be reached. Trying again." : message);
    return askSoon(Math.max(pollEvery, retryAfter * 1000));
  }
  // The key may have been changed while this was under way.
  if (client !== current) return;
  if (failing) notice("");
  failing = false;
  truncated = found.length >= pageLimit;
  if (firstLook && found.length > 0) {
    firstLook = false;
    map.fitBounds(L.latLngBounds(found), { padding: [40, 40], maxZoom: 14, animate: false });
  }
  meet(found);
  // The map may have been moved meanwhile, and be asked about sooner.
  if (pollTimer === 0) askSoon(pollEvery);
}

/** @typedef {Error & {status?: number, retryAfter?: number}} Refusal */

/** @param {string} path */
async function ask(path) {
  const response = await fetch(path, { headers: { Authorization: `Bearer ${credential.token}` }, cache: "no-store" });
  if (response.ok) return response.json();
  const { status, headers } = response;
  const { detail, title } = await response.json().catch(() => ({}));
  throw Object.assign(new Error(`The gateway answered ${status}: ${detail ?? title ?? ""}`), {
    status, retryAfter: Number(headers.get("Retry-After")) || 0,
  });
}

/** @param {string} area @returns {Promise<Position[]>} */
const drivers = async (area) => (await ask(`/v1/drivers?area=${area}&limit=${pageLimit}`)).drivers;

// The visible box within the one world that has coordinates.
function visibleBox() {
  const box = map.getBounds();
  const ends = [[box.getSouth(), 85], [box.getWest(), 180], [box.getNorth(), 85], [box.getEast(), 180]];
  return ends.map(([degrees, limit]) => Math.min(limit, Math.max(-limit, degrees)).toFixed(6)).join(",");
}

// Puts those found on the map, lets go of those that left, and watches who is here.
/** @param {Position[]} found */
function meet(found) {
  const here = new Set(found.map(({ driver_id }) => driver_id));
  take(found);
  // One that fell silent is no longer found, yet stays where it was last seen. The margin spares one at the edge.
  const margin = map.getBounds().pad(0.1);
  for (const { id, position } of vans.all) {
    if (!here.has(id) && id !== followed && !margin.contains(position)) vans.remove(id);
  }
  const gone = [...watched].filter((id) => !vans.get(id));
  if (gone.length > 0) {
    client?.unsubscribe(gone.map((id) => `driver:${id}`));
    for (const id of gone) watched.delete(id);
    full = false;
  }
  if (!full) watch(vans.all.map(({ id }) => id));
  refresh();
}

/** @param {string[]} ids */
function watch(ids) {
  const added = ids.filter((id) => !watched.has(id) && !refused.has(id));
  for (const id of added) watched.add(id);
  if (added.length > 0) client?.subscribe(added.map((id) => `driver:${id}`));
}

/** @param {Position[]} positions */
function take(positions) {
  for (const position of positions) {
    if (vans.place(position) && position.driver_id === followed) goAlong();
  }
}

// Follows a driver, or nobody; choosing the same one again lets go.
/** @param {string} id */
function follow(id) {
  followed = id === followed ? "" : id;
  vans.select(followed);
  rows.select(followed);
  const van = vans.get(followed);
  if (!van) return;
  if (full && !watched.has(followed)) {
    // The one looked at goes before any other.
    const [other] = watched;
    client?.unsubscribe([`driver:${other}`]);
    watched.delete(other);
  }
  watch([followed]);
  map.setView(van.drawn, Math.max(15, map.getZoom()));
}

// Moves the map as the followed marker glides, so that it stays in the middle.
function goAlong() {
  const van = vans.get(followed);
  if (!van) return;
  const lasts = van.glide?.lasts ?? 0;
  map.panTo(van.position, { animate: lasts > 0, duration: lasts / 1000, easeLinearity: 1, noMoveStart: true });
}

// Follows the driver of that name, wherever it is.
/** @param {string} text */
async function search(text) {
  if (text === "") return;
  const id = rows.firstMatch;
  if (id) return id === followed ? undefined : follow(id);
  try {
    take([await ask(`/v1/drivers/${encodeURIComponent(text)}/position`)]);
    follow(text);
    refresh();
  } catch (error) {
    const { status } = /** @type {Refusal} */ (error);
    notice(status === 404 || status === 400 ? `No driver “${text}” has a position.` : String(error));
  }
}

function refresh() {
  rows.refresh();
  byId("map").classList.toggle("crowded", vans.all.length > crowd);
  const count = { live: 0, stale: 0, offline: 0 };
  for (const { state } of vans.all) count[state] += 1;
  const total = vans.all.length;
  const parts = Object.entries(count).filter(([, number]) => number > 0).map(([state, number]) => `${number} ${state}`);
  const more = truncated ? ". There are more: zoom in to see all" : "";
  setText(byId("summary"), total === 0 ? "No drivers in view" : `${total} in view: ${parts.join(", ")}${more}`);
  showConnection(client?.state);
}

start(credential.token);
