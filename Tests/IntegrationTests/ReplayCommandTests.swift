// `drover replay` against a running gateway: the file's pings are the rows, once.

import EventLoop
import Foundation
import LocalServers
import Synchronization
import Testing

extension Integration {
    @Suite("drover replay")
    struct ReplayCommand {
        @Test func `a CSV and a GPX file become rows to the last ping, and a second time add none`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let csv = gateway.directory.path + "/drive.csv"
            let gpx = gateway.directory.path + "/walk.gpx"
            let drive = TestPing.drive(nil, from: 0, count: 400)
            // Two whose accuracy the judge does not take.
            let lines = drive.enumerated().map { index, ping in
                let accuracy = index == 7 || index == 300 ? 250.0 : 5.5
                return "\(ping.recordedAt),\(ping.latitude),\(ping.longitude),92.5,11,0,\(accuracy)"
            }
            let header = "elapsed_ms,lat,lng,altitude_m,speed_mps,bearing_deg,accuracy_m"
            try ([header] + lines).joined(separator: "\n").write(toFile: csv, atomically: true, encoding: .utf8)
            let points = (0..<200).map { second in
                let time = String(format: "2026-03-01T10:%02d:%02dZ", second / 60, second % 60)
                return
                    "<trkpt lat=\"\(50 + Double(second) * 0.00001)\" lon=\"8.5\"><ele>110</ele><time>\(time)</time></trkpt>"
            }
            let track =
                "<gpx version=\"1.1\" creator=\"test\" xmlns=\"http://www.topografix.com/GPX/1/1\"><trk><trkseg>"
                + points.joined(separator: "\n") + "</trkseg></trk></gpx>"
            try track.write(toFile: gpx, atomically: true, encoding: .utf8)

            for round in 0..<2 {
                for (file, driver) in [(csv, "van-csv"), (gpx, "walker-gpx")] {
                    let result = try gateway.drover(
                        "replay", file, "--driver", driver, "--speed", "max", "--accuracy", "9", "--gateway",
                        gateway.address, "--key", key)
                    #expect(result.status?.isSuccess == true, "\(result.output)")
                    LogBook.finished.withLock { $0.append(result.output) }
                }
                try gateway.awaitHistory()
                #expect(try gateway.rows(of: "van-csv") == 398, "round \(round)")
                #expect(try gateway.rows(of: "walker-gpx") == 200, "round \(round)")
                let metrics = try gateway.metrics()
                let repeated = 598 * Double(round)
                #expect(metrics["drover_pings_received_total"] == Double(600 * (round + 1)))
                #expect(metrics["drover_pings_total{verdict=\"accepted\"}"] == 598)
                #expect(metrics["drover_pings_rejected_total{reason=\"accuracy\"}"] == Double(2 * (round + 1)))
                // What is remembered is a duplicate; what is older is late and finds its row there.
                let duplicates = metrics["drover_pings_total{verdict=\"duplicate\"}"] ?? -1
                let late = metrics["drover_pings_total{verdict=\"late\"}"] ?? -1
                #expect(duplicates + late == repeated)
                #expect(metrics["drover_history_rows_total{outcome=\"inserted\"}"] == 598)
                #expect(metrics["drover_history_rows_total{outcome=\"already_there\"}"] == late)
                try gateway.expectConservation()
            }
            // Every value that the file says, at yesterday's midnight and after.
            let rows = try gateway.sql(
                """
                SELECT concat_ws('|', (extract(epoch FROM recorded_at - (SELECT min(recorded_at)
                    FROM driver_location_events WHERE driver_id = 'van-csv')) * 1000)::bigint, lat, lng, altitude,
                    speed, heading, accuracy) FROM driver_location_events WHERE driver_id = 'van-csv'
                ORDER BY recorded_at
                """)
            let expected = drive.enumerated().filter { $0.offset != 7 && $0.offset != 300 }.map { _, ping in
                "\(ping.recordedAt)|\(ping.latitude)|\(ping.longitude)|92.5|11|0|5.5"
                    .replacing(".0|", with: "|")
            }
            #expect(rows.compactMap { $0 } == expected)
            let midnight =
                "SELECT min(recorded_at) AT TIME ZONE 'UTC' = (now() AT TIME ZONE 'UTC')::date - 1 "
                + "FROM driver_location_events WHERE driver_id = 'van-csv'"
            #expect(try gateway.sql(midnight) == ["t"])
        }

        @Test func `a replay waits for its gateway and goes on where it was`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let file = gateway.directory.path + "/drive.csv"
            let lines = TestPing.drive(nil, from: 0, count: 3_000).map {
                "\($0.recordedAt),\($0.latitude),\($0.longitude),5"
            }
            try (["elapsed_ms,lat,lng,accuracy_m"] + lines).joined(separator: "\n")
                .write(toFile: file, atomically: true, encoding: .utf8)
            let replay = try gateway.startDrover(
                "replay", file, "--driver", "van-1", "--speed", "1500", "--gateway", gateway.address, "--key", key)
            try eventually("the replay is under way") {
                try gateway.metric("drover_pings_total{verdict=\"accepted\"}") > 100
            }
            gateway.kill()
            try gateway.start()
            #expect(replay.wait(.seconds(60))?.isSuccess == true, "\(replay.output())")
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 3_000)
        }

        @Test func `what cannot be replayed says why`() throws {
            let shared = try SharedGateway.get()
            let missing = try shared.gateway.drover(
                "replay", "/nonexistent.csv", "--gateway", shared.gateway.address, "--key", shared.key)
            #expect(missing.status == .exited(1))
            #expect(missing.output.contains("/nonexistent.csv"))
            #expect(missing.output.split(separator: "\n").count == 1, "\(missing.output)")
        }
    }
}
