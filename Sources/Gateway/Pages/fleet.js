// The dispatcher's page: who is in view, and how are they? A key that may see everybody watches the box in view; one
// that is limited, or a session, watches what it is limited to.

import { DroverClient } from "/drover.js";
import { DayView } from "./day.js";
import { AreaFilter } from "./fleet-area.js";
import { FleetDetail } from "./fleet-detail.js";
import { FleetDrivers } from "./fleet-drivers.js";
import { GroupFilter, StateFilter } from "./fleet-filter.js";
import { FleetLayer } from "./fleet-layer.js";
import { FleetList } from "./fleet-list.js";
import { Watching } from "./fleet-watch.js";
import { createMap } from "./ground.js";
import { Past } from "./past.js";
import {
  Credential, askForKey, byId, exposeToTests, loadSettings, notice, refusalWords, say, setText, showConnection,
} from "./page.js";
import { aWord, capital, driverWord, groupWord, lengthWords, ownName } from "./words.js";

/** @typedef {import("/drover.js").Position} Position */
/** @typedef {import("./seen.js").Departure} Departure */
/** @typedef {import("./fleet-drivers.js").Driver} Driver */

/** More drivers than these are not taken: the browser would have to hold them all. */
const mostDrivers = 20_000;
/** A followed driver stays within this part of the view. */
const midst = 0.5;
/** After a change of the filters the numbers are told once they have settled, ms. */
const sayingDelay = 400;

// First of all, so that the key leaves the address at once.
const credential = new Credential("drover.fleet");
const settings = await loadSettings();
byId("search").placeholder = `Find ${aWord(driverWord())}`;
byId("search").setAttribute("aria-label", byId("search").placeholder);
byId("group-search").placeholder = `Find ${aWord(groupWord())}`;
byId("group-search").setAttribute("aria-label", byId("group-search").placeholder);
for (const id of ["side", "drivers"]) byId(id).setAttribute("aria-label", capital(driverWord(2)));
const stillness = matchMedia("(prefers-reduced-motion: reduce)");
const map = createMap(byId("map"), settings);
/** @type {DroverClient|null} */ let client = null;
const serverNow = () => client?.serverNow() ?? Date.now();
const drivers = new FleetDrivers(settings, serverNow, mostDrivers);
const area = new AreaFilter(map, () => filtered(true));
const states = new StateFilter(byId("states"), () => filtered(false));
const groups = new GroupFilter(async (ids) => {
  await watching.choose(ids);
  refresh();
  if (ids.length > 0) fit();
  sayCounts();
});
/** @param {Driver} driver */
const isShown = (driver) => driver.id === followed || (states.admits(driver) && area.admits(driver.position));
const layer = new FleetLayer(map, drivers, isShown, (id) => day.isOpen || follow(id));
const list = new FleetList(byId("drivers"), drivers, isShown, follow);
const watching = new Watching(map, area, forgetFar);
const detail = new FleetDetail((driver) => drivers.ageOf(driver), openDay, () => follow(""));
const past = new Past(() => credential.token);
const day = new DayView(map, past, settings.track_gap_s * 1000, serverNow, leaveFleet, returnToFleet);
let followed = "";
/** The map moves with the followed driver until somebody drags it. */
let isGoingAlong = false;
/** Until somebody is found, or the map is moved by hand, everybody is looked for, wherever they are. */
let firstLook = true;
/** What was in view before a driver's day was; null where nobody was found yet. */
/** @type {{center: any, zoom: number}|null} */ let viewBefore = null;
/** The server has told who is there. */
let answered = false;
let sayTimer = 0;

exposeToTests(map, { describe }, () => client, {
  day: () => day.describe(), fleet: () => layer.describe(), frames: () => layer.frames,
});
map.on("dragstart", () => { isGoingAlong = false; });
map.on("movestart", () => { firstLook = watching.isEverywhere = false; });
byId("search").oninput = () => {
  notice("");
  list.filter(byId("search").value);
  sayCounts();
};
byId("search-form").onsubmit = (/** @type {Event} */ event) => {
  event.preventDefault();
  search(byId("search").value.trim());
};
byId("clusters").onclick = () => {
  const isOn = byId("clusters").getAttribute("aria-pressed") === "false";
  byId("clusters").setAttribute("aria-pressed", String(isOn));
  layer.isClustering = isOn;
};
byId("fold").onclick = () => {
  const isFolded = document.body.classList.toggle("folded");
  byId("fold").setAttribute("aria-expanded", String(!isFolded));
  setText(byId("fold"), isFolded ? "Unfold" : "Fold");
  map.invalidateSize({ animate: false });
};
byId("forget").onclick = () => start("");
addEventListener("hashchange", () => { if (client) day.followAddress(); });
addEventListener("keydown", press);
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
  current.on("status", ({ status }) => status.forEach(drivers.report, drivers));
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
  watching.end();
  groups.clear();
  area.clear();
  drivers.clear();
  answered = false;
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
  const named = credential.subjects.length > 0 ? credential.subjects.map(ownName) : covered;
  offerGroups(current);
  if (named.length === 0 && limits) {
    return notice(`This key is limited to ${limits.join(", ")}: find ${driverWord(2)} by their names.`);
  }
  await watching.begin(current, named);
  if (client !== current) return;
  answered = true;
  refresh();
  fitAll();
  watching.look();
}

// A dispatcher does without groups where they cannot be asked for.
/** @param {DroverClient} current */
async function offerGroups(current) {
  const answer = await ask("/v1/groups").catch(() => ({ groups: [] }));
  if (client === current) groups.offer(answer.groups);
}

// Brings everybody into view who was found first.
function fitAll() {
  if (!firstLook || drivers.size === 0 || day.isOpen) return;
  firstLook = watching.isEverywhere = false;
  fit();
}

// Brings everybody into view who is shown.
function fit() {
  const places = [...drivers.all()].filter(isShown).map(({ position }) => position);
  if (places.length === 0) return;
  map.fitBounds(L.latLngBounds(places), { padding: [40, 40], maxZoom: 14, animate: false });
}

/** @param {Position[]} positions */
function take(positions) {
  let isNews = false;
  for (const position of positions) isNews = drivers.place(position) || isNews;
  if (!isNews) return;
  goAlong();
  layer.redraw();
  // Who comes only now is looked for too.
  if (answered) fitAll();
}

/** @param {Departure} departure */
function letGo({ driver_id, subject, gone }) {
  const driver = drivers.get(driver_id);
  if (!driver || !gone) return;
  // One that fell silent is in no new box, yet stays where it was last seen.
  const isOldBox = subject.startsWith("area:") && !watching.subjects.includes(subject) && watching.isByBox;
  if (isOldBox && driver.state === "offline" && !isFar(driver)) return;
  drivers.remove(driver_id);
  layer.arrange();
}

// Another box is watched: who fell silent far from it is of no interest any more.
function forgetFar() {
  for (const driver of drivers.all()) {
    if (driver.state === "offline" && driver.id !== followed && isFar(driver)) drivers.remove(driver.id);
  }
  refresh();
}

/** @param {Driver} driver */
const isFar = ({ position }) => !map.getBounds().pad(0.1).contains(position) && !(area.bounds && area.admits(position));

/** @param {boolean} isByPlace whether it is the area that has changed */
function filtered(isByPlace) {
  if (isByPlace) watching.look();
  refresh();
  sayCounts();
}

// Says how many are left, once.
function sayCounts() {
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => say(`${list.length} ${driverWord(list.length)} listed.`), sayingDelay);
}

// Follows a driver, or nobody; choosing the same one again lets go.
/** @param {string} id */
function follow(id) {
  if (isWatchedAlone(followed)) client?.unsubscribe([`driver:${followed}`]);
  followed = id === followed ? "" : id;
  const driver = drivers.get(followed);
  layer.choose(followed);
  detail.show(driver ?? null);
  list.choose(followed);
  isGoingAlong = driver !== undefined;
  if (!driver) return;
  if (isWatchedAlone(followed)) client?.subscribe([`driver:${followed}`]);
  const { lat, lng } = driver.glide.at(performance.now());
  map.setView([lat, lng], Math.max(15, map.getZoom()), stillness.matches ? { animate: false } : {});
  say(`${driver.id}, ${driver.state}.`);
}

/** @param {string} id */
function openDay(id) { day.open(id); }

function leaveFleet() {
  follow("");
  viewBefore = firstLook ? null : { center: map.getCenter(), zoom: map.getZoom() };
}

/** @param {string} id the driver whose day was shown */
async function returnToFleet(id) {
  list.refresh();
  list.focus(id);
  if (viewBefore) return map.setView(viewBefore.center, viewBefore.zoom, { animate: false });
  firstLook = watching.isEverywhere = true;
  await watching.look();
  refresh();
  fitAll();
}

// Watched by its own name a driver stays on the map wherever it goes. A session sees nothing but what it names.
/** @param {string} id */
const isWatchedAlone = (id) => id !== "" && !credential.isLink && !watching.subjects.includes(`driver:${id}`);

// Moves the map with the followed driver once that is about to leave the middle.
function goAlong() {
  const driver = drivers.get(followed);
  if (!driver || !isGoingAlong || day.isOpen) return;
  if (map.getBounds().pad((midst - 1) / 2).contains(driver.position)) return;
  map.panTo(driver.position, { animate: !stillness.matches, duration: 0.6, noMoveStart: true });
}

/** @typedef {Error & {status?: number}} Refusal */

// Follows the driver of that name, wherever it is.
/** @param {string} text */
async function search(text) {
  if (text === "") return;
  const id = list.firstMatch;
  if (id) return id === followed ? undefined : follow(id);
  try {
    const position = await ask(`/v1/drivers/${encodeURIComponent(text)}/position`);
    drivers.place(position);
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

// Keys that work wherever one is: `/` searches, plus and minus zoom, Escape lets go.
/** @param {KeyboardEvent} event */
function press(event) {
  const { key, target, defaultPrevented, altKey, ctrlKey, metaKey } = event;
  if (defaultPrevented || altKey || ctrlKey || metaKey || day.isOpen || byId("key-dialog").open) return;
  const isTyping = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
  if (key === "Escape" && followed !== "") return follow("");
  if (isTyping) return;
  if (key === "/") {
    event.preventDefault();
    byId("search").focus();
    byId("search").select();
  } else if (target !== map.getContainer()) {
    if (key === "+" || key === "=") map.zoomIn();
    if (key === "-") map.zoomOut();
  }
}

/** Brings everything up to the clock. */
function refresh() {
  const count = { live: 0, stale: 0, offline: 0 };
  for (const driver of drivers.all()) {
    drivers.refresh(driver);
    if (area.admits(driver.position)) count[driver.state] += 1;
  }
  states.tell(count);
  list.refresh();
  layer.arrange();
  detail.refresh();
  setText(byId("summary"), summaryWords(count));
  showConnection(client?.state);
}

/** @param {{live: number, stale: number, offline: number}} count */
function summaryWords(count) {
  if (drivers.size === 0) return `No ${driverWord(2)} in view`;
  const where = area.bounds ? "in the area" : watching.isByBox ? "in view" : "watched";
  const parts = Object.entries(count).filter(([, number]) => number > 0)
    .map(([state, number]) => `${number.toLocaleString("en")} ${state}`);
  const more = drivers.isTruncated ? ". There are more: zoom in to see all" : "";
  const total = count.live + count.stale + count.offline;
  return `${total.toLocaleString("en")} ${where}${total > 0 ? `: ${parts.join(", ")}` : ""}${more}`;
}

/** What browser tests see of each driver. */
function describe() {
  return [...drivers.all()].map((driver) => {
    const { id, position, state, painted, x, y, isInView, cluster } = driver;
    const { lat, lng } = driver.glide.at(performance.now());
    return {
      driver_id: id, lat, lng, targetLat: position.lat, targetLng: position.lng, state, painted, x, y,
      is_in_view: isInView, is_alone: cluster === null, is_shown: isShown(driver), heading: position.heading ?? null,
      speed: position.speed ?? null,
    };
  });
}

start(credential.token);
