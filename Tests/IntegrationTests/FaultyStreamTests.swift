// A stream of which a tenth is wrong in every way the judge knows: exactly the right pings come through.

import DroverClient
import Testing

extension Integration {
    @Suite("A faulty stream")
    struct FaultyStream {
        @Test func `of five thousand pings the right ones are kept, and each refusal has its reason`() throws {
            let gateway = try RunningGateway(settings: ["judge.reject_mock": "true"])
            let key = try gateway.key()
            var stream = FaultyPings(seed: 20_261_121, drivers: 20)
            var sent = 0
            var replies: [String: Int64] = [:]
            // Half over HTTP.
            while sent < 2_500 {
                let batch = stream.next(250)
                let response = try gateway.http(
                    "POST", "/v1/pings", token: key, body: "[" + batch.map(\.json).joined(separator: ",") + "]")
                try #require(response.status == 200, "\(response.text)")
                let reply = try JSON(parsing: response.text)
                for verdict in ["accepted", "late", "duplicate"] {
                    let expected = batch.filter { $0.verdict == verdict }.count
                    #expect(reply[verdict].integer == Int64(expected), "\(verdict) from ping \(sent) on")
                    replies[verdict, default: 0] += reply[verdict].integer ?? 0
                }
                #expect(reply["clamped"].integer == Int64(batch.filter(\.isClamped).count))
                Self.expect(
                    reply["rejected"].array.map { ($0["index"].integer, $0["reason"].string) }, batch, first: 0)
                sent += batch.count
            }
            // Half over one WebSocket, in frames of ten, labelled by place.
            let socket = try gateway.ingest(key)
            var label: Int64 = 0
            while sent < 5_000 {
                let batch = stream.next(10)
                socket.send("[" + batch.map(\.json).joined(separator: ",") + "]")
                let reply = try socket.json()
                #expect(reply["ack"].integer == label + 10)
                Self.expect(
                    reply["rejected"].array.map { ($0["seq"].integer, $0["reason"].string) }, batch, first: label + 1)
                label += 10
                sent += batch.count
            }
            try gateway.awaitHistory()
            let counts = Dictionary(grouping: stream.made, by: \.verdict).mapValues { Double($0.count) }
            // The stream itself is what it says: every way of being wrong is in it.
            #expect(
                Set(counts.keys) == [
                    "accepted", "late", "duplicate", "malformed", "coordinates", "zero_island", "accuracy", "future",
                    "stale", "mock", "jump",
                ])
            let metrics = try gateway.metrics()
            #expect(metrics["drover_pings_received_total"] == 5_000)
            for (verdict, count) in counts {
                let name =
                    ["accepted", "late", "duplicate"].contains(verdict)
                    ? "drover_pings_total{verdict=\"\(verdict)\"}"
                    : "drover_pings_rejected_total{reason=\"\(verdict)\"}"
                #expect(metrics[name] == count, "\(verdict)")
            }
            #expect(metrics["drover_pings_clamped_total"] == Double(stream.made.filter(\.isClamped).count))
            #expect(metrics["drover_history_rows_total{outcome=\"already_there\"}"] == Double(stream.repetitions))
            #expect(metrics["drover_history_rows_total{outcome=\"dead_lettered\"}"] == 0)
            try gateway.expectConservation()
            let rows = try gateway.sql(
                """
                SELECT concat_ws('|', driver_id, (extract(epoch FROM recorded_at) * 1000)::bigint, lat, lng, accuracy,
                    coalesce(speed::text, '-'), flags)
                FROM driver_location_events ORDER BY driver_id COLLATE "C", recorded_at
                """)
            #expect(rows.compactMap { $0 } == stream.rows)
        }

        private static func expect(_ told: [(Int64?, String?)], _ batch: [FaultyPings.Made], first: Int64) {
            let wrong = batch.enumerated().filter { $0.element.isRejected }
            #expect(told.map(\.0) == wrong.map { Int64($0.offset) + first })
            #expect(told.map(\.1) == wrong.map(\.element.verdict))
        }
    }
}

/// Pings with their verdicts, known by how they were made. The same seed makes the same stream, but for its times.
struct FaultyPings {
    struct Made {
        let json: String
        let verdict: String
        var isClamped = false
        var isRejected: Bool { !["accepted", "late", "duplicate"].contains(verdict) }
    }

    private struct Driver {
        let id: String
        var time: Int64
        var step = 0
        var kept: [Int64] = []
        /// How many of the oldest were sent again.
        var repeated = 0
        var lastWasJump = false
    }

    private var random: SeededRandom
    private var drivers: [Driver]
    private let began = now() - 7_200_000
    private(set) var made: [Made] = []
    private var keptRows: [(driver: String, time: Int64, text: String)] = []
    /// Kept pings whose row is there already.
    private(set) var repetitions = 0

    init(seed: UInt64, drivers count: Int) {
        random = SeededRandom(seed: seed)
        let began = began
        drivers = (0..<count).map { Driver(id: "van-\($0)", time: began + Int64($0)) }
    }

    /// What Postgres must hold, in its order.
    var rows: [String] {
        keptRows.sorted { ($0.driver, $0.time) < ($1.driver, $1.time) }.map(\.text)
    }

    mutating func next(_ count: Int) -> [Made] {
        let batch = (0..<count).map { _ in next() }
        made += batch
        return batch
    }

    private mutating func next() -> Made {
        let index = Int.random(in: 0..<drivers.count, using: &random)
        // A tenth is wrong. Nothing can be late, repeated or a jump before there is something to compare with.
        let isWrong = Int.random(in: 0..<10, using: &random) == 0
        guard isWrong, drivers[index].kept.count > 3 else { return good(index) }
        let kinds: [(inout FaultyPings, Int) -> Made] = [
            { $0.malformed($1) },
            { $0.wrong($1, "coordinates") { $0.latitude = 90.5 } },
            { $0.wrong($1, "coordinates") { $0.longitude = -180.5 } },
            { $0.wrong($1, "zero_island") { ($0.latitude, $0.longitude) = (0, 0) } },
            { $0.wrong($1, "accuracy") { $0.accuracy = 0 } },
            { $0.wrong($1, "accuracy") { $0.accuracy = -5 } },
            { $0.wrong($1, "accuracy") { $0.accuracy = 200 } },
            { $0.wrong($1, "future") { $0.recordedAt = now() + 120_000 } },
            { $0.wrong($1, "stale") { $0.recordedAt = now() - 31 * 86_400_000 } },
            { $0.wrong($1, "mock") { $0.extra = ",\"mock\":true" } },
            { $0.jump($1) }, { $0.late($1) }, { $0.repeated($1) }, { $0.longAgo($1) },
        ]
        return kinds[Int.random(in: 0..<kinds.count, using: &random)](&self, index)
    }

    /// The driver's next plausible ping.
    private mutating func plausible(_ index: Int) -> TestPing {
        drivers[index].step += 1
        let step = drivers[index].step
        return TestPing(
            drivers[index].id, at: drivers[index].time + Int64(step) * 10_000,
            latitude: Double(436_500_000 + step * 1_000) / 1e7, longitude: -79.38, accuracy: Double(step % 100) + 0.5)
    }

    private mutating func good(_ index: Int) -> Made {
        var ping = plausible(index)
        let isClamped = Int.random(in: 0..<50, using: &random) == 0
        if Bool.random(using: &random) { ping.speed = isClamped ? 99.5 : 12.5 }
        let isCut = isClamped && ping.speed != nil
        drivers[index].lastWasJump = false
        drivers[index].kept.append(ping.recordedAt)
        keep(ping, flags: isCut ? 1 : 0)
        return Made(json: ping.json, verdict: "accepted", isClamped: isCut)
    }

    private mutating func keep(_ ping: TestPing, flags: Int) {
        let speed = ping.speed.map { $0 > 70 ? "70" : "\($0)" } ?? "-"
        let text =
            "\(ping.driver ?? "")|\(ping.recordedAt)|\(Self.shortest(ping.latitude))|"
            + "\(Self.shortest(ping.longitude))|\(Self.shortest(ping.accuracy))|\(speed)|\(flags)"
        keptRows.append((ping.driver ?? "", ping.recordedAt, text))
    }

    /// As Postgres prints it: without a fraction where there is none.
    private static func shortest(_ value: Double) -> String {
        value == value.rounded() ? "\(Int(value))" : "\(value)"
    }

    private mutating func wrong(_ index: Int, _ reason: String, _ change: (inout TestPing) -> Void) -> Made {
        var ping = plausible(index)
        change(&ping)
        return Made(json: ping.json, verdict: reason)
    }

    private mutating func malformed(_ index: Int) -> Made {
        let ping = plausible(index)
        let forms = [
            "null", "\"\(ping.recordedAt)\"", TestPing(nil, at: ping.recordedAt).json,
            ping.json.replacing("\"accuracy\":", with: "\"accurate\":"),
            ping.json.replacing("\"lat\":", with: "\"lat\":\"north\",\"lat\":"),
            ping.json.replacing("\"recorded_at\":", with: "\"recorded_at\":\"yesterday\",\"was\":"),
            ping.json.replacing("}", with: ",\"source\":\"guess\"}"),
        ]
        return Made(json: forms[Int.random(in: 0..<forms.count, using: &random)], verdict: "malformed")
    }

    /// Half a degree away; never two in a row, so that they cannot agree with each other.
    private mutating func jump(_ index: Int) -> Made {
        guard !drivers[index].lastWasJump else { return good(index) }
        drivers[index].lastWasJump = true
        return wrong(index, "jump") { $0.longitude += 10 }
    }

    /// Between two that were kept.
    private mutating func late(_ index: Int) -> Made {
        let between = drivers[index].kept[drivers[index].kept.count - 2] + Int64(made.count % 9_000) + 1
        var ping = TestPing(drivers[index].id, at: between)
        // Its own place in the row's text; a jump is not judged here.
        ping.latitude = -12.5
        if keptRows.contains(where: { $0.driver == ping.driver && $0.time == between }) { return good(index) }
        keep(ping, flags: 2)
        return Made(json: ping.json, verdict: "late")
    }

    /// One of the last few accepted, again, from elsewhere: nothing of it counts but its time.
    private mutating func repeated(_ index: Int) -> Made {
        let time = drivers[index].kept.suffix(4).randomElement(using: &random) ?? 0
        return Made(json: TestPing(drivers[index].id, at: time, latitude: 10).json, verdict: "duplicate")
    }

    /// One that is older than what is remembered, again: counts as late, adds no row.
    private mutating func longAgo(_ index: Int) -> Made {
        // Each only once: a repetition is remembered like any other ping.
        let old = drivers[index].repeated
        guard drivers[index].kept.count > 100 + old else { return good(index) }
        drivers[index].repeated += 1
        repetitions += 1
        return Made(json: TestPing(drivers[index].id, at: drivers[index].kept[old], latitude: 10).json, verdict: "late")
    }
}
