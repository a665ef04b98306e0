// A driver's day as trips and stops, over HTTP.

import DroverClient
import Foundation
import Testing

extension Integration {
    @Suite("GET /v1/drivers/{id}/trips", .serialized)
    struct TripsRoute {
        /// Two ways of 200 s northwards with 400 s of standing between them; late pings, as a phone that was offline sends.
        private static func day(_ driver: String, from start: Int64) -> [TestPing] {
            var north = 436_500_000
            return (0..<800).map { second in
                let moves = !(200..<600).contains(second)
                if moves { north += 900 }
                return TestPing(
                    driver, at: start + Int64(second) * 1_000, latitude: Double(north) / 1e7, longitude: -79.38,
                    speed: moves ? 10 : 0)
            }
        }

        @Test func `yesterday's pings become trips and a stop`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key("pings:write,history:read")
            try gateway.awaitStores()
            let midnight = now() / 86_400_000 * 86_400_000 - 86_400_000
            let start = midnight + 36_000_000
            try gateway.post([TestPing("t-1", at: now())], token: key)
            try gateway.post(Self.day("t-1", from: start), token: key)
            try gateway.awaitHistory()
            let date = String(Timestamps.fine(midnight).prefix(10))
            let response = try gateway.http("GET", "/v1/drivers/t-1/trips?date=\(date)", token: key)
            #expect(response.status == 200 && response.header("Content-Type") == "application/json")
            let day = try JSON(parsing: response.text)
            #expect(day["driver_id"].string == "t-1" && day["date"].string == date)
            #expect(day["time_zone"].string == "UTC")
            #expect(day["from"].string == Timestamps.fine(midnight))
            #expect(day["to"].string == Timestamps.fine(midnight + 86_400_000))
            #expect(day["pings"].integer == 800)
            #expect(abs((day["distance_m"].number ?? 0) - 399 * 10.0075) < 15)
            #expect(day["trips"].array.count == 2 && day["stops"].array.count == 1 && day["gaps"].array.isEmpty)
            let (first, second, stop) = (day["trips"][0], day["trips"][1], day["stops"][0])
            #expect(first["from"].string == Timestamps.fine(start))
            #expect(first["to"].string == stop["from"].string)
            #expect(second["from"].string == stop["to"].string)
            #expect(second["to"].string == Timestamps.fine(start + 799_000))
            #expect(first["max_speed"].number == 10)
            #expect((400...420).contains(stop["duration_s"].number ?? 0))
            #expect(abs((stop["lat"].number ?? 0) - 43.668) < 0.0001 && stop["lng"].number == -79.38)
            #expect(abs((first["end"]["lat"].number ?? 0) - 43.668) < 0.001)
            #expect(first["pings"].integer == first["duration_s"].number.map { Int64($0) + 1 })

            // Today is what there is so far.
            let today = try JSON(parsing: gateway.http("GET", "/v1/drivers/t-1/trips", token: key).text)
            #expect(today["date"].string == String(Timestamps.fine(now()).prefix(10)))
            #expect(today["pings"].integer == 1 && today["trips"].array.isEmpty)
        }

        @Test func `a day is the history's zone's, also where it has 23 or 25 hours`() throws {
            let gateway = try RunningGateway(settings: ["history.time_zone": "America/Toronto"])
            let key = try gateway.key("history:read")
            try gateway.awaitStores()
            for (date, from, to) in [
                ("2026-03-08", "2026-03-08T05:00:00.000000Z", "2026-03-09T04:00:00.000000Z"),
                ("2026-11-01", "2026-11-01T04:00:00.000000Z", "2026-11-02T05:00:00.000000Z"),
                ("2026-07-01", "2026-07-01T04:00:00.000000Z", "2026-07-02T04:00:00.000000Z"),
            ] {
                let response = try gateway.http("GET", "/v1/drivers/none/trips?date=\(date)", token: key)
                let day = try JSON(parsing: response.text)
                #expect(day["from"].string == from && day["to"].string == to, "\(day)")
                #expect(day["time_zone"].string == "America/Toronto" && day["date"].string == date)
                #expect(day["pings"].integer == 0 && day["trips"].array.isEmpty)
            }
        }
    }
}
