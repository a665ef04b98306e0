// `drover partitions` beside a running gateway: a day goes out to a file, and comes back by a replay.

import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("drover partitions")
    struct PartitionCommand {
        @Test func `an archived day is replayed, every row as it was, and then dropped`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let csv = gateway.directory.path + "/drive.csv"
            let lines = TestPing.drive(nil, from: 0, count: 400).map {
                "\($0.recordedAt),\($0.latitude),\($0.longitude),92.5,11,0,5.5"
            }
            try (["elapsed_ms,lat,lng,altitude_m,speed_mps,bearing_deg,accuracy_m"] + lines).joined(separator: "\n")
                .write(toFile: csv, atomically: true, encoding: .utf8)
            func replay(_ arguments: String...) throws {
                let result = try Command.run(
                    [droverProgram, "replay", "--speed", "max", "--gateway", gateway.address, "--key", key] + arguments,
                    environment: gateway.environment.mapValues { $0 }, within: .seconds(60))
                try #require(result.status?.isSuccess == true, "\(result.output)")
                try gateway.awaitHistory()
            }
            // Yesterday, which is over.
            try replay(csv, "--driver", "van-1")
            #expect(try gateway.rows(of: "van-1") == 400)
            let archived = try gateway.drover("partitions", "archive")
            #expect(archived.status?.isSuccess == true, "\(archived.output)")
            #expect(archived.output.contains(": 400 rows, "), "\(archived.output)")
            let again = try gateway.drover("partitions", "archive")
            #expect(again.output == "nothing to do\n")
            let name = try #require(
                try gateway.sql("SELECT file FROM history_archives WHERE row_count > 0").first ?? nil)

            try replay("\(gateway.directory.path)/archive/\(name)", "--driver", "copy", "--start", "original")
            #expect(try gateway.rows(of: "copy-van-1") == 400)
            let columns = "recorded_at, lat, lng, speed, heading, accuracy, altitude"
            #expect(
                try gateway.count(
                    """
                    SELECT count(*) FROM (SELECT \(columns) FROM driver_location_events WHERE driver_id = 'van-1'
                    EXCEPT ALL SELECT \(columns) FROM driver_location_events WHERE driver_id = 'copy-van-1') missing
                    """) == 0)

            // In two months that day is over for good, with the rows that came after its archive.
            let later = try #require(
                try gateway.sql("SELECT to_char(now() + interval '60 days', 'YYYY-MM-DD')").first ?? nil)
            let dropped = try gateway.drover("partitions", "maintain", "--at", later)
            #expect(dropped.status?.isSuccess == true, "\(dropped.output)")
            #expect(dropped.output.contains("dropped \(name.prefix { $0 != "." })"), "\(dropped.output)")
            #expect(try gateway.count("SELECT count(*) FROM driver_location_events") == 0)
            #expect(
                try gateway.count("SELECT sum(row_count) FROM history_archives WHERE dropped_at IS NOT NULL") == 800)
        }

        @Test func `the gateway makes days ahead by itself and says how it is with them`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            try eventually("the partitions were looked after") {
                try gateway.metrics()["drover_partitions"] ?? 0 >= 3
            }
            let metrics = try gateway.metrics()
            #expect(metrics["drover_maintenance_failing{job=\"partitions\"}"] == 0)
            #expect(metrics["drover_maintenance_leader"] == 1)
            #expect(metrics["drover_partitions_dropped_total"] == 0)
            let list = try gateway.drover("partitions", "list")
            #expect(list.output.split(separator: "\n").count == 4, "\(list.output)")
        }
    }
}
