// Where markers are and how they get there.

import Testing

extension PageTests {
    @Suite(.serialized) struct MarkerTests {
        @Test(arguments: MapPage.allCases)
        func `the marker is where the ping said, and moves when the next one comes`(_ kind: MapPage) throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto, speed: 8.3, heading: 271, secondsAgo: 20)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.address(of: kind, watching: ["van-1"]))
                try page.waitForDrivers(1)
                try page.waitForArrival(of: "van-1", at: toronto)
                let before = try page.marker("van-1")
                #expect(before.speed == 8.3 && before.heading == 271 && before.state == "live")
                #expect(try page.text("#drivers").contains("30 km/h"))

                let next = Place(lat: 43.6551, lng: -79.3806)
                let subject = kind == .fleet ? "area:" : "driver:van-1"
                try page.waitUntil("the driver is watched") {
                    page.frames.contains { $0.contains("\"subscribed\":{\"\(subject)") }
                }
                try gateway.ping("van-1", at: next, speed: 12.5, heading: 45)
                try page.waitUntil("the push") {
                    page.frames.contains { $0.contains("\"lat\":43.6551") && !$0.contains("\"id\":") }
                }
                try page.waitForArrival(of: "van-1", at: next)
                let after = try page.marker("van-1")
                #expect(after.speed == 12.5 && after.heading == 45)
                try page.wait("the list follows", "document.getElementById('drivers').innerText.includes('45 km/h')")
                #expect(page.complaints == [])
            }
        }

        @Test func `it glides between pings, straight and without a jump`() throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto, secondsAgo: 10)
                let pages = try MapPage.allCases.map { _ in try Page(browser) }
                defer { for page in pages { page.close() } }
                for (page, kind) in zip(pages, MapPage.allCases) {
                    try page.open(gateway.address(of: kind, watching: ["van-1"]))
                    try page.waitForDrivers(1)
                    try page.run("window.shownAt = performance.now()")
                }
                for page in pages {
                    // A glide lasts as long as the pings are apart.
                    try page.wait("a second between the pings", "performance.now() - shownAt > 1000")
                    try page.startNoting("(({ lat, lng }) => [lat, lng])(\(Page.marker("van-1")))")
                }
                let target = Place(lat: 43.6541, lng: -79.3821)
                try gateway.ping("van-1", at: target)
                for page in pages {
                    try page.waitForArrival(of: "van-1", at: target)
                    try Self.expectGlide(page.notes(), to: target)
                }
            }
        }

        /// What was drawn at every frame is a way from Toronto to the target that takes more than a second.
        private static func expectGlide(_ frames: [(value: [Double], at: Double)], to target: Place) throws {
            let steps = frames.map { frame in
                (
                    north: (frame.value[0] - toronto.lat) / (target.lat - toronto.lat),
                    east: (frame.value[1] - toronto.lng) / (target.lng - toronto.lng), at: frame.at
                )
            }
            #expect(steps.filter { $0.north > 0 && $0.north < 1 }.count >= 3, "places in between")
            #expect(steps.allSatisfy { abs($0.north - $0.east) < 1e-6 }, "a straight line")
            expectSteady(steps.map { ($0.north, $0.at) })
        }

        @Test func `it turns with the heading, the short way`() throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto, heading: 350, secondsAgo: 10)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.address(of: .map, watching: ["van-1"]))
                try page.waitForDrivers(1)
                let angle = """
                    ((matrix) => Math.round(Math.atan2(matrix.b, matrix.a) * 180 / Math.PI))(new DOMMatrix(
                      getComputedStyle(\(Page.icon("van-1")).querySelector(".arrow")).transform))
                    """
                try page.wait("it points to 350°", "\(angle) === -10")
                try page.startNoting(angle)
                try gateway.ping("van-1", at: toronto, heading: 10, secondsAgo: 5)
                try page.wait("it points to 10°", "\(angle) === 10")
                let angles = try page.notes(as: Int.self).map(\.value)
                #expect(angles.allSatisfy { (-10...10).contains($0) } && angles == angles.sorted())
                // Without a heading there is no arrow.
                try gateway.ping("van-1", at: toronto)
                try page.wait(
                    "the arrow is gone",
                    "getComputedStyle(\(Page.icon("van-1")).querySelector('.arrow')).display === 'none'")
                #expect(try page.marker("van-1").heading == nil)
            }
        }

        @Test func `who asked for less motion sees it at its new place at once`() throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto, secondsAgo: 10)
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.address(of: .map, watching: ["van-1"]))
                try page.waitForDrivers(1)
                try page.startNoting("\(Page.marker("van-1")).lat")
                try gateway.ping("van-1", at: Place(lat: 43.6541, lng: toronto.lng))
                try page.waitForArrival(of: "van-1", at: Place(lat: 43.6541, lng: toronto.lng))
                #expect(try page.notes(as: Double.self).map(\.value) == [toronto.lat, 43.6541])
            }
        }

        @Test func `a driver's first ping appears on maps that were open before, wherever it is`() throws {
            try withPages { gateway, browser in
                let customer = try Page(browser)
                let dispatcher = try Page(browser)
                defer {
                    customer.close()
                    dispatcher.close()
                }
                try customer.open(gateway.address(of: .map, watching: ["van-1"]))
                try dispatcher.open(gateway.address(of: .fleet))
                try customer.wait("it waits", "document.body.innerText.includes('No position yet')")
                try dispatcher.wait("it is empty", "document.body.innerText.includes('No drivers in view')")
                let berlin = Place(lat: 52.5163, lng: 13.3777)
                try gateway.ping("van-1", at: berlin)
                for page in [customer, dispatcher] {
                    try page.waitForDrivers(1)
                    try page.waitForArrival(of: "van-1", at: berlin)
                    try page.waitForView(of: "van-1")
                }
                #expect(try !customer.text("#card").contains("No position yet"))
            }
        }
    }
}
