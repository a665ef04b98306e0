// The page that makes a browser a driver's device, in a browser whose place the test sets.

import DroverClient
import EventLoop
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct DriverPageTests {
        /// Devices report every second though nobody looks, so that no test waits longer than it must.
        private static let quick = ["DROVER_RATES_IDLE_MS": "1000", "DROVER_RATES_WATCHED_MS": "1000"]

        private struct Device: Decodable {
            let id: String
            let token: String
        }

        private struct Counts: Decodable {
            var sent: Int
            var dropped: Int
            var refused: [String: Int]
        }

        /// A new device of van-1.
        private static func device(_ gateway: GatewayFixture) throws -> Device {
            let key = try gateway.makeKey(named: "enrol", permissions: "devices:write")
            let response = try HTTPClient.request(
                "POST", "\(gateway.address)/v1/drivers/van-1/devices",
                headers: [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")],
                body: "{\"name\":\"phone\"}")
            try #require(response.status == 201, "\(response.text)")
            return try decodeJSON(Device.self, response.text)
        }

        /// Opens the page with a link, and shares from `place` on.
        private static func share(
            _ page: Page, _ gateway: GatewayFixture, _ token: String, from place: Place = toronto
        ) throws {
            try page.setGeolocation("granted", for: gateway.address)
            try page.move(to: place)
            try page.open("\(gateway.address)/driver#token=\(token)")
            try page.wait("it is ready", "window.droverTest?.phase() === 'stopped'")
            try page.run("document.getElementById('share').click()")
            try page.wait("it sends", "droverTest.phase() === 'sending' && droverTest.counts().sent > 0")
        }

        /// Some ten metres further a step.
        private static func place(_ step: Int) -> Place {
            Place(lat: (436_532_000 + Double(step) * 1_000) / 1e7, lng: toronto.lng)
        }

        /// The latitudes of van-1's pings in Postgres, in the order of their fix times.
        private static func kept(_ gateway: GatewayFixture) throws -> [Double] {
            struct Row: Decodable { let lat: Double }
            let text = try gateway.call("GET", "/v1/drivers/van-1/history?format=ndjson").text
            return try text.split(separator: "\n").map { try decodeJSON(Row.self, String($0)).lat }
        }

        @Test func `a drive reaches the customer's map and Postgres`() throws {
            try withPages(Self.quick) { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                let token = try Self.device(gateway).token
                try Self.share(page, gateway, token)
                #expect(try page.value("location.hash") == "", "the token has left the address")
                #expect(try page.text("#headline") == "Sharing your position")
                let map = try Page(browser, .init(isStill: true))
                defer { map.close() }
                try map.open(gateway.address(of: .map, watching: ["van-1"]))
                try map.waitForArrival(of: "van-1", at: Self.place(0))
                for step in 1...3 {
                    try page.move(to: Self.place(step))
                    try map.waitForArrival(of: "van-1", at: Self.place(step))
                }
                try page.wait("all is acknowledged", "droverTest.waiting() === 0")
                try eventually("all is in Postgres") { try Set(Self.kept(gateway)).count == 4 }
                #expect(try page.text("#accuracy") == "8 m")
                #expect(try page.text("#refused") == "0")
                #expect(page.complaints == [])
                let addresses = page.requested + page.requestHeaders.flatMap(\.values)
                #expect(!addresses.contains { $0.contains(token) }, "the token goes in a frame alone")
                #expect(!gateway.log.contains(token))
            }
        }

        @Test func `what is recorded while the gateway is away outlives the page, and the newest of it goes first`()
            throws
        {
            try withPages(Self.quick) { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try Self.share(page, gateway, Self.device(gateway).token)
                gateway.kill()
                try page.wait("it says so", "droverTest.phase() === 'waiting'")
                #expect(try page.text("#headline") == "No connection")
                for step in 1...5 {
                    try page.move(to: Self.place(step))
                    try page.wait("it is kept", "droverTest.latest().lat === \(Self.place(step).lat)")
                    try page.wait("it waits", "droverTest.waiting() >= \(step)")
                }
                let waiting: Int = try page.value("droverTest.waiting()")
                try page.open("about:blank")
                let before = page.sent.count

                try gateway.start()
                try page.open("\(gateway.address)/driver")
                try page.wait("it goes on by itself", "window.droverTest?.phase() === 'sending'")
                try page.wait("all is delivered", "droverTest.waiting() === 0")
                let counts: Counts = try page.value("droverTest.counts()")
                #expect(counts.sent > waiting && counts.dropped == 0 && counts.refused.isEmpty)
                try eventually("all is in Postgres") { try Set(Self.kept(gateway)).count == 6 }
                let lats = try Self.kept(gateway)
                #expect(lats == lats.sorted(), "in the order of the drive")

                // Behind the login stands the newest alone, then the others from the oldest on.
                let frames = page.sent.dropFirst(before + 1)
                struct Sent: Decodable {
                    let lat: Double
                    let seq: Int
                }
                let first = try decodeJSON(Sent.self, try #require(frames.first))
                #expect(first.lat == Self.place(5).lat && first.seq == 1)
                let backlog = try #require(frames.first { $0.hasPrefix("[") }, "the backlog goes as an array")
                let others = try decodeJSON([Sent].self, backlog)
                #expect(others.map(\.lat) == others.map(\.lat).sorted())
                #expect(Set(others.map(\.lat)).isSuperset(of: (1...4).map { Self.place($0).lat }))
                #expect(page.complaints.filter { !$0.contains("ERR_CONNECTION") } == [])
            }
        }

        @Test func `without permission it says what to do, and goes on once it has it`() throws {
            try withPages(Self.quick) { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try page.setGeolocation("denied", for: gateway.address)
                try page.move(to: toronto)
                try page.open("\(gateway.address)/driver#token=\(try Self.device(gateway).token)")
                try page.wait("it is ready", "window.droverTest?.phase() === 'stopped'")
                #expect(try page.text("#headline") == "Not sharing")
                try page.run("document.getElementById('share').click()")
                try page.wait("it says so", "droverTest.phase() === 'denied'")
                #expect(try page.text("#details").contains("Allow this page to see your location"))
                #expect(try page.value("droverTest.counts().sent") == 0)
                try page.setGeolocation("granted", for: gateway.address)
                try page.wait("it goes on", "droverTest.phase() === 'sending' && droverTest.counts().sent > 0")
                #expect(page.complaints == [])
            }
        }

        @Test func `a refused position is said with its reason, counted, and not sent again`() throws {
            try withPages(Self.quick) { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try Self.share(page, gateway, Self.device(gateway).token)
                try page.move(to: Self.place(1), accuracy: 500)
                try page.wait("it says so", "droverTest.phase() === 'refused'")
                #expect(try page.text("#details").contains("does not know well enough where it is"))
                #expect(try page.value("droverTest.counts().refused.accuracy", as: Int.self) >= 1)
                #expect(try page.text("#losses").contains("refused"))
                #expect(try page.value("droverTest.waiting()") == 0)
                try page.move(to: Self.place(2))
                try page.wait("all is well", "droverTest.phase() === 'sending'")
                try eventually("it is in Postgres") { try Self.kept(gateway).contains(Self.place(2).lat) }
                #expect(try !Self.kept(gateway).contains(Self.place(1).lat))
            }
        }

        @Test func `a withdrawn sign-in ends it, and another link begins anew`() throws {
            try withPages(Self.quick) { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                let device = try Self.device(gateway)
                try Self.share(page, gateway, device.token)
                let key = try gateway.makeKey(named: "revoke", permissions: "devices:write")
                let response = try HTTPClient.request(
                    "DELETE", "\(gateway.address)/v1/drivers/van-1/devices/\(device.id)",
                    headers: [("Authorization", "Bearer \(key)")])
                #expect(response.status == 204)
                try page.wait("it says so", "droverTest.phase() === 'ended'")
                #expect(try page.text("#headline") == "This sign-in was withdrawn")
                #expect(try page.value("document.getElementById('share').hidden"))

                try page.open("\(gateway.address)/driver#token=\(try Self.device(gateway).token)")
                try page.wait("it is ready", "window.droverTest?.phase() === 'stopped'")
                try page.run("document.getElementById('share').click()")
                try page.wait("it sends", "droverTest.phase() === 'sending' && droverTest.counts().sent > 0")
            }
        }

        @Test func `stopping says goodbye, and signing out forgets the token`() throws {
            try withPages(Self.quick) { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try Self.share(page, gateway, Self.device(gateway).token)
                try page.run("document.getElementById('share').click()")
                try page.wait("it has stopped", "droverTest.phase() === 'stopped' && droverTest.state() === 'closed'")
                let sent = page.sent.count
                try page.move(to: Self.place(1))
                let later = Int(SystemClock.wallMicroseconds() / 1_000) + 2_500
                try page.wait("some time has passed", "Date.now() > \(later)")
                #expect(page.sent.count == sent, "nothing goes out")
                try page.run("document.getElementById('sign-out').click()")
                try page.wait("it asks for a token", "document.getElementById('key-dialog').open")
                #expect(try page.value("localStorage.getItem('drover.driver').includes('drd_')") == false)
                #expect(page.complaints == [])
            }
        }

        @Test func `a second tab leaves it to the first, and takes over when that is closed`() throws {
            try withPages(Self.quick) { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try Self.share(page, gateway, Self.device(gateway).token)
                let second = try Page(browser, besides: page)
                defer { second.close() }
                try second.open("\(gateway.address)/driver")
                try second.wait("it says so", "window.droverTest?.phase() === 'elsewhere'")
                #expect(try second.value("document.getElementById('share').hidden"))
                try second.move(to: Self.place(1))
                try page.open("about:blank")
                try second.wait("it takes over", "droverTest.phase() === 'sending'")
                try eventually("its position is kept") { try Self.kept(gateway).contains(Self.place(1).lat) }
            }
        }

        @Test func `it fits and is readable on phones and screens, light and dark, in all that it may say`() throws {
            try withPages(Self.quick) { gateway, browser in
                let token = try Self.device(gateway).token
                for look in LayoutTests.looks {
                    let shade = "\(look.width)-\(look.isDark ? "dark" : "light")"
                    let page = try Page(browser, look)
                    defer { page.close() }
                    try page.open("\(gateway.address)/driver")
                    try page.wait("it asks", "document.getElementById('key-dialog').open")
                    try LayoutTests.takePicture(of: page, "driver-sign-in-\(shade)")
                    try Self.share(page, gateway, token)
                    try page.wait("it is drawn", "document.querySelector('path.me') !== null")
                    try LayoutTests.expectGood(page, look, "sending at \(look)")
                    try LayoutTests.takePicture(of: page, "driver-sending-\(shade)")
                    try page.move(to: toronto, accuracy: 500)
                    try page.wait("it is refused", "droverTest.phase() === 'refused'")
                    try LayoutTests.expectGood(page, look, "refused at \(look)")
                    try LayoutTests.takePicture(of: page, "driver-refused-\(shade)")
                    try page.run("document.getElementById('share').click()")
                    try page.wait("it has stopped", "droverTest.phase() === 'stopped'")
                    try LayoutTests.expectGood(page, look, "stopped at \(look)")
                    try LayoutTests.takePicture(of: page, "driver-stopped-\(shade)")
                    let isSeen = "document.getElementById('share').getBoundingClientRect().bottom <= innerHeight"
                    #expect(try page.value(isSeen), "the button is in view at \(look)")
                }
            }
        }
    }
}
