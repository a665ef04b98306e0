// A stand-in for the Glide of /drover.js.

const shortestGlide = 100;
const longestGlide = 5_000;
const glideSlack = 1.1;

export class Glide {
  still = false;
  #from; #to; #since; #lasts = 0; #interval = 0; #arrivedAt; #at; #turn;
  constructor(position, now) {
    this.#from = this.#to = position;
    this.#since = this.#arrivedAt = now;
    this.#at = { lat: position.lat, lng: position.lng, heading: position.heading ?? null, moving: false };
  }
  move(position, now) {
    if (position.recorded_at <= this.#to.recorded_at) return false;
    const at = this.at(now);
    const gap = Math.min(now - this.#arrivedAt, position.recorded_at - this.#to.recorded_at);
    if (now - this.#arrivedAt > 5) this.#interval = this.#interval === 0 ? gap : (this.#interval + gap) / 2;
    this.#from = { lat: at.lat, lng: at.lng };
    this.#to = position;
    this.#since = this.#arrivedAt = now;
    const near = Math.abs(position.lng - at.lng) < 180;
    this.#lasts = near && !this.still ? Math.min(longestGlide, Math.max(shortestGlide, this.#interval * glideSlack)) : 0;
    return true;
  }
  at(now) {
    const part = this.#lasts > 0 ? Math.min(1, Math.max(0, (now - this.#since) / this.#lasts)) : 1;
    const { lat, lng } = this.#to;
    const heading = this.#to.heading ?? null;
    if (part >= 1) return { lat, lng, heading, moving: false };
    return { lat: this.#from.lat + (lat - this.#from.lat) * part, lng: this.#from.lng + (lng - this.#from.lng) * part,
      heading, moving: true };
  }
}
