/// What a ping, a delivery and a row cost: measured by `bench/run`, `bench/workers` and on private servers. Microseconds
/// are of one core of the machine that they were measured on; a record of one's own takes their place.

struct CapacityCosts: Equatable {
    /// Where the numbers are from.
    var source = "the README's figures of 2026-11-21, AMD EPYC"

    // Of `bench/run`, by the goals' ids.
    /// Gateway CPU a ping, one a frame, acknowledged one by one, µs (`ingest.one`).
    var ping = 21.9
    /// Gateway CPU a delivery to a viewer of one driver, µs (`fanout.one`).
    var delivery = 6.25
    /// Gateway CPU an update to a viewer of many, µs (`fanout.fifty`).
    var update = 1.28
    /// Resident memory of an idle viewer, KB (`viewer.memory`).
    var viewerKB = 2.34
    /// Redis CPU a ping at 1 Hz and at 10 Hz a driver, one gateway alone, µs (`redis.1hz`, `redis.10hz`).
    var redisSlow = 4.40
    var redisFast = 2.39
    /// Postgres CPU a row, µs (`postgres.row`).
    var row = 3.92
    /// Rows a second that one Postgres backend takes from the journal (`recovery`).
    var rowsPerSecond = 225_323.0

    // Of `bench/workers --json FILE`, on the same machine on 2026-11-22.
    /// What a ping costs Redis more where gateways share it (a hash is only written over by a newer position), µs.
    var redisShared = 5.0
    /// Gateway CPU a position that comes over the bus, µs.
    var busPosition = 8.0
    /// Redis CPU a position that goes to one listening process, µs.
    var busDelivery = 1.9

    // Of private servers, once (see bench/README.md).
    /// Kernel memory of a connected socket, KB: 8,000 on loopback, Linux 6.18.
    var socketKB = 3.9
    /// Redis memory a driver: the hash with its life, and its place in the GEO set; ids of 36 bytes.
    var redisBytes = 489.0
    /// Bytes of a row in the table and in its primary key: 10,000 drivers with ids of 36 bytes, 300 pings each.
    var tableBytes = 134.0
    var keyBytes = 110.0
    /// Bytes of write-ahead log a row, in transactions of 200 ms.
    var logBytes = 319.0

    // By arithmetic.
    /// Bytes of a ping in the journal beside its driver's id: 49, and 36 of its driver's share of a group.
    static let journalBytes = 49.0 + 36
    /// Bytes of a ping's JSON with its frame's head; of an acknowledgement; of a push of one driver; of a further driver in
    /// it.
    static let pingFrame = 123.0
    static let acknowledgementFrame = 13.0
    static let pushFrame = 254.0
    static let furtherUpdate = 190.0
    /// Ethernet, IPv4 and TCP with time stamps.
    static let packet = 66.0
    /// Most sockets of a process that are planned: LimitNOFILE of config/systemd is 65,536.
    static let socketsPerProcess = 50_000.0

    /// The same with what a record has measured.
    init(_ records: [Record] = [], named name: String = "") {
        guard !records.isEmpty else { return }
        source = name
        for case .figure(let figure) in records where !figure.isVoid && figure.measured > 0 {
            switch figure.goal ?? figure.what {
            case "ingest.one": ping = figure.measured
            case "fanout.one": delivery = figure.measured
            case "fanout.fifty": update = figure.measured
            case "viewer.memory": viewerKB = figure.measured
            case "redis.1hz": redisSlow = figure.measured
            case "redis.10hz": redisFast = figure.measured
            case "postgres.row": row = figure.measured
            case "recovery": rowsPerSecond = figure.measured
            case BusFigure.sharedPing: redisShared = figure.measured
            case BusFigure.position: busPosition = figure.measured
            case BusFigure.delivery: busDelivery = figure.measured
            default: break
            }
        }
    }

    /// Redis CPU a ping at a rate, µs: what is written and published at most four times a second is shared by more pings.
    func redis(hertz: Double) -> Double {
        let part = min(1, max(0, (hertz - 1) / 9))
        return redisSlow + (redisFast - redisSlow) * part
    }
}

/// What `bench/workers` calls the figures that a plan is made of.
enum BusFigure {
    static let sharedPing = "Redis CPU a ping, more than alone"
    static let position = "gateway CPU a position over the bus"
    static let delivery = "Redis CPU a position to one process"
}
