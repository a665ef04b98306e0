/// The goals, in the order of the design's table "Numbers to reach", each with what would be done next where it is missed.

/// One goal.
struct Goal {
    /// How a figure is held against the limit.
    enum Limit {
        /// The figure is at most so many times its floor, or its peer.
        case ratio(Double)
        /// It is at least so many times its floor.
        case leastRatio(Double)
        /// The floor, which is a peer, costs at least so many times as much.
        case timesLess(Double)
        /// It is at most this, in its own unit.
        case value(Double)
        /// It is at least this, in its own unit.
        case leastValue(Double)
    }

    let id: String
    /// What is measured.
    let text: String
    let limit: Limit
    /// What a ratio is to.
    let floor: String
    /// Where the goal comes from.
    let source: String
    /// What would be next where it is not reached.
    let next: String

    func isReached(by figure: Figure) -> Bool {
        switch limit {
        case .ratio(let most): (figure.ratio ?? .infinity) <= most
        case .leastRatio(let least): (figure.ratio ?? 0) >= least
        case .timesLess(let least): figure.measured > 0 && (figure.floor ?? 0) / figure.measured >= least
        case .value(let most): figure.measured <= most
        case .leastValue(let least): figure.measured >= least
        }
    }

    /// For instance `≤ 1.35 × receive + send`, `≥ 20 × less than FastAPI`, `≤ 25 ms`.
    func limitText(unit: String) -> String {
        let unit = unit.isEmpty ? "" : " \(unit)"
        return switch limit {
        case .ratio(let most): "≤ \(Self.short(most)) × \(floor)"
        case .leastRatio(let least): "≥ \(Self.short(least)) × \(floor)"
        case .timesLess(let least): "≥ \(Self.short(least)) × less than \(floor)"
        case .value(let most): "≤ \(Self.short(most))\(unit)"
        case .leastValue(let least): "≥ \(Self.short(least))\(unit)"
        }
    }

    /// The limit without a unit.
    var limitText: String { limitText(unit: "") }

    /// Without zeros at its end.
    private static func short(_ value: Double) -> String {
        value == value.rounded() ? grouped(decimals(value, 0)) : decimals(value, 2)
    }
}

enum Goals {
    private static let design = "design, numbers to reach"

    static let all: [Goal] = [
        Goal(
            id: "ingest.one", text: "ingest, one ping and one acknowledgement a frame: gateway CPU a ping",
            limit: .ratio(1.35), floor: "(receive + send)", source: design,
            next: "fewer wake-ups a ping: gather what several sockets brought before the journal is woken"),
        Goal(
            id: "ingest.ten", text: "ingest, ten pings a frame: gateway CPU a ping", limit: .ratio(0.3),
            floor: "(receive + send)", source: design,
            next: "fewer journal groups a second, and one pass over a frame's pings from decoder to journal"),
        Goal(
            id: "fanout.one", text: "fan-out, one driver a viewer: gateway CPU a delivery", limit: .ratio(1.2),
            floor: "send", source: design,
            next: "the rest is the kernel's send: more gateways, on more cores"),
        Goal(
            id: "fanout.nchan", text: "the same beside nginx + nchan", limit: .ratio(0.75), floor: "nchan",
            source: design, next: "the same as against the bare send"),
        Goal(
            id: "fanout.nats", text: "the same beside NATS over WebSocket", limit: .ratio(0.5), floor: "NATS",
            source: design, next: "the same as against the bare send"),
        Goal(
            id: "fanout.fifty",
            text: "fan-out, fifty drivers a viewer at 1 Hz, four writes a second: gateway CPU an update",
            limit: .ratio(0.25), floor: "send", source: design,
            next: "compose a frame once a tick for all viewers that watch the same drivers"),
        Goal(
            id: "viewer.memory", text: "idle viewer: resident memory", limit: .value(2.5), floor: "", source: design,
            next: "a smaller receive buffer a viewer, and its state in the library's own session memory"),
        Goal(
            id: "latency.viewer", text: "ping to map at half load, p99 (tick 20 ms)", limit: .value(25), floor: "",
            source: design, next: "a shorter live tick while few positions wait; a lone one already goes at once"),
        Goal(
            id: "latency.ack", text: "acknowledgement at half load, p99", limit: .value(25), floor: "", source: design,
            next: "a shorter journal.group_ms"),
        Goal(
            id: "scale.drivers", text: "CPU a ping from 1,000 to 100,000 drivers: the costliest point beside the first",
            limit: .ratio(Self.flat), floor: "the first, grown as the floor grows", source: design,
            next: "a driver's slot, remembered fixes and rules in one cache line each"),
        Goal(
            id: "scale.viewers",
            text: "CPU a delivery from 1,000 to 15,000 viewers: the costliest point beside the first",
            limit: .ratio(Self.flat), floor: "the first, grown as the floor grows", source: design,
            next: "a viewer's slot beside its library state, so that a delivery touches fewer cache lines"),
        Goal(
            id: "peer.fastapi",
            text: "the stack a team would write first (FastAPI + redis + asyncpg), at 800 pings a second: CPU a ping",
            limit: .timesLess(20), floor: "FastAPI", source: design,
            next: "at a rate this low each ping wakes the loop and every eighth the disk: a longer journal.group_ms"),
        Goal(
            id: "redis.1hz", text: "Redis CPU a ping at 1 Hz a driver", limit: .ratio(1.1),
            floor: "HSET + GEOADD + PUBLISH at the same pace", source: design,
            next: "a longer live tick for the bus than for viewers: fewer wake-ups of Redis"),
        Goal(
            id: "redis.10hz", text: "Redis CPU a ping at 10 Hz a driver", limit: .ratio(0.4),
            floor: "HSET + GEOADD + PUBLISH of every ping at the same pace", source: design,
            next: "a longer redis.write_interval_ms"),
        Goal(
            id: "postgres.row", text: "Postgres CPU a row", limit: .ratio(1.2), floor: "psql COPY", source: design,
            next: "larger transactions, so that a page of the primary key is touched once for more rows"),
        Goal(
            id: "recovery", text: "recovery: rows a second from the journal into Postgres", limit: .leastRatio(0.5),
            floor: "psql COPY", source: design, next: "encode the next batch while Postgres commits the last"),
        Goal(
            id: "row.lag", text: "ping to row, p99", limit: .value(1_000), floor: "", source: "interface, Postgres",
            next: "smaller transactions while the history is not behind"),
        Goal(
            id: "allocations.ping", text: "allocations a ping, on the loop, over a million pings", limit: .value(0.01),
            floor: "",
            source: "design, decision 5",
            next: "count by caller with ltrace or heaptrack, and move each out of the path"),
        Goal(
            id: "allocations.delivery", text: "allocations a delivery, on the loop", limit: .value(0.01), floor: "",
            source: "design, decision 5",
            next: "count by caller with ltrace or heaptrack, and move each out of the path"),
        Goal(
            id: "selftest.tail", text: "self-test: a stall of 1 s shows in the acknowledgements' p99.9",
            limit: .leastValue(900), floor: "", source: "open loop", next: "the generator waits for answers: mend it"),
        Goal(
            id: "selftest.body", text: "self-test: the same stall shows in their p80", limit: .leastValue(50),
            floor: "",
            source: "open loop", next: "the generator waits for answers: mend it"),
    ]

    /// What "flat" means here: the costliest point beyond the first costs at most so many times the first, the bare
    /// floor's own growth taken off.
    static let flat = 1.25

    static func named(_ id: String) -> Goal? { all.first { $0.id == id } }
}
