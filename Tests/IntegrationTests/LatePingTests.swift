// A ping that comes a day late: everything about that day changes as if it had come in time.

import DroverClient
import LocalServers
import Testing

extension Integration {
    @Suite("A late ping")
    struct LatePing {
        @Test func `one from yesterday lands in yesterday's partition, its roll-up and its trips`() throws {
            let gateway = try RunningGateway(settings: ["history.rollup_s": "1"])
            let key = try gateway.key("pings:write,positions:read,history:read")
            let day: Int64 = 86_400_000
            // Ten to eleven yesterday (UTC), so that no midnight comes between.
            let start = now() / day * day - day + 10 * 3_600_000
            let drive = TestPing.drive("late-1", from: start, count: 600)
            var missing = drive
            let held = missing.remove(at: 300)
            try gateway.post(missing, token: key)
            try gateway.post([TestPing("late-1", at: now())], token: key)
            try gateway.awaitHistory()
            let hour = "to_timestamp(\(start / 1_000))"
            func hourly(_ column: String) throws -> Double? {
                try gateway.sql(
                    "SELECT \(column) FROM driver_location_hourly WHERE driver_id = 'late-1' AND hour = \(hour)"
                ).first.flatMap { $0 }.flatMap { Double($0) }
            }
            func trips() throws -> JSON {
                let date = try #require(
                    try gateway.sql("SELECT to_char(\(hour) AT TIME ZONE 'UTC', 'YYYY-MM-DD')").first.flatMap { $0 })
                let response = try gateway.http("GET", "/v1/drivers/late-1/trips?date=\(date)", token: key)
                try #require(response.status == 200, "\(response.text)")
                return try JSON(parsing: response.text)
            }
            try eventually("the roll-up has the hour") { try hourly("pings") == 599 }
            #expect(try trips()["pings"].integer == 599)
            let distance = try #require(try hourly("distance_m"))

            // Off the straight line, so that the way through it is longer.
            var late = held
            late.longitude += 0.001
            let verdict = try gateway.post([late], token: key)
            #expect(verdict["late"].integer == 1)
            try gateway.awaitHistory()
            let partition = try gateway.sql(
                """
                SELECT tableoid::regclass::text = to_char(recorded_at AT TIME ZONE 'UTC',
                    '"driver_location_events_"YYYYMMDD')
                FROM driver_location_events WHERE driver_id = 'late-1' AND recorded_at = to_timestamp($1::bigint / 1000.0)
                """, ["\(held.recordedAt)"])
            #expect(partition == ["t"])
            try eventually("the roll-up has the late ping") { try hourly("pings") == 600 }
            let longer = try #require(try hourly("distance_m"))
            // Some 80 m to the side and back.
            #expect(longer > distance + 100 && longer < distance + 200)
            let after = try trips()
            #expect(after["pings"].integer == 600)
            #expect(abs((after["distance_m"].number ?? 0) - longer) < longer / 100)
            // The map still shows where the van is now.
            let newest = try gateway.http("GET", "/v1/drivers/late-1/position", token: key)
            #expect(try JSON(parsing: newest.text)["recorded_at"].integer ?? 0 > start + day / 2)
        }
    }
}
