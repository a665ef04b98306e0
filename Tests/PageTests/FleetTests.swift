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

        @Test func `states, groups and an area leave only some, on the map and in the list`() throws {
            try withPages(["DROVER_LIVE_STALE_S": "600", "DROVER_LIVE_OFFLINE_S": "1200"]) { gateway, browser in
                let east = Place(lat: 43.65, lng: -79.37)
                try gateway.ping("a", at: toronto)
                try gateway.ping("b", at: east, secondsAgo: 700)
                try gateway.ping("c", at: Place(lat: 43.66, lng: -79.38), secondsAgo: 120)
                try gateway.assign(["a", "b"], to: "groups/east")
                try gateway.assign(["c"], to: "groups/west")
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.address(of: .fleet))
                try page.waitForShown(["a", "b", "c"])
                #expect(try page.value("document.getElementById('states').textContent") == "Live 2Stale 1Offline 0")

                try page.run("document.querySelector('#states [data-state=live]').click()")
                try page.waitForShown(["b"])
                try page.waitForView(of: "b")
                try Self.waitForNoPaint(of: "a", page)
                try page.run("document.querySelector('#states [data-state=live]').click()")
                try page.waitForShown(["a", "b", "c"])

                try page.wait("groups are offered", "document.querySelectorAll('#group-list input').length === 2")
                #expect(
                    try page.value("document.getElementById('group-list').textContent") == "east2 driverswest1 driver")
                try page.run("document.querySelector('#group-list [value=west]').click()")
                try page.waitForShown(["c"])
                #expect(page.sent.contains { $0.contains("\"subscribe\":[\"group:west\"]") })
                try page.run("document.querySelector('#group-list [value=east]').click()")
                try page.waitForShown(["a", "b", "c"])
                #expect(try page.text("#groups-summary") == "Groups: west, east")
                try page.run("document.getElementById('groups-none').click()")
                try page.wait("by place again", "document.getElementById('summary').innerText.startsWith('3 in view')")

                // Around one of them by the mouse.
                try page.run("document.getElementById('area').click()")
                let marker = try page.marker("b")
                let (x, y) = (try #require(marker.x), try #require(marker.y))
                try page.mouse(from: (x - 40, y - 40), to: (x + 40, y + 40))
                try page.waitForShown(["b"])
                #expect(try page.text("#summary") == "1 in the area: 1 stale")
                // Who drives in comes, who drives out goes.
                try gateway.ping("c", at: Place(lat: east.lat, lng: east.lng + 1e-4))
                try page.waitForShown(["b", "c"])
                try gateway.ping("b", at: toronto)
                try page.waitForShown(["c"])
                try page.run("document.getElementById('area').click()")
                try page.waitForShown(["a", "b", "c"])

                // By the keyboard: the middle half of the map, made as small as it gets, has nobody.
                try page.run("document.getElementById('area').focus()")
                try page.press("Enter")
                try page.wait("it is drawn", "document.activeElement.className.startsWith('area-sheet')")
                for _ in 0..<25 {
                    try page.press("ArrowLeft", shift: true)
                    try page.press("ArrowUp", shift: true)
                }
                try page.press("Enter")
                try page.waitForShown([])
                #expect(try page.value("document.activeElement.id") == "area")
                try page.press("Enter")
                try page.waitForShown(["a", "b", "c"])
                #expect(page.complaints == [])
            }
        }

        @Test func `one driver's detail says what is known, and the keyboard goes through it all`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-2"], to: "groups/east")
                try gateway.ping("van-1", at: toronto)
                try gateway.ping("van-2", at: Place(lat: 43.66, lng: -79.39), speed: 10, heading: 271)
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.address(of: .fleet))
                try page.waitForShown(["van-1", "van-2"])
                try page.wait("a group is offered", "document.querySelector('#group-list input')")
                try page.run("document.querySelector('#group-list input').click()")
                try page.waitForShown(["van-2"])
                try page.run("document.getElementById('drivers').focus()")
                try page.press("Enter")
                try page.wait("its detail", "document.getElementById('detail-name').innerText === 'van-2'")
                #expect(try page.text("#detail-state") == "Live")
                #expect(try page.text("#detail-speed") == "36 km/h")
                #expect(try page.text("#detail-heading") == "west, 271°")
                #expect(try page.text("#detail-accuracy") == "within 5 m")
                #expect(try page.text("#detail-place") == "43.66000, -79.39000")
                #expect(try page.text("#detail-subjects") == "Group east")
                try page.waitForView(of: "van-2")

                try page.press("Escape")
                try page.wait("it is let go", "document.getElementById('detail').hidden")
                #expect(try page.value("document.activeElement.id") == "drivers")
                try page.write("/")
                #expect(try page.value("document.activeElement.id") == "search")
                // What is typed there is no command.
                try page.write("-/")
                #expect(try page.value("document.getElementById('search').value") == "-/")
                try page.run("document.getElementById('drivers').focus()")
                let zoom: Double = try page.value("droverTest.zoom()")
                try page.write("+")
                try page.wait("it zooms in", "droverTest.zoom() === \(zoom + 1)")
                try page.write("-")
                try page.wait("it zooms out", "droverTest.zoom() === \(zoom)")
                #expect(page.complaints == [])
            }
        }

        /// Waits until there is no paint where a driver would be.
        private static func waitForNoPaint(of driver: String, _ page: Page) throws {
            try page.wait(
                "\(driver) is painted no more",
                "(({ x, y }) => \(Page.paint("x", "y"))[3] === 0)(\(Page.marker(driver)))")
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
