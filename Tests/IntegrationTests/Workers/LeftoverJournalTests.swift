// Journals of workers that are no longer configured.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Leftover journals")
    struct LeftoverJournals {
        /// A gateway with three workers that took pings while Postgres was away, and was stopped; and when each ping was.
        private static func filled() throws -> (gateway: RunningGateway, key: String, times: [Int64]) {
            let gateway = try RunningGateway(ownPostgres: true, settings: ["workers": "3"])
            let key = try gateway.masterKey()
            try gateway.awaitStores()
            // Every worker gets to know the key, and Postgres every worker's node.
            let known = try (0..<30).map { _ in try gateway.ingest(key) }
            try eventually("all nodes are registered") {
                try gateway.count("SELECT count(*) FROM ingest_checkpoints") == 3
            }
            gateway.postgres.stop()
            let at = now() - 60_000
            var times: [Int64] = []
            for (index, device) in known.enumerated() {
                times.append(at + Int64(index) * 1_000)
                device.send(TestPing("van-1", at: times[index]).json)
                #expect(try device.json(with: "ack")["ack"].integer == 1)
            }
            #expect(gateway.stop(within: .seconds(6)) == .exited(0))
            return (gateway, key, times)
        }

        private static func directories(_ gateway: RunningGateway) throws -> [String] {
            let path = gateway.environment["DROVER_JOURNAL_DIRECTORY"] ?? ""
            return try FileManager.default.contentsOfDirectory(atPath: path)
                .filter { $0.hasPrefix("worker-") || $0.hasPrefix("drained-") }.sorted()
        }

        @Test(arguments: [1, 2])
        func `they go to Postgres, and then they go`(workers: Int) throws {
            let (gateway, _, times) = try Self.filled()
            #expect(try Self.directories(gateway) == ["worker-1", "worker-2"])
            gateway.set("workers", "\(workers)")
            try gateway.start()
            #expect(try Self.directories(gateway) == ["worker-1", "worker-2"])
            try gateway.postgres.start()
            try eventually("they are gone", within: 60) {
                try Self.directories(gateway) == (workers == 1 ? [] : ["worker-1"])
            }
            try gateway.awaitHistory()
            let rows = try gateway.sql(
                "SELECT (extract(epoch FROM recorded_at) * 1000)::bigint FROM driver_location_events ORDER BY 1")
            #expect(rows == times.map { "\($0)" })
            #expect(try gateway.count("SELECT count(*) FROM ingest_checkpoints") == workers)
        }

        @Test func `an erasure that is asked for meanwhile finds what was left in them`() throws {
            let (gateway, _, _) = try Self.filled()
            gateway.set("workers", "1")
            try gateway.start()
            try gateway.postgres.start()
            let result = try gateway.drover("erase", "van-1", "--yes")
            #expect(result.status?.isSuccess == true, "\(result.output)")
            try eventually("they are gone", within: 60) { try Self.directories(gateway).isEmpty }
            try eventually("it has ended", within: 60) {
                try gateway.count("SELECT count(*) FROM erasures WHERE finished_at IS NULL") == 0
            }
            #expect(try gateway.rows(of: "van-1") == 0)
        }

        @Test func `they are a worker's again where there are as many as before`() throws {
            let (gateway, key, times) = try Self.filled()
            try gateway.postgres.start()
            try gateway.start()
            try gateway.awaitStores()
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == times.count)
            #expect(try gateway.post([TestPing("van-1", at: now())], token: key)["accepted"].integer == 1)
        }
    }
}
