// The customer's page: watches what the link is for, keeps it in view, and says how it stands until it is over.

import { DroverClient } from "/drover.js";
import { createMap } from "./ground.js";
import { Goals } from "./goals.js";
import { arrivedWords, broughtCode, endWords, headline, topicWords } from "./headline.js";
import { Vans } from "./markers.js";
import { DriverRows } from "./rows.js";
import { Trails } from "./trails.js";
import {
  Credential, askForKey, byId, exposeToTests, loadSettings, notice, refusalWords, say, setText, showConnection,
} from "./page.js";
import { aWord, capital, driverWord, lengthWords, ownName } from "./words.js";

/** @typedef {import("/drover.js").Position} Position */

/** How long a hand-over stays told, ms. */
const newsLasts = 12_000;
/** Which step of the card a stage is. */
const steps = ["assigned", "departed", "arriving", "arrived"];

// First of all, so that the token leaves the address at once.
const credential = new Credential("drover.map");
const settings = await loadSettings();
const map = createMap(byId("map"), settings);
/** @type {DroverClient|null} */ let client = null;
const vans = new Vans(map, settings, () => client?.serverNow() ?? Date.now(), ({ id }) => lookAt(id), nameOf);
const rows = new DriverRows(byId("drivers"), vans, lookAt);
const trails = new Trails(map, vans, settings.track_gap_s * 1000);
const goals = new Goals(map);
/** What is watched, once the server has said what the link is for. */
/** @type {string[]} */ let subjects = [];
/** The server has answered who is watched. */
let answered = false;
/** Where there are several drivers, each has a number. */
/** @type {Map<string, number>} */ let numbers = new Map();
/** Somebody was on the map before. */
let hadSomebody = false;
/** The map goes along with the drivers until somebody drags it. */
let following = true;
/** Nothing more is shown. */
let isOver = false;
/** When the link ends is told from its last minute on. */
let expiring = false;
let newsTimer = 0;

exposeToTests(map, vans, () => client);
Object.assign(/** @type {any} */ (window).droverTest, { trail: () => trails.size });
map.on("dragstart", () => setFollowing(false));
byId("recenter").onclick = () => {
  setFollowing(true);
  frame(true);
};
setInterval(refresh, 1000);

if (credential.ended) finish(credential.ended, true);
else open(credential.token || await askForKey(""));

/** @param {string} token */
function open(token) {
  credential.keep(token);
  const current = new DroverClient({ token });
  client = current;
  let wasLive = false;
  answered = false;
  current.on("positions", ({ positions }) => take(positions));
  current.on("status", ({ status }) => {
    status.forEach(vans.report, vans);
    refresh();
  });
  current.on("left", ({ left }) => {
    for (const { driver_id, subject, gone } of left) {
      goals.leave(driver_id, subject);
      if (gone) vans.remove(driver_id);
    }
    refresh();
  });
  current.on("arrivals", ({ arrivals }) => {
    const before = goals.places.length;
    goals.take(arrivals, current.serverNow());
    refresh();
    frame(goals.places.length > before);
  });
  current.on("events", ({ events }) => events.forEach(tellEvent));
  current.on("refused", ({ refused }) => notice(`This link may not watch ${Object.keys(refused).join(", ")}.`));
  current.on("expiring", ({ in_s }) => {
    expiring = true;
    say(`This tracking ends in ${lengthWords(in_s * 1000)}.`);
    refresh();
  });
  current.on("renewed", () => { expiring = false; });
  current.on("state", async (state) => {
    if (state.name === "live" && !wasLive) {
      wasLive = true;
      watch(current);
    }
    refresh();
    if (state.name !== "closed") return;
    if (wasLive || credential.isLink) return finish(state.code ?? 0, wasLive);
    open(await askForKey(refusalWords(state.code, state.reason)));
  });
  current.connect();
}

/** @param {DroverClient} current */
async function watch(current) {
  // A prefix is no subject that one could watch.
  const covered = (current.terms.subjects ?? []).filter((name) => !name.endsWith("*"));
  subjects = credential.subjects.length > 0 ? credential.subjects.map(ownName) : covered;
  setText(byId("topic"), topicWords(subjects));
  if (subjects.length === 0) return notice("This link names nobody to watch.");
  await current.subscribe(subjects);
  answered = true;
  refresh();
}

/** @param {Position[]} positions */
function take(positions) {
  const before = vans.all.length;
  const wereLive = vans.all.every(({ state }) => state === "live");
  const moved = positions.filter((position) => {
    const van = vans.get(position.driver_id);
    if (van && position.recorded_at > van.position.recorded_at) trails.leave(van);
    return vans.place(position);
  }).length > 0;
  trails.follow();
  if (vans.all.length > before) {
    // Who comes later is flown to; nothing is gained by flying in from where nobody ever was.
    refresh();
    frame(true, hadSomebody);
    hadSomebody = true;
  } else if (moved) {
    // Who is back is told at once, all else by the next second.
    if (!wereLive) refresh();
    frame(false);
  }
}

/** @param {import("/drover.js").SubjectEvent} event */
function tellEvent(event) {
  const { type, subject } = event;
  goals.hear(event);
  if (type === "ended") ended(subject);
  if (type === "assigned") tellNews(
    hadSomebody ? `A new ${driverWord()} has taken over.` : `${capital(aWord(driverWord()))} is assigned.`,
  );
  if (type === "departed") tellNews(`The ${driverWord()} is on the way.`);
  if (type === "arriving") tellNews(`The ${driverWord()} is about to arrive.`);
  if (type === "arrived") tellNews(`The ${driverWord()} has arrived.`);
}

// Nobody carries the order any more: where it was brought all is done, else somebody may take it over.
/** @param {string} subject */
function ended(subject) {
  const at = goals.arrivedAt(subject);
  const others = subjects.filter((other) => other !== subject && goals.arrivedAt(other) === undefined);
  if (at !== undefined && others.length === 0 && credential.isLink) {
    finish(broughtCode, true, arrivedWords(at));
    return client?.close();
  }
  // Only after this event is the subject let go of.
  if (subject.startsWith("order:") && at === undefined) setTimeout(() => client?.subscribe([subject]));
}

// Tells something that is news for a moment only.
/** @param {string} text */
function tellNews(text) {
  notice(text);
  clearTimeout(newsTimer);
  newsTimer = setTimeout(() => notice(""), newsLasts);
}

// The link is good for nothing any more: nothing is asked, nobody is shown.
/** @param {number} code the WebSocket close code @param {boolean} wasLive
 * @param {import("./headline.js").Headline} [words] what to say instead of that */
function finish(code, wasLive, words = credential.isLink || credential.ended ? endWords(code, wasLive)
  : { title: "This map has ended", details: refusalWords(code) }) {
  if (isOver) return;
  isOver = true;
  credential.end(code);
  document.body.classList.toggle("arrived", code === broughtCode);
  for (const { id } of vans.all) vans.remove(id);
  goals.clear();
  trails.refresh();
  rows.refresh();
  clearTimeout(newsTimer);
  notice("");
  document.body.dataset.phase = "ended";
  showCard(words);
  say(`${words.title}. ${words.details}`);
  byId("expiry").hidden = byId("recenter").hidden = true;
}

/** Brings all that is said up to the clock and the connection. */
function refresh() {
  if (!client || isOver) return;
  number();
  rows.refresh();
  // "Live" beside a driver that is not would be a lie.
  showConnection(client.state, vans.all.some(({ state }) => state === "live") ? "Live" : "Connected");
  const { length } = vans.all;
  document.body.dataset.phase = length > 0 ? "seen" : "waiting";
  const words = headline({
    isLive: client.state.name === "live", isAnswered: answered, subjects, awaited: vans.awaited, vans: vans.all,
    ageOf: (van) => vans.ageOf(van), nameOf, forecastOf,
  });
  showCard(words);
  showSteps();
  trails.refresh();
  byId("card").dataset.state = length === 1 && client.state.name === "live" ? vans.all[0].state : "";
  // One driver is described by the headline already.
  byId("drivers").hidden = length === 0 || (length === 1 && credential.isLink);
  const { expires_at } = client.terms;
  const left = expires_at === null ? Infinity : expires_at - client.serverNow();
  byId("expiry").hidden = !expiring || left > 90_000;
  setText(byId("expiry"), `This tracking ends in ${lengthWords(Math.max(0, left))}.`);
}

/** @param {import("./headline.js").Headline} words */
function showCard({ title, details }) {
  setText(byId("headline"), title);
  setText(byId("details"), details);
  byId("card").hidden = false;
}

// When a driver will be there; null where that is not known.
/** @param {import("./markers.js").Van} van @returns {import("./headline.js").Prospect|null} */
function forecastOf(van) {
  const next = goals.nextOf(van.id);
  if (!next || !client) return null;
  const { remaining_m, stage } = next.arrival;
  return { ...next.forecast.words(next.arrival, client.serverNow(), nameOf(van.id)), remaining: remaining_m, stage };
}

// Only of one driver: of several each is elsewhere.
function showSteps() {
  const stage = vans.all.length === 1 ? goals.nextOf(vans.all[0].id)?.arrival.stage : undefined;
  byId("steps").hidden = stage === undefined;
  const current = steps.indexOf(stage === "arriving_soon" ? "arriving" : stage ?? "");
  [...byId("steps").children].forEach((step, index) => {
    step.classList.toggle("done", index < current);
    if (index === current) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
}

// A customer knows no driver's id.
/** @param {string} id */
function nameOf(id) {
  if (!credential.isLink) return id;
  return numbers.size < 2 ? `Your ${driverWord()}` : `${capital(driverWord())} ${numbers.get(id) ?? numbers.size + 1}`;
}

function number() {
  numbers = new Map(vans.all.map(({ id }) => id).sort().map((id, index) => [id, index + 1]));
}

// Brings the drivers and where they go into view where one has left it, where all could be seen much larger, or in any
// case when told to.
/** @param {boolean} anyway @param {boolean} [animate] */
function frame(anyway, animate = true) {
  const drivers = vans.all.map(({ position }) => L.latLng(position.lat, position.lng));
  if (!following || drivers.length === 0) return;
  const targets = [...drivers, ...goals.places];
  const card = byId("card");
  // The card is below the drivers on a phone, and beside them elsewhere.
  const wide = card.offsetWidth > innerWidth * 0.7;
  const paddingTopLeft = L.point(60 + (wide ? 0 : card.offsetWidth), 70);
  const paddingBottomRight = L.point(60, 50 + (wide ? card.offsetHeight : 0));
  const inner = L.bounds(paddingTopLeft, map.getSize().subtract(paddingBottomRight));
  const bounds = L.latLngBounds(targets);
  const padding = paddingTopLeft.add(paddingBottomRight);
  const isSmall = targets.length > 1 && Math.min(17, map.getBoundsZoom(bounds, false, padding)) >= map.getZoom() + 1;
  if (!anyway && !isSmall && targets.every((target) => inner.contains(map.latLngToContainerPoint(target)))) return;
  map.fitBounds(bounds, {
    paddingTopLeft, paddingBottomRight,
    maxZoom: targets.length > 1 ? 17 : anyway ? Math.max(16, map.getZoom()) : map.getZoom(),
    animate: animate && !matchMedia("(prefers-reduced-motion: reduce)").matches,
  });
}

/** @param {string} id */
function lookAt(id) {
  const van = vans.get(id);
  if (!van) return;
  setFollowing(vans.all.length === 1);
  map.setView(van.drawn, Math.max(16, map.getZoom()));
}

/** @param {boolean} on */
function setFollowing(on) {
  following = on;
  byId("recenter").hidden = on || vans.all.length === 0;
}
