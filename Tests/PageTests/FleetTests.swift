// What a dispatcher does beside looking: finds a driver and stays with it.

import Testing

extension PageTests {
    @Suite(.serialized) struct FleetTests {
        @Test func `a driver is found by name, in the list or far away, and followed`() throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto, secondsAgo: 20)
                try gateway.ping("van-2", at: Place(lat: 43.66, lng: -79.39), secondsAgo: 20)
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.address(of: .fleet))
                try page.waitForDrivers(2)
                try Self.search(page, "VAN-1")
                #expect(
                    try page.value(
                        "[...document.querySelectorAll('#drivers li')].filter((row) => row.checkVisibility())"
                            + ".map((row) => row.dataset.id)") == ["van-1"])
                try Self.waitForCentre(of: page, at: toronto)
                #expect(try page.text("#detail-name") == "van-1")
                #expect(try page.value("document.querySelector('#drivers [aria-selected=true]').dataset.id") == "van-1")

                // It moves out of the view, and the view goes along.
                let next = Place(lat: 43.6632, lng: -79.3832)
                try gateway.ping("van-1", at: next)
                try Self.waitForCentre(of: page, at: next)

                // Elsewhere, thus not in the list.
                let berlin = Place(lat: 52.5163, lng: 13.3777)
                try gateway.ping("van-3", at: berlin)
                try Self.search(page, "van-3")
                try page.waitForArrival(of: "van-3", at: berlin)
                try Self.waitForCentre(of: page, at: berlin)

                try Self.search(page, "nobody")
                try page.wait("it says so", "document.getElementById('notice').innerText.includes('“nobody”')")
                try Self.waitForCentre(of: page, at: berlin)
            }
        }

        private static func search(_ page: Page, _ name: String) throws {
            try page.run("const search = document.getElementById('search'); search.focus(); search.select()")
            try page.type(name)
        }

        /// Waits until the map's middle is at a place, within a pixel or two.
        private static func waitForCentre(of page: Page, at place: Place) throws {
            try page.wait(
                "the map goes to \(place)",
                "((lat, lng) => Math.abs(lat - \(place.lat)) < 5e-5 && Math.abs(lng - \(place.lng)) < 5e-5)"
                    + "(...droverTest.center())")
        }
    }
}
