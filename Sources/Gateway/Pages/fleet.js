// The dispatcher's page: who is in view, and how are they? A key that may see everybody watches the box in view; one
// that is limited, or a session, watches what it is limited to.

import { DroverClient } from "/drover.js";
import { DayView } from "./day.js";
import { createMap } from "./ground.js";
import { Vans, crowd } from "./markers.js";
import { Past } from "./past.js";
import { DriverRows, dayButton } from "./rows.js";
import {
  Credential, askForKey, byId, exposeToTests, loadSettings, notice, refusalWords, setText, showConnection,
} from "./page.js";
import { aWord, capital, driverWord, lengthWords, ownName } from "./words.js";

/** @typedef {import("/drover.js").Position} Position */
/** @typedef {import("./seen.js").Departure} Departure */

/** How long the map has to lie still before another box is asked for, ms. */
const settleTime = 300;
/** More markers than these serve nobody. */
const mostMarkers = 1_000;
/** What is watched reaches beyond the view by this part of it on each side, and may do so by this much. */
const margin = 0.25;
const mostMargin = 1.5;
const world = "area:-90,-180,90,180";

// First of all, so that the key leaves the address at once.
const credential = new Credential("drover.fleet");
const settings = await loadSettings();
byId("search").placeholder = `Find ${aWord(driverWord())}`;
byId("search").setAttribute("aria-label", byId("search").placeholder);
byId("side").setAttribute("aria-label", capital(driverWord(2)));
const map = createMap(byId("map"), settings);
/** @type {DroverClient|null} */ let client = null;
const serverNow = () => client?.serverNow() ?? Date.now();
// What is live stays in sight beside a driver's day, and out of its way.
const vans = new Vans(map, settings, serverNow, ({ id }) => day.isOpen || follow(id));
const rows = new DriverRows(byId("drivers"), vans, follow, openDay);
const past = new Past(() => credential.token);
const day = new DayView(map, past, settings.track_gap_s * 1000, serverNow, leaveFleet, returnToFleet);
/** What is watched by name. Else it is a box, and what that spans; null is everywhere. */
/** @type {string[]} */ let subjects = [];
let area = "";
/** @type {any} */ let bounds = null;
let followed = "";
/** Until somebody is found, or the map is moved by hand, everybody is looked for, wherever they are. */
let firstLook = true;
/** What was in view before a driver's day was; null where nobody was found yet. */
/** @type {{center: any, zoom: number}|null} */ let viewBefore = null;
/** The server has told who is there. */
let answered = false;
let truncated = false;
let lookTimer = 0;

exposeToTests(map, vans, () => client, () => day.describe());
map.on("dragstart", () => follow(""));
map.on("movestart", () => { firstLook = false; });
// Following moves the map all the time.
map.on("moveend", () => {
  clearTimeout(lookTimer);
  lookTimer = setTimeout(look, settleTime);
});
byId("search").oninput = () => {
  notice("");
  rows.filter(byId("search").value);
};
byId("search-form").onsubmit = (/** @type {Event} */ event) => {
  event.preventDefault();
  search(byId("search").value.trim());
};
byId("forget").onclick = () => start("");
addEventListener("hashchange", () => { if (client) day.followAddress(); });
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
  let begun = false;
  current.on("positions", ({ positions }) => take(positions));
  current.on("status", ({ status }) => status.forEach(vans.report, vans));
  current.on("left", ({ left }) => left.forEach(letGo));
  current.on("refused", ({ refused }) => {
    notice(Object.entries(refused).map(([subject, code]) => `${subject} cannot be watched: ${code}.`).join(" "));
  });
  current.on("expiring", ({ in_s }) => notice(`This session ends in ${lengthWords(in_s * 1000)}.`));
  current.on("renewed", () => notice(""));
  current.on("state", (state) => {
    if (client !== current) return;
    showConnection(state);
    if (state.name === "live" && !begun) {
      begun = true;
      begin(current);
    }
    if (state.name === "closed") start("", refusalWords(state.code, state.reason));
  });
  current.connect();
}

function stop() {
  const address = location.hash;
  day.close();
  // Whoever enters another key is led to the same day.
  history.replaceState(null, "", location.pathname + location.search + address);
  const former = client;
  client = null;
  former?.close();
  clearTimeout(lookTimer);
  for (const { id } of vans.all) vans.remove(id);
  subjects = [];
  area = "";
  bounds = null;
  answered = truncated = false;
  firstLook = true;
  follow("");
  refresh();
}

// Watches what the address names, else what the credential is limited to, else the view.
/** @param {DroverClient} current */
async function begin(current) {
  day.followAddress();
  const limits = current.terms.subjects;
  // A prefix is no subject that one could watch.
  const covered = limits?.filter((name) => !name.endsWith("*")) ?? [];
  subjects = credential.subjects.length > 0 ? credential.subjects.map(ownName) : covered;
  if (subjects.length === 0 && limits) {
    return notice(`This key is limited to ${limits.join(", ")}: find ${driverWord(2)} by their names.`);
  }
  if (subjects.length === 0) area = world;
  await current.subscribe(area === "" ? subjects : [area]);
  if (client !== current) return;
  answered = true;
  fitAll();
  look();
}

// Brings everybody into view who was found first.
function fitAll() {
  if (!firstLook || vans.all.length === 0 || day.isOpen) return;
  firstLook = false;
  map.fitBounds(L.latLngBounds(vans.all.map(({ position }) => position)), {
    padding: [40, 40], maxZoom: 14, animate: false,
  });
}

// Watches another box where the one that is watched does not fit the view any more.
function look() {
  const current = client;
  if (!current || area === "" || firstLook) return;
  const view = map.getBounds();
  if (bounds?.contains(view) && view.pad(mostMargin).contains(bounds)) return;
  const former = area;
  bounds = view.pad(margin);
  area = subjectOf(bounds);
  if (area === former) return;
  truncated = false;
  // The new one first, so that nobody who is in both is ever away.
  current.subscribe([area]).then(() => {
    if (former !== area) current.unsubscribe([former]);
    for (const van of vans.all) if (van.state === "offline" && van.id !== followed && isFar(van)) vans.remove(van.id);
    refresh();
  });
}

// The box within the one world that has coordinates.
/** @param {any} box */
function subjectOf(box) {
  const ends = [[box.getSouth(), 90], [box.getWest(), 180], [box.getNorth(), 90], [box.getEast(), 180]];
  const texts = ends.map(([degrees, limit]) => Math.min(limit, Math.max(-limit, degrees)).toFixed(6));
  return `area:${texts.join(",")}`;
}

/** @param {Position[]} positions */
function take(positions) {
  for (const position of positions) {
    if (!vans.get(position.driver_id) && vans.all.length >= mostMarkers) truncated = true;
    else if (vans.place(position) && position.driver_id === followed) goAlong();
  }
  // Who comes only now is looked for too.
  if (answered) fitAll();
}

/** @param {Departure} departure */
function letGo({ driver_id, subject, gone }) {
  const van = vans.get(driver_id);
  if (!van || !gone) return;
  // One that fell silent is in no new box, yet stays where it was last seen.
  if (subject !== area && van.state === "offline" && !isFar(van)) return;
  vans.remove(driver_id);
}

/** @param {import("./markers.js").Van} van */
const isFar = ({ position }) => !map.getBounds().pad(0.1).contains(position);

// Follows a driver, or nobody; choosing the same one again lets go.
/** @param {string} id */
function follow(id) {
  if (isWatchedAlone(followed)) client?.unsubscribe([`driver:${followed}`]);
  vans.get(followed)?.element.querySelector(".day-button")?.remove();
  followed = id === followed ? "" : id;
  vans.select(followed);
  rows.select(followed);
  const van = vans.get(followed);
  if (!van) return;
  if (isWatchedAlone(followed)) client?.subscribe([`driver:${followed}`]);
  // For the pointer only: the list has the same for everybody.
  const button = dayButton(van.id, openDay);
  button.tabIndex = -1;
  button.ariaHidden = "true";
  L.DomEvent.disableClickPropagation(button);
  van.element.append(button);
  map.setView(van.drawn, Math.max(15, map.getZoom()));
}

/** @param {string} id */
function openDay(id) { day.open(id); }

function leaveFleet() {
  follow("");
  viewBefore = firstLook ? null : { center: map.getCenter(), zoom: map.getZoom() };
}

/** @param {string} id the driver whose day was shown */
function returnToFleet(id) {
  if (viewBefore) map.setView(viewBefore.center, viewBefore.zoom, { animate: false });
  else firstLook = true;
  fitAll();
  rows.focus(id);
}

// Watched by its own name a driver stays on the map wherever it goes. A session sees nothing but what it names.
/** @param {string} id */
const isWatchedAlone = (id) => id !== "" && !credential.isLink && !subjects.includes(`driver:${id}`);

// Moves the map as the followed marker glides, so that it stays in the middle.
function goAlong() {
  const van = vans.get(followed);
  if (!van) return;
  const lasts = van.glide?.lasts ?? 0;
  map.panTo(van.position, { animate: lasts > 0, duration: lasts / 1000, easeLinearity: 1, noMoveStart: true });
}

/** @typedef {Error & {status?: number}} Refusal */

// Follows the driver of that name, wherever it is.
/** @param {string} text */
async function search(text) {
  if (text === "") return;
  const id = rows.firstMatch;
  if (id) return id === followed ? undefined : follow(id);
  try {
    const position = await ask(`/v1/drivers/${encodeURIComponent(text)}/position`);
    vans.place(position);
    follow(text);
    refresh();
  } catch (error) {
    const { status = 0, message } = /** @type {Refusal} */ (error);
    if (status === 404 || status === 400) notice(`No ${driverWord()} “${text}” has a position.`);
    else if (status === 403) notice(`This key may not see “${text}”.`);
    else notice(status === 0 ? "The gateway cannot be reached." : message);
  }
}

/** @param {string} path */
async function ask(path) {
  const response = await fetch(path, { headers: { Authorization: `Bearer ${credential.token}` }, cache: "no-store" });
  if (response.ok) return response.json();
  const { detail, title } = await response.json().catch(() => ({}));
  const { status } = response;
  throw Object.assign(new Error(`The gateway answered ${status}: ${detail ?? title ?? ""}`), { status });
}

function refresh() {
  rows.refresh();
  byId("map").classList.toggle("crowded", vans.all.length > crowd);
  const count = { live: 0, stale: 0, offline: 0 };
  for (const { state } of vans.all) count[state] += 1;
  const total = vans.all.length;
  const parts = Object.entries(count).filter(([, number]) => number > 0).map(([state, number]) => `${number} ${state}`);
  const more = truncated ? ". There are more: zoom in to see all" : "";
  setText(byId("summary"), total === 0 ? `No ${driverWord(2)} in view` : `${total} in view: ${parts.join(", ")}${more}`);
  showConnection(client?.state);
}

start(credential.token);
