// Types of /drover.js, served beside it at /drover.d.ts. The protocol itself is described in /asyncapi.yaml.

/** A driver's newest accepted ping. Unknown members are absent. */
export interface Position {
  driver_id: string;
  /** Those that one watches and that lead to the driver: `driver:ID`, `order:ID`, `group:ID`, `area:…`. */
  subjects?: string[];
  /** The device's fix time, epoch milliseconds. */
  recorded_at: number;
  /** Degrees north, WGS84. */
  lat: number;
  /** Degrees east, WGS84. */
  lng: number;
  /** Metres a second. */
  speed?: number;
  /** Degrees clockwise from true north, in [0, 360). */
  heading?: number;
  /** Radius in metres. */
  accuracy?: number;
  /** Metres from the place that was asked about; in answers of `GET /v1/drivers?near=` alone. */
  distance_m?: number;
}

/** Whether a driver is heard of. */
export interface Status {
  driver_id: string;
  subjects?: string[];
  state: "live" | "stale" | "offline";
  /** Fix time of the newest position, epoch milliseconds. */
  last_recorded_at?: number;
  /** Why it is not live. With `clock` the device's clock is ahead by `clock_offset_ms`. */
  reason?: "no_ping" | "reconnecting" | "disconnected" | "ended" | "low_accuracy" | "clock" | "erased" | "off_shift";
  clock_offset_ms?: number;
}

/** When a driver will be there with an order. */
export interface Arrival {
  /** `order:ID`. */
  subject: string;
  driver_id: string;
  /** The destination's degrees north, WGS84. */
  lat: number;
  /** The destination's degrees east, WGS84. */
  lng: number;
  /** Epoch milliseconds on the server's clock: less `serverNow()` it is what is left. */
  arrives_at: number;
  /** The straight line that is left, in metres. */
  remaining_m: number;
  /** What the estimate is worth: three minutes of movement stand behind `high`, hardly anything behind `low`. */
  confidence: "high" | "medium" | "low";
  /** How far the order has come; it never goes back with one driver. */
  stage: "assigned" | "departed" | "arriving_soon" | "arriving" | "arrived";
}

/** What happened to a subject. */
export interface SubjectEvent {
  type: "assigned" | "departed" | "arriving_soon" | "arriving" | "arrived" | "ended";
  subject: string;
  /** Epoch milliseconds. */
  at: number;
}

/** A driver that a subject does not lead to any more. */
export interface Departure {
  driver_id: string;
  subject: string;
  /** No other watched subject leads to the driver: take it off the map. */
  gone: boolean;
}

/** The connection. */
export interface State {
  name: "connecting" | "live" | "waiting" | "closed";
  /** When the next attempt is due, on this device's clock (`Date.now()`). */
  retryAt?: number;
  /** The WebSocket close code that led here. */
  code?: number;
  reason?: string;
}

/** What the token is good for. */
export interface Terms {
  /** Epoch milliseconds; null: without end. */
  expires_at: number | null;
  /** Null: not limited. */
  subjects: string[] | null;
}

/** What each event brings: the argument of an `on` listener, the `detail` of an `addEventListener` one. */
export interface DroverEvents {
  /** The connection changed. */
  state: State;
  /** In `recorded_at` order a driver; after a reconnection some may repeat: compare `recorded_at`. `snapshot`: all there is
   * for `subject` (a long one in several events), not a change. What was missed while the connection was away is a change
   * too. */
  positions: { positions: Position[]; snapshot: boolean; subject?: string };
  /** The server says so, a snapshot lacks them, or the subject is not watched now. */
  left: { left: Departure[] };
  /** Subjects that are not watched (any more), each with its error code. */
  refused: { refused: Record<string, string> };
  /** The server has taken another token. */
  renewed: Terms;
  /** Drivers that are live, stale or offline now. */
  status: { status: Status[] };
  /** What happened to orders. */
  events: { events: SubjectEvent[] };
  /** When orders that are watched will be there: at the subscription, then every few seconds and at each stage. */
  arrivals: { arrivals: Arrival[] };
  /** Positions may have been missed: the newest of each driver follows. */
  missed: { subjects: string[] };
  /** The permission ends in so many seconds, and the connection with it. */
  expiring: { in_s: number };
}

/** Live positions over one connection that comes back by itself. */
export declare class DroverClient extends EventTarget {
  constructor(options: {
    /** A tracking session's token or a key. */
    token: string;
    /** `wss://…/v1/track`; by default of the server that the page came from. */
    url?: string;
    /** Most updates a second of each driver. */
    maxRateHz?: number;
  });
  /** Listens, as `addEventListener` does, and is handed the event's detail. */
  on<Type extends keyof DroverEvents>(type: Type, listener: (detail: DroverEvents[Type]) => void): void;
  readonly state: State;
  /** What the token is good for, as the last log-in said. */
  readonly terms: Terms;
  /** Server clock minus this device's clock, ms; 0 until the server has spoken. */
  readonly clockOffset: number;
  /** The server's time, epoch ms: less a `recorded_at` it is an honest age. */
  serverNow(): number;
  /** Opens the connection and keeps it open until `close()` or a refusal that a retry cannot mend. */
  connect(): void;
  /** Ends the connection for good. What the server had confirmed is kept for a later `connect()`. */
  close(): void;
  /** Watches subjects until `unsubscribe`. Resolves once the server has answered for each of them, however many
   * reconnections that takes; what was refused is no longer watched. */
  subscribe(subjects: Iterable<string>): Promise<{ subscribed: string[]; refused: Record<string, string> }>;
  unsubscribe(subjects: Iterable<string>): void;
  /** Goes on with another token, without a break where the connection is open. Rejects where the server does not take it,
   * which ends the connection. */
  renew(token: string): Promise<Terms>;
}

/** Where to draw a driver between two positions. `now` is any clock in ms that only goes forward: `performance.now()`. */
export declare class Glide {
  constructor(position: GlidePosition, now: number);
  /** Sets out for the next position, and says whether it was one: an older one, or the same again, changes nothing. */
  move(position: GlidePosition, now: number): boolean;
  /** Where the driver is to be drawn; `moving` is false once it has arrived. */
  at(now: number): { lat: number; lng: number; heading: number | null; moving: boolean };
  /** Whoever wants no motion on the screen sees drivers jump from place to place. */
  still: boolean;
}

/** What a glide needs of a position. */
export type GlidePosition = Pick<Position, "lat" | "lng" | "recorded_at" | "heading">;
