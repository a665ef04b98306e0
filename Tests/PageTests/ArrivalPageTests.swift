// The customer's page of an order whose destination is known: from the first estimate to the door.

import DroverClient
import EventLoop
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct ArrivalPageTests {
        static let door = Place(lat: 43.68, lng: -79.3832)

        /// South of the door, as exactly as a gateway keeps it.
        private static func metres(_ metres: Double) -> Place {
            Place(lat: ((door.lat - metres / 111_195) * 1e7).rounded() / 1e7, lng: door.lng)
        }

        static func sendDestination(of order: String, _ gateway: GatewayFixture, at place: Place = door) throws {
            let response = try gateway.call(
                "PUT", "/v1/orders/\(order)", "{\"destination\":{\"lat\":\(place.lat),\"lng\":\(place.lng)}}")
            try #require(response.status == 200, "\(response.text)")
        }

        private static let step = "document.querySelector('#steps [aria-current]')?.innerText"

        @Test func `a customer sees where it goes, when it comes, each step of the way, and the end`() throws {
            try withPages([
                "DROVER_ARRIVALS_PUSH_S": "1", "DROVER_LIVE_STALE_S": "300", "DROVER_LIVE_OFFLINE_S": "600",
            ]) { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: Self.metres(4_500), heading: 0, secondsAgo: 150)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.openSession(for: ["order:9f2"]).mapUrl)
                try page.waitForDrivers(1)
                #expect(try page.value("document.getElementById('steps').hidden"))

                try Self.sendDestination(of: "9f2", gateway)
                try page.wait("the first step", "\(Self.step) === 'Assigned'")
                try page.waitForView(of: "van-1")
                let pin = "document.querySelector('.goal svg').getBoundingClientRect()"
                try page.wait(
                    "the door is in view", "\(pin).top > 0 && \(pin).bottom < innerHeight && \(pin).left > 372")
                try gateway.ping("van-1", at: Self.metres(3_000), speed: 25, heading: 0, secondsAgo: 95)
                try page.wait("the second", "\(Self.step) === 'On the way'")
                try gateway.ping("van-1", at: Self.metres(2_000), speed: 25, heading: 0, secondsAgo: 60)
                try gateway.ping("van-1", at: Self.metres(1_400), speed: 25, heading: 0, secondsAgo: 40)
                try page.wait("an estimate", "document.getElementById('headline').innerText.startsWith('Arriving')")
                try page.wait(
                    "and what is left", "document.getElementById('details').innerText.includes('1.4 km away')")
                #expect(try page.text("#details").contains("90 km/h"))
                #expect(try page.value("droverTest.trail()", as: Int.self) >= 2)
                try page.wait(
                    "the way behind it is drawn",
                    "[...document.querySelectorAll('.trail')].some((line) => (line.getAttribute('d') ?? '').includes('L'))"
                )
                try page.wait("the third", "\(Self.step) === 'Nearby'")

                try gateway.ping("van-1", at: Self.metres(200), speed: 8, heading: 0, secondsAgo: 12)
                try page.wait("near", "document.getElementById('headline').innerText === 'Your driver is arriving'")
                try gateway.ping("van-1", at: Self.metres(5), speed: 0)
                try page.wait("there", "document.getElementById('headline').innerText === 'Your driver is here'")
                #expect(try page.value(Self.step) == "Here")

                try gateway.assign([], to: "orders/9f2")
                try page.wait("the end", "document.getElementById('headline').innerText === 'It has arrived'")
                #expect(try page.text("#details").contains("The driver was there at"))
                #expect(try page.value("document.querySelectorAll('.van, .goal').length") == 0)
                try page.wait("and the way is gone", "document.querySelectorAll('.trail').length === 0")
                try page.wait("it is closed", "droverTest.state() === 'closed'")
                #expect(page.complaints == [])
            }
        }

        @Test func `an order that nobody carries any more is followed on when somebody else does`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: Self.metres(4_500), secondsAgo: 10)
                try gateway.ping("van-2", at: Self.metres(2_500), secondsAgo: 10)
                try Self.sendDestination(of: "9f2", gateway)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.openSession(for: ["order:9f2"]).mapUrl)
                try page.waitForDrivers(1)
                try page.wait("its door", "document.querySelectorAll('.goal').length === 1")
                try gateway.assign([], to: "orders/9f2")
                try page.wait("it waits", "document.getElementById('headline').innerText === 'Waiting for a driver'")
                try page.wait("nothing is on the map", "document.querySelectorAll('.goal, .van').length === 0")
                try page.waitUntil("it asks again") {
                    page.frames.last { $0.contains("\"subscribed\"") }?.contains("\"positions\":[]") == true
                }
                try gateway.assign(["van-2"], to: "orders/9f2")
                try page.waitForDrivers(1)
                try page.waitForArrival(of: "van-2", at: Self.metres(2_500))
                try page.wait("its door again", "document.querySelectorAll('.goal').length === 1")
                #expect(page.complaints == [])
            }
        }

        @Test func `an order on its way fits and is readable on phones and screens, light and dark`() throws {
            try withPages(["DROVER_ARRIVALS_PUSH_S": "1"]) { gateway, browser in
                for (number, look) in LayoutTests.looks.enumerated() {
                    let (order, driver) = ("A-\(2_000 + number)", "van-\(number)")
                    let looks = "\(look.width)-\(look.isDark ? "dark" : "light")"
                    func wait(_ page: Page, _ words: String) throws {
                        try page.wait(words, "document.getElementById('headline').innerText.startsWith('\(words)')")
                    }
                    try gateway.assign([driver], to: "orders/\(order)")
                    try Self.sendDestination(of: order, gateway, at: Place(lat: 43.685, lng: -79.3851))
                    let page = try Page(browser, look)
                    defer { page.close() }
                    try page.open(gateway.openSession(for: ["order:\(order)"]).mapUrl)
                    try wait(page, "A driver is assigned")
                    let end = try Self.drive(driver, gateway, page)
                    try wait(page, "Arriving in")
                    try LayoutTests.expectGood(page, look, "on its way at \(look)")
                    try page.waitForView(of: driver)
                    try LayoutTests.takePicture(of: page, "arrival-way-\(looks)")
                    // A door nearer by, then one where the driver is.
                    try Self.sendDestination(of: order, gateway, at: Place(lat: end.lat + 0.0015, lng: end.lng))
                    try wait(page, "Your driver is arriving")
                    try LayoutTests.expectGood(page, look, "arriving at \(look)")
                    try LayoutTests.takePicture(of: page, "arrival-near-\(looks)")
                    try Self.sendDestination(of: order, gateway, at: end)
                    try wait(page, "Your driver is here")
                    try gateway.assign([], to: "orders/\(order)")
                    try wait(page, "It has arrived")
                    try LayoutTests.expectGood(page, look, "arrived at \(look)")
                    try LayoutTests.takePicture(of: page, "arrival-end-\(looks)")
                }
            }
        }

        /// Drives four minutes at 10 m/s, east and then north, as the page sees it, and gives where that ends.
        private static func drive(_ driver: String, _ gateway: GatewayFixture, _ page: Page) throws -> Place {
            let start = SystemClock.wallMicroseconds() / 1_000 - 240_000
            var place = Place(lat: 43.648, lng: -79.399)
            for step in 1...24 {
                if step <= 8 { place.lng += 100 / 80_460.0 } else { place.lat += 100 / 111_195.0 }
                let members =
                    "\"recorded_at\":\(start + Int64(step) * 10_000),\"lat\":\(place.lat),\"lng\":\(place.lng),"
                    + "\"speed\":10,\"heading\":\(step <= 8 ? 90 : 0)"
                try gateway.send(driver, [members])
                guard step % 4 == 0 else { continue }
                // The gateway estimates once a second.
                let told = page.frames.count { $0.contains("\"arrivals\"") }
                try page.waitUntil("the next estimates") {
                    page.frames.count { $0.contains("\"arrivals\"") } >= told + 2
                }
            }
            return place
        }

        @Test func `an estimate is not told of a driver who is silent`() throws {
            try withPages(["DROVER_LIVE_STALE_S": "2", "DROVER_ARRIVALS_PUSH_S": "1"]) { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try Self.sendDestination(of: "9f2", gateway)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.openSession(for: ["order:9f2"]).mapUrl)
                try page.wait("it waits", "droverTest.state() === 'live'")
                try gateway.ping("van-1", at: Self.metres(1_500), speed: 10)
                try page.wait("an estimate", "document.getElementById('headline').innerText.startsWith('Arriving')")
                try page.wait("none", "/^No position for \\d+ s$/.test(document.getElementById('headline').innerText)")
                #expect(try page.text("#details").contains("Last seen"))
            }
        }
    }
}
