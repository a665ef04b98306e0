// The customer's page of an order whose destination is known: from the first estimate to the door.

import DroverClient
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct ArrivalPageTests {
        static let door = Place(lat: 43.68, lng: -79.3832)

        /// South of the door.
        private static func metres(_ metres: Double) -> Place {
            Place(lat: door.lat - metres / 111_195, lng: door.lng)
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
                try page.wait("the third", "\(Self.step) === 'Nearly there'")

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
