// The customer's map as a link opens it: follows the order, keeps its token to itself, and ends when it should.

import EventLoop
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct SessionTests {
        private static let elsewhere = Place(lat: 43.6629, lng: -79.3957)

        @Test func `a link opens the map of whoever carries the order, and its token goes nowhere else`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: toronto, speed: 8.3, heading: 271)
                let session = try gateway.openSession(for: ["order:9f2"])
                #expect(session.mapUrl == "\(gateway.address)/map#token=\(session.token)")
                let page = try Page(browser)
                defer { page.close() }
                try page.open(session.mapUrl)
                try page.waitForDrivers(1)
                try page.waitForArrival(of: "van-1", at: toronto)
                #expect(try page.value("location.href") == "\(gateway.address)/map")
                #expect(try page.text("#topic") == "Order 9f2")
                try page.wait(
                    "it says so", "document.getElementById('headline').innerText === 'Your driver is on the way'")
                #expect(try page.text("#details").contains("30 km/h"))
                #expect(try !page.value("document.body.innerText.includes('van-1')"), "no id of the driver is shown")

                // The link that left the address is there still after a reload.
                try page.run("window.isOld = true")
                try page.call("Page.reload")
                try page.wait("it is loaded anew", "window.isOld === undefined && window.droverTest")
                try page.waitForDrivers(1)

                try page.expectSecret(session.token, gateway)
                let carrying = page.sent.filter { $0.contains(session.token) }
                #expect(
                    carrying.count == 2 && carrying.allSatisfy { $0.hasPrefix("{\"id\":1,\"token\":") }, "once a load")
                #expect(page.requestHeaders.allSatisfy { $0["authorization"] == nil })
                #expect(page.complaints == [])
            }
        }

        @Test func `an order that nobody carries waits for a driver, then shows one, then several`() throws {
            try withPages { gateway, browser in
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.openSession(for: ["order:9f2"]).mapUrl)
                try page.wait("it waits", "document.getElementById('headline').innerText === 'Waiting for a driver'")
                try gateway.assign(["van-1"], to: "orders/9f2")
                try page.wait("it knows", "document.getElementById('headline').innerText === 'A driver is assigned'")
                try gateway.ping("van-1", at: toronto)
                try page.waitForArrival(of: "van-1", at: toronto)
                try page.waitForView(of: "van-1")

                try gateway.ping("van-2", at: Self.elsewhere)
                try gateway.assign(["van-1", "van-2"], to: "orders/9f2")
                try page.waitForDrivers(2)
                for driver in ["van-1", "van-2"] { try page.waitForView(of: driver) }
                try page.wait("it says so", "document.getElementById('headline').innerText.startsWith('2 drivers')")
                #expect(
                    try page.value("[...document.querySelectorAll('#drivers strong')].map((name) => name.innerText)")
                        == ["Driver 1", "Driver 2"])

                try gateway.assign([], to: "orders/9f2")
                try page.wait(
                    "it waits again", "document.getElementById('headline').innerText === 'Waiting for a driver'")
                #expect(try page.value("droverTest.markers().length") == 0)
                #expect(page.complaints == [])
            }
        }

        @Test func `a hand-over takes the old driver off at once and brings the new one, and the old one never again`()
            throws
        {
            try withPages { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: toronto, secondsAgo: 5)
                try gateway.ping("van-2", at: Self.elsewhere, secondsAgo: 5)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.openSession(for: ["order:9f2"]).mapUrl)
                try page.waitForDrivers(1)
                try page.startNoting("droverTest.markers().map(({ driver_id }) => driver_id)")
                try page.run(
                    """
                    window.said = [];
                    new MutationObserver(() => said.push(document.getElementById("said").textContent)).observe(
                      document.getElementById("said"), { childList: true, characterData: true, subtree: true })
                    """)
                try gateway.assign(["van-2"], to: "orders/9f2")
                try page.waitForArrival(of: "van-2", at: Self.elsewhere)
                try page.waitForView(of: "van-2")
                // The old one drives on, as does the new one, whose next ping proves that the other's would be here.
                for step in 1...5 {
                    try gateway.ping("van-1", at: Place(lat: 43.6532 + Double(step) * 1e-4, lng: toronto.lng))
                    let next = Place(lat: Double(436_629 + step) / 1e4, lng: Self.elsewhere.lng)
                    try gateway.ping("van-2", at: next)
                    try page.waitForArrival(of: "van-2", at: next)
                }
                var seen: [[String]] = []
                for ids in try page.notes(as: [String].self).map(\.value) where seen.last != ids { seen.append(ids) }
                #expect(seen == [["van-1"], ["van-2"]] || seen == [["van-1"], [], ["van-2"]], "\(seen)")
                let departure = try #require(page.frames.firstIndex { $0.contains("\"left\":[") })
                #expect(page.frames[departure...].filter { $0.contains("van-1") && !$0.contains("\"left\":[") } == [])
                #expect(try page.value("said", as: [String].self).contains("A new driver has taken over."))
                #expect(try page.value("document.getElementById('said').getAttribute('aria-live')") == "polite")
                #expect(try page.text("#notice") == "A new driver has taken over.")
                #expect(page.complaints == [])
            }
        }

        @Test func `a restart of the gateway is told, and the map goes on without a jump or somebody twice`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: toronto, secondsAgo: 3)
                let session = try gateway.openSession(for: ["order:9f2"])
                let page = try Page(browser)
                defer { page.close() }
                try page.open(session.mapUrl)
                try page.waitForDrivers(1)
                try page.run("window.isUntouched = true")
                try page.startNoting("droverTest.markers().map(({ lat, lng }) => [lat, lng])")
                gateway.kill()
                try page.wait("it says so", "document.getElementById('connection').innerText.includes('Reconnecting')")
                try page.wait("the card too", "document.getElementById('headline').innerText === 'Reconnecting'")
                try gateway.start()
                let next = Place(lat: 43.6541, lng: -79.3821)
                try gateway.ping("van-1", at: next)
                try page.waitForArrival(of: "van-1", at: next)
                try page.wait(
                    "it says so", "document.getElementById('headline').innerText === 'Your driver is on the way'")
                #expect(try page.value("window.isUntouched === true"))
                let frames = try page.notes(as: [[Double]].self)
                #expect(frames.allSatisfy { $0.value.count == 1 }, "one marker all the time")
                let steps = frames.compactMap { frame in
                    frame.value.first.map { (part: ($0[0] - toronto.lat) / (next.lat - toronto.lat), at: frame.at) }
                }
                expectSteady(steps)
                // Nobody else is told the token for that.
                try page.expectSecret(session.token, gateway)
            }
        }

        @Test func `a hand-over while the gateway is away is seen when it is back`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: toronto)
                try gateway.ping("van-2", at: Self.elsewhere)
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.openSession(for: ["order:9f2"]).mapUrl)
                try page.waitForDrivers(1)
                // The network is gone for this page alone.
                try page.call(
                    "Network.emulateNetworkConditions",
                    ["offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1])
                try page.wait("it is away", "droverTest.state() === 'waiting'")
                try gateway.assign(["van-2"], to: "orders/9f2")
                try page.call(
                    "Network.emulateNetworkConditions",
                    ["offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1])
                try page.waitForArrival(of: "van-2", at: Self.elsewhere)
                #expect(try page.value("droverTest.markers().map(({ driver_id }) => driver_id)") == ["van-2"])
            }
        }

        @Test func `a session ends on time: it warns, then the marker is gone and nothing is asked any more`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: toronto)
                let session = try gateway.openSession(for: ["order:9f2"], seconds: 8)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(session.mapUrl)
                try page.waitForDrivers(1)
                try page.wait(
                    "it warns", "/^This tracking ends in \\d s\\.$/.test(document.getElementById('expiry').innerText)")
                try page.wait(
                    "it has ended", "document.getElementById('headline').innerText === 'This tracking has ended'")
                #expect(try page.value("droverTest.markers().length") == 0)
                #expect(try page.value("document.querySelectorAll('.van, .accuracy').length") == 0)
                #expect(try page.text("#said").contains("This tracking has ended"))
                #expect(page.frames.contains { $0.contains("\"expiring\":{\"in_s\":") })
                try Self.expectSilence(page, session, gateway, after: "This tracking has ended")
            }
        }

        @Test func `a session that is revoked says so and asks nothing any more`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: toronto)
                let session = try gateway.openSession(for: ["order:9f2"])
                let page = try Page(browser)
                defer { page.close() }
                try page.open(session.mapUrl)
                try page.waitForDrivers(1)
                try gateway.revoke(session)
                try page.wait(
                    "it says so", "document.getElementById('headline').innerText === 'This link was withdrawn'")
                #expect(try page.value("document.querySelectorAll('.van').length") == 0)
                try Self.expectSilence(page, session, gateway, after: "This link was withdrawn")
            }
        }

        /// Not after a reload either does the page say anything to the gateway, and the token is forgotten.
        private static func expectSilence(
            _ page: Page, _ session: GatewayFixture.Session, _ gateway: GatewayFixture, after headline: String
        ) throws {
            let sockets = page.requested.filter { $0.hasPrefix("ws://") }.count
            #expect(sockets == 1)
            try page.run("window.isOld = true")
            try page.call("Page.reload")
            try page.wait(
                "it still says so",
                "window.isOld === undefined && document.getElementById('headline')?.innerText === '\(headline)'")
            #expect(page.requested.filter { $0.hasPrefix("ws://") }.count == sockets)
            #expect(try !page.value("sessionStorage.getItem('drover.map')", as: String.self).contains(session.token))
            #expect(try page.value("!document.getElementById('key-dialog').open"))
            try page.expectSecret(session.token, gateway)
        }

        @Test func `a link that is over before it is opened says so instead of asking for a key`() throws {
            try withPages { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try page.open("\(gateway.address)/map#token=drt_0000000000000000000000000000000000000000000")
                try page.wait(
                    "it says so", "document.getElementById('headline').innerText === 'This tracking has ended'")
                #expect(try page.value("!document.getElementById('key-dialog').open"))
                // Another link in the same tab begins anew.
                try gateway.ping("van-1", at: toronto)
                try page.open(gateway.openSession(for: ["driver:van-1"]).mapUrl)
                try page.waitForDrivers(1)
                try page.waitForArrival(of: "van-1", at: toronto)
            }
        }

        @Test func `why a driver is not seen is told in words`() throws {
            try withPages(["DROVER_LIVE_STALE_S": "2", "DROVER_LIVE_OFFLINE_S": "600"]) { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: toronto)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.openSession(for: ["order:9f2"]).mapUrl)
                func waitForReason(_ words: String) throws {
                    try page.wait(
                        words,
                        """
                        /^No position for \\d+ s$/.test(document.getElementById('headline').innerText) &&
                          document.getElementById('details').innerText.startsWith(`\(words)`) &&
                          document.getElementById('details').innerText.includes('Last seen') &&
                          document.querySelector('.van').dataset.state === 'stale'
                        """)
                }
                try waitForReason("The driver’s phone has sent nothing since.")
                let now = SystemClock.wallMicroseconds() / 1_000
                let place = "\"driver_id\":\"van-1\",\"lat\":43.6532,\"lng\":-79.3832"
                try gateway.ping("van-1", at: toronto)
                _ = try gateway.call("POST", "/v1/pings", "{\(place),\"accuracy\":500,\"recorded_at\":\(now)}")
                try waitForReason("The driver’s phone does not know well enough where it is.")
                try gateway.ping("van-1", at: toronto)
                _ = try gateway.call("POST", "/v1/pings", "{\(place),\"accuracy\":5,\"recorded_at\":\(now + 330_000)}")
                try waitForReason("The clock of the driver’s phone is 5 min ahead")
                #expect(page.complaints == [])
            }
        }

        @Test func `a dispatcher opens the fleet with a session's token and sees its groups alone`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1", "van-2"], to: "groups/east")
                for (driver, lat) in [("van-1", 43.65), ("van-2", 43.66), ("van-3", 43.655)] {
                    try gateway.ping(driver, at: Place(lat: lat, lng: -79.38))
                }
                let session = try gateway.openSession(for: ["group:east"])
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.address(of: .fleet, token: session.token))
                try page.waitForDrivers(2)
                let shown = "droverTest.markers().map(({ driver_id }) => driver_id).sort()"
                #expect(try page.value(shown) == ["van-1", "van-2"])
                for driver in ["van-1", "van-2"] { try page.waitForView(of: driver) }
                // Who joins comes, who leaves goes.
                try gateway.assign(["van-2", "van-3"], to: "groups/east")
                try page.wait("the change", "JSON.stringify(\(shown)) === '[\"van-2\",\"van-3\"]'")
                try page.wait("the list follows", "!document.getElementById('drivers').innerText.includes('van-1')")
                try page.expectSecret(session.token, gateway)
                try gateway.revoke(session)
                try page.wait("it asks for another", "document.getElementById('key-dialog').open")
                #expect(page.complaints == [])
            }
        }
    }
}
