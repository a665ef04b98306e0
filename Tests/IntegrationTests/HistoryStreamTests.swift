// Long exports: what they cost the gateway and Postgres while somebody reads them slowly, leaves, or loses the right to.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("A long export", .serialized)
    struct HistoryStream {
        private static let rows = wantsLongTests ? 300_000 : 100_000

        /// A gateway with a day's worth of one driver that was written straight into Postgres.
        private static func world(rows: Int = rows) throws -> (gateway: RunningGateway, key: String, start: Int64) {
            let gateway = try RunningGateway()
            let key = try gateway.key("pings:write,history:read")
            try gateway.awaitStores()
            let start = now() / 86_400_000 * 86_400_000
            // The partition is there: it is today's. 3.5 pings a second fill it from midnight to midnight.
            try gateway.sql(
                """
                INSERT INTO driver_location_events (driver_id, recorded_at, lat, lng, accuracy, speed, received_at)
                SELECT 'long', to_timestamp($1::bigint / 1e3) + n * interval '280 milliseconds',
                    43 + round((n * 1e-6)::numeric, 7)::float8, -79, 5, 8.3, now()
                FROM generate_series(0, $2::bigint - 1) n
                """, [String(start), String(rows)])
            return (gateway, key, start)
        }

        private static func request(_ key: String, _ start: Int64) -> String {
            let range = "from=\(start)&to=\(start + 86_400_000)"
            return "GET /v1/drivers/long/history?format=csv&\(range) HTTP/1.1\r\nHost: a\r\n"
                + "Authorization: Bearer \(key)\r\n\r\n"
        }

        private static func residentKiB(_ gateway: RunningGateway) throws -> Int {
            let pid = try #require(gateway.process?.processID)
            let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
            return try #require(Int(line.filter(\.isNumber)))
        }

        /// Transactions that clients hold open for longer than a second, or between two statements.
        private static func heldTransactions(_ gateway: RunningGateway) throws -> Set<String> {
            let held = try gateway.sql(
                """
                SELECT concat_ws(' ', pid, xact_start) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                AND (state LIKE 'idle in transaction%' OR xact_start < now() - interval '1 second')
                """)
            return Set(held.compactMap(\.self))
        }

        /// Reads the reply's head.
        private static func skipHead(_ stream: ByteStream) throws {
            #expect(try stream.takeLine(within: 30) == "HTTP/1.1 200 OK")
            while let line = try stream.takeLine(), !line.isEmpty {}
        }

        /// The next chunk; empty is the last, nil an end without it.
        private static func chunk(_ stream: ByteStream) throws -> [UInt8]? {
            guard let line = try stream.takeLine(within: 30), let size = Int(line, radix: 16) else { return nil }
            guard let bytes = try stream.take(size + 2, within: 30) else { return nil }
            return bytes.dropLast(2)
        }

        /// Counts lines, each of which must be later than the one before.
        private struct Reading {
            var lines = 0
            var chunks = 0
            private var last: ArraySlice<UInt8> = []

            mutating func take(_ chunk: [UInt8]) {
                chunks += 1
                for line in chunk.split(separator: 10) where line.starts(with: Array("long,".utf8)) {
                    let at = line.dropFirst(5).prefix(27)
                    if !last.lexicographicallyPrecedes(at) { Issue.record("\(lines) comes twice or late") }
                    last = at
                    lines += 1
                }
            }
        }

        @Test func `a slow reader costs neither memory nor a transaction, and gets every row once`() throws {
            let (gateway, key, start) = try Self.world()
            // A whole one before, so that what grows once has grown.
            for isMeasured in [false, true] {
                let before = try Self.residentKiB(gateway)
                var most = before
                let stream = try ByteStream(port: gateway.port, receiveBytes: isMeasured ? 65_536 : nil)
                stream.send(Self.request(key, start))
                try Self.skipHead(stream)
                var reading = Reading()
                while let chunk = try Self.chunk(stream), !chunk.isEmpty {
                    reading.take(chunk)
                    guard isMeasured, reading.chunks % 25 == 0 else { continue }
                    // The reader looks at other things for a while; behind it the socket is full.
                    // What the maintenance has between two statements passes; what waited for the reader would stay.
                    var held = try Self.heldTransactions(gateway)
                    for _ in 0..<10 {
                        held.formIntersection(try Self.heldTransactions(gateway))
                        most = max(most, try Self.residentKiB(gateway))
                    }
                    #expect(held.isEmpty, "\(held)")
                }
                #expect(reading.lines == Self.rows)
                #expect(reading.chunks >= Self.rows / 500)
                #expect(try stream.ends())
                if isMeasured {
                    print("a slow reader of \(Self.rows) rows: the gateway grew by \(most - before) KiB")
                    #expect(most - before < 4_096)
                }
            }
            #expect(try gateway.metric("drover_history_exports") == 0)
        }

        @Test func `a reader that goes away is forgotten`() throws {
            let (gateway, key, start) = try Self.world(rows: 100_000)
            for isReset in [true, false] {
                var stream: ByteStream? = try ByteStream(port: gateway.port, receiveBytes: 4_096)
                stream?.send(Self.request(key, start))
                try Self.skipHead(#require(stream))
                try eventually("it is under way") { try gateway.metric("drover_history_exports") == 1 }
                if isReset { stream?.resetOnClose() }
                stream = nil
                try eventually("it is forgotten") { try gateway.metric("drover_history_exports") == 0 }
            }
        }

        @Test func `a reader whose key is revoked is cut off, and sees that it was`() throws {
            let (gateway, key, start) = try Self.world(rows: 100_000)
            let id = try #require(try gateway.sql("SELECT id FROM api_keys").first.flatMap { $0 })
            let stream = try ByteStream(port: gateway.port, receiveBytes: 4_096)
            stream.send(Self.request(key, start))
            try Self.skipHead(stream)
            #expect(try gateway.drover("key", "revoke", id).status?.isSuccess == true)
            try eventually("it is ended") { try gateway.metric("drover_history_exports") == 0 }
            var last: [UInt8]? = []
            repeat { last = (try? Self.chunk(stream)) ?? nil } while last?.isEmpty == false
            #expect(last == nil, "no last chunk")
        }

        @Test func `Postgres away is a 503 before the first byte, and is waited for behind it`() throws {
            let gateway = try RunningGateway(ownPostgres: true)
            let key = try gateway.key("pings:write,history:read")
            try gateway.awaitStores()
            let start = now() / 86_400_000 * 86_400_000
            try gateway.sql(
                """
                INSERT INTO driver_location_events (driver_id, recorded_at, lat, lng, accuracy, received_at)
                SELECT 'long', to_timestamp($1::bigint / 1e3) + n * interval '1 second', 43, -79, 5, now()
                FROM generate_series(0, 79999) n
                """, [String(start)])
            let stream = try ByteStream(port: gateway.port, receiveBytes: 4_096)
            stream.send(Self.request(key, start))
            try Self.skipHead(stream)
            try gateway.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            var reading = Reading()
            while let chunk = try Self.chunk(stream), !chunk.isEmpty { reading.take(chunk) }
            #expect(reading.lines == 80_000)
            gateway.postgres.stop()
            try eventually("it is away") { try gateway.readiness().body["degraded"].names.contains("postgres") }
            let response = try gateway.http("GET", "/v1/drivers/long/history", token: key)
            #expect(response.status == 503, "\(response.text)")
            #expect(response.header("Retry-After") != nil)
        }
    }
}
