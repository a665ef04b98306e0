// A sixth platform, by configuration alone: README's "Your own data model", tried. Words, ids, keys, units, credentials and
// shifts are all its own, and no line of the program knows it.

import DroverClient
import LocalServers
import Synchronization
import Testing

extension Integration {
    @Suite("A made-up platform") struct MadeUpPlatformTests {
        private static let file = SystemFile.schemas + "/tidewater.yaml"

        private struct Harbour {
            let gateway: RunningGateway
            let redis: RedisProbe

            init() throws {
                gateway = try RunningGateway(file: MadeUpPlatformTests.file, schema: try SystemFile.sql("tidewater"))
                redis = try gateway.redisProbe()
                try gateway.awaitStores()
                LogBook.secrets.withLock { secrets in
                    for number in 1...12 { secrets.insert("skipper-key-\(number)") }
                }
            }

            func report(_ ping: TestPing, as skipper: Int) throws -> JSON {
                try gateway.post([ping], token: "skipper-key-\(skipper)")
            }

            func viewer(_ passenger: Int) throws -> ScreenedViewer {
                try ScreenedViewer(gateway, "pass \(passenger) of/Tidewater")
            }
        }

        @Test func `the file is well, and what is missing in the tables is named`() throws {
            let harbour = try Harbour()
            let check = try harbour.gateway.drover("check", "--config", Self.file)
            #expect(check.status?.isSuccess == true, "\(check.output)")
            try harbour.gateway.sql("ALTER TABLE watches RENAME COLUMN ashore TO in_service")
            try harbour.gateway.sql("ALTER TABLE glances RENAME TO looks")
            let broken = try harbour.gateway.drover("check", "--config", Self.file)
            #expect(broken.status?.isSuccess == false)
            #expect(broken.output.contains("in_service: column \"ashore\" does not exist"), "\(broken.output)")
            #expect(broken.output.contains("log_glance: relation \"glances\" does not exist"), "\(broken.output)")
        }

        @Test func `a boat in service is followed by its passenger, through a change of boats, to the landing`() throws
        {
            let harbour = try Harbour()
            let gateway = harbour.gateway
            // Booking TW-1 is boat 2's, TW-2 boat 3's, TW-3 has landed.
            let time = now()
            let first = TestPing(nil, at: time, latitude: -36.8400, longitude: 174.7700, speed: 5.144, heading: 90)
            #expect(try harbour.report(first, as: 2)["accepted"].integer == 1)

            // Redis, in the platform's own terms.
            let hash = try awaitValue("the boat's hash") {
                let hash = try harbour.redis.hash("boat/2")
                return hash.isEmpty ? nil : hash
            }
            #expect(Set(hash.keys) == ["point", "knots", "course", "within", "fixed"])
            let point = try JSON(parsing: try #require(hash["point"]))
            #expect(point["type"].string == "Point")
            #expect(point["coordinates"].array.compactMap(\.number) == [174.77, -36.84])
            #expect(abs(try #require(hash["knots"].flatMap(Double.init)) - 9.999) < 0.01)
            #expect(hash["course"].flatMap(Double.init) == 90)
            #expect(abs(try #require(hash["fixed"].flatMap(Double.init)) - Double(time) / 1_000) < 0.001)
            let life = try harbour.redis.command("PTTL", "boat/2").number ?? 0
            #expect((20_000...45_000).contains(life))
            #expect(try harbour.redis.command("ZSCORE", "harbour", "2").text != nil)

            // The platform's own table.
            try eventually("the boat's row has the fix") {
                try gateway.sql("SELECT last_point[0] || ' ' || last_point[1] FROM boats WHERE number = 2").first
                    == "174.77 -36.84"
            }
            #expect(try gateway.count("SELECT round(last_knots)::int FROM boats WHERE number = 2") == 10)
            #expect(
                try gateway.sql(
                    "SELECT (last_fix = to_timestamp($1::double precision / 1000))::text FROM boats WHERE number = 2",
                    ["\(time)"]) == ["true"])

            // The passenger, in the platform's own words.
            let passenger = try harbour.viewer(1)
            let answer = try #require(try passenger.subscribe(["booking:TW-1", "booking:TW-2", "boat:2"]).last)
            #expect(answer["subscribed"].names == ["booking:TW-1"])
            #expect(answer["refused"]["booking:TW-2"].string == "forbidden")
            #expect(answer["refused"]["boat:2"].string == "forbidden")
            #expect(passenger.screen.newest("2") == time)
            try eventually("the glance is noted") {
                try gateway.count(
                    "SELECT count(*) FROM glances WHERE passenger = 1 AND booking = 'TW-1' AND what = 'watch_started'")
                    == 1
            }

            // Boat 4 takes over.
            let second = now()
            let fourth = TestPing(nil, at: second, latitude: -36.8401, longitude: 174.7701, speed: 4, heading: 80)
            #expect(try harbour.report(fourth, as: 4)["accepted"].integer == 1)
            try gateway.sql("UPDATE bookings SET boat = 4 WHERE code = 'TW-1'")
            try passenger.read("the other boat") { screen in
                screen.events.contains { event in
                    if case .left("2", let subject) = event { subject.hasSuffix(":TW-1") } else { false }
                } && screen.newest("4") == second
            }
            let before = passenger.screen.positions["2"]
            let other = TestPing(nil, at: now(), latitude: -36.84001, longitude: 174.77)
            #expect(try harbour.report(other, as: 2)["accepted"].integer == 1)
            let third = now()
            let next = TestPing(nil, at: third, latitude: -36.84011, longitude: 174.7701)
            #expect(try harbour.report(next, as: 4)["accepted"].integer == 1)
            try passenger.read("the next fix of the boat that carries her now") { $0.newest("4") == third }
            #expect(passenger.screen.positions["2"] == before)

            try gateway.sql("UPDATE bookings SET state = 'landed' WHERE code = 'TW-1'")
            try passenger.read("the end") { screen in
                screen.events.contains { event in
                    if case .event("ended", let subject) = event { subject.hasSuffix(":TW-1") } else { false }
                }
            }
            #expect(try passenger.subscribe(["booking:TW-1"]).last?["error"]["code"].string == "forbidden")

            // Days are those of Auckland.
            try gateway.awaitHistory()
            #expect(try gateway.count("SELECT count(*) FROM tracking.driver_location_events") == 4)
            #expect(
                try gateway.sql(
                    """
                    SELECT DISTINCT (to_char(recorded_at AT TIME ZONE 'Pacific/Auckland', 'YYYYMMDD')
                        = right(tableoid::regclass::text, 8))::text
                    FROM tracking.driver_location_events
                    """) == ["true"])
            try gateway.expectConservation()
        }

        @Test func `a boat out of service is neither kept nor shown, and a pass ends when it ends`() throws {
            let harbour = try Harbour()
            let gateway = harbour.gateway
            // Boats 11 and 12 have no watch.
            let refused = try harbour.report(TestPing(nil, at: now(), latitude: -36.84, longitude: 174.77), as: 11)
            #expect(refused["rejected"].array.compactMap { $0["reason"].string } == ["off_shift"])
            #expect(try harbour.redis.hash("boat/11").isEmpty)

            try gateway.sql("INSERT INTO watches VALUES (11, tstzrange(now() - interval '1 hour', NULL))")
            try eventually("its watch has begun") {
                try harbour.report(TestPing(nil, at: now(), latitude: -36.84, longitude: 174.77), as: 11)["accepted"]
                    .integer == 1
            }
            try eventually("it is in Redis") { try !harbour.redis.hash("boat/11").isEmpty }
            let passenger = try harbour.viewer(10)
            try passenger.subscribe(["booking:TW-10"])
            #expect(passenger.screen.newest("11") > 0)

            try gateway.sql("UPDATE watches SET ashore = tstzrange(lower(ashore), now()) WHERE boat = 11")
            try eventually("it is gone from Redis") {
                try harbour.redis.hash("boat/11").isEmpty
                    && harbour.redis.command("ZSCORE", "harbour", "11").text == nil
            }
            let late = try harbour.report(TestPing(nil, at: now(), latitude: -36.84, longitude: 174.77), as: 11)
            #expect(late["rejected"].array.compactMap { $0["reason"].string } == ["off_shift"])

            // Far enough ahead to be heard of before it comes: what is over already was taken away, which is another code.
            try gateway.sql("UPDATE passes SET valid_until = now() + interval '3 seconds' WHERE passenger = 10")
            #expect(try passenger.socket.closure(within: 20).code == 4401)
            try gateway.sql("UPDATE skippers SET dismissed = true WHERE number = 2")
            try eventually("a dismissed skipper is refused") { try !gateway.admits("skipper-key-2") }
            #expect(try gateway.admits("skipper-key-3"))
        }
    }
}
