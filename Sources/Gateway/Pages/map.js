// The customer's page: watches the subjects that the link names and keeps them in view.

import { DroverClient } from "/drover.js";
import { createMap } from "./ground.js";
import { Vans } from "./markers.js";
import { DriverRows } from "./rows.js";
import {
  Credential, askForKey, byId, exposeToTests, loadSettings, notice, refusalWords, showConnection,
} from "./page.js";

const settings = await loadSettings();
const credential = new Credential("drover.map");
const map = createMap(byId("map"), settings);
/** @type {DroverClient|null} */ let client = null;
const vans = new Vans(map, settings, () => client?.serverNow() ?? Date.now(), ({ id }) => lookAt(id));
const rows = new DriverRows(byId("drivers"), vans, lookAt);
/** The map goes along with the drivers until somebody drags it. */
let following = true;

exposeToTests(map, vans, () => client);
map.on("dragstart", () => setFollowing(false));
byId("recenter").onclick = () => {
  setFollowing(true);
  frame(true);
};
setInterval(() => {
  rows.refresh();
  showConnection(client?.state);
}, 1000);

open(credential.token || await askForKey(""));

/** @param {string} token */
function open(token) {
  credential.keep(token);
  client = new DroverClient({ token });
  let wasLive = false;
  client.on("positions", ({ positions }) => take(positions));
  client.on("status", ({ status }) => status.forEach(vans.report, vans));
  client.on("left", ({ left }) => {
    for (const { driver_id } of left) vans.remove(driver_id);
    rows.refresh();
  });
  client.on("refused", ({ refused }) => tell(`This key may not watch ${Object.keys(refused).join(", ")}.`));
  client.on("expiring", ({ in_s }) => tell(`This link ends in ${in_s} s.`));
  client.on("state", async (state) => {
    showConnection(state);
    if (state.name === "live" && !wasLive) {
      wasLive = true;
      watch();
    }
    if (state.name !== "closed") return;
    const why = refusalWords(state.code, state.reason);
    if (wasLive) tell(state.code === 4401 ? "This link has ended." : why);
    else open(await askForKey(why));
  });
  client.connect();
}

async function watch() {
  const subjects = watchedSubjects();
  if (subjects.length === 0) return tell("This link names nobody to watch.");
  await client?.subscribe(subjects);
  rows.refresh();
  if (vans.all.length === 0 && byId("notice").hidden) tell("No position yet. It will appear here.");
}

/** What to watch: what the link says. A tracking session that names its own subjects is asked here, once it does. */
function watchedSubjects() {
  return credential.subjects;
}

/** @param {import("/drover.js").Position[]} positions */
function take(positions) {
  const before = vans.all.length;
  const moved = positions.filter((position) => vans.place(position)).length > 0;
  if (vans.all.length > before) {
    tell("");
    byId("card").hidden = false;
    rows.refresh();
    // Nothing is gained by flying in from where nobody is.
    frame(true, before > 0);
  } else if (moved) {
    frame(false);
  }
}

// Brings the drivers into view where one has left it, or in any case when told to.
/** @param {boolean} anyway @param {boolean} [animate] */
function frame(anyway, animate = true) {
  const targets = vans.all.map(({ position }) => L.latLng(position.lat, position.lng));
  if (!following || targets.length === 0) return;
  const card = byId("card");
  // The card is below the drivers on a phone, and beside them elsewhere.
  const wide = card.offsetWidth > innerWidth * 0.7;
  const paddingTopLeft = L.point(60 + (wide ? 0 : card.offsetWidth), 70);
  const paddingBottomRight = L.point(60, 50 + (wide ? card.offsetHeight : 0));
  const inner = L.bounds(paddingTopLeft, map.getSize().subtract(paddingBottomRight));
  if (!anyway && targets.every((target) => inner.contains(map.latLngToContainerPoint(target)))) return;
  map.fitBounds(L.latLngBounds(targets), {
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

/** @param {string} text "" for nothing */
function tell(text) {
  notice(text);
  byId("card").hidden = text === "" && vans.all.length === 0;
}
