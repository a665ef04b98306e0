// How the pages look: on a phone and on a screen, by day and by night, with and without street tiles.

import DroverClient
import EventLoop
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct LayoutTests {
        static let looks = [390, 1280].flatMap { width in
            [false, true].map { Page.Look(width: width, height: width == 390 ? 844 : 800, isDark: $0) }
        }

        @Test func `with twenty vans they fit and are readable on phones and screens, light and dark`() throws {
            try withPages { gateway, browser in
                let simulation = try Simulation(
                    loop: browser.loop, options: .init(gateway: gateway.address, token: gateway.key, hertz: 2))
                simulation.start()
                defer { simulation.stop() }
                try browser.wait("every van has driven some way") { simulation.total.acknowledged > 60 }
                for look in Self.looks {
                    for kind in MapPage.allCases {
                        let page = try Page(browser, look)
                        defer { page.close() }
                        let watched = Array(simulation.driverIDs.prefix(3))
                        try page.open(gateway.address(of: kind, watching: watched))
                        try page.waitForDrivers(kind == .fleet ? 20 : watched.count)
                        try page.wait("their speeds are told", "document.body.innerText.includes('km/h')")
                        try Self.expectGood(page, look, "\(kind) at \(look)")
                        try Self.takePicture(of: page, "\(kind)-\(look.width)-\(look.isDark ? "dark" : "light")")
                    }
                }
            }
        }

        @Test func `a link's map fits and is readable in all that it may say`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/A-1042")
                try gateway.assign(["van-2"], to: "orders/A-1043")
                try gateway.assign(["van-1", "van-3"], to: "orders/A-1044")
                try gateway.ping("van-2", at: Place(lat: 43.6601, lng: -79.3905), speed: 0, heading: 80, secondsAgo: 50)
                for look in Self.looks {
                    try gateway.ping("van-1", at: toronto, speed: 8.3, heading: 300, secondsAgo: 1)
                    try gateway.ping("van-3", at: Place(lat: 43.6571, lng: -79.3765), speed: 4, heading: 40)
                    for (order, title) in [
                        ("A-1041", "Waiting for a driver"), ("A-1042", "Your driver is on the way"),
                        ("A-1043", "No position for"), ("A-1044", "2 drivers are on the way"),
                        ("A-1045", "This link was withdrawn"),
                    ] {
                        let page = try Page(browser, look)
                        defer { page.close() }
                        let session = try gateway.openSession(
                            for: ["order:\(order)"], seconds: order == "A-1042" ? 45 : 600)
                        try page.open(session.mapUrl)
                        if order == "A-1045" {
                            try page.wait("it is live", "droverTest.state() === 'live'")
                            try gateway.revoke(session)
                        }
                        try page.wait(title, "document.getElementById('headline').innerText.startsWith('\(title)')")
                        try Self.expectGood(page, look, "\(order) at \(look)")
                        let box: [Double] = try page.value(
                            "(({ left, right, top, bottom }) => [left, innerWidth - right, top, innerHeight - bottom])"
                                + "(document.getElementById('card').getBoundingClientRect())")
                        #expect(box.allSatisfy { $0 >= 0 }, "\(order) at \(look)")
                        for driver in try page.value(
                            "droverTest.markers().map((van) => van.driver_id)", as: [String].self)
                        {
                            try page.waitForView(of: driver)
                        }
                        try Self.takePicture(of: page, "link-\(order)-\(look.width)-\(look.isDark ? "dark" : "light")")
                    }
                }
            }
        }

        static func expectGood(_ page: Page, _ look: Page.Look, _ which: Comment) throws {
            #expect(try page.value("innerWidth") == look.width, which)
            #expect(try page.value("document.scrollingElement.scrollWidth", as: Int.self) <= look.width, which)
            let ground: String = try page.value("getComputedStyle(document.body).backgroundColor")
            let parts = ground.split { !$0.isNumber }.compactMap { Int($0) }
            #expect(parts.count == 3 && parts.allSatisfy { ($0 < 128) == look.isDark }, "\(ground): \(which)")
            #expect(try page.value(Self.inkOfGrid, as: Int.self) > 100, "a grid is drawn: \(which)")
            #expect(try page.value(Self.faintTexts, as: [String].self) == [], which)
            try page.wait("no label hides another", "(\(Self.overlaps)).length === 0")
            // Which comes of looking at the pixels again and again.
            #expect(page.complaints.filter { !$0.contains("willReadFrequently") } == [], which)
        }

        /// How many pixels of the grid are not empty.
        private static let inkOfGrid = """
            [...document.querySelectorAll("canvas.leaflet-tile")].reduce((sum, canvas) => sum + canvas.getContext("2d")
              .getImageData(0, 0, canvas.width, canvas.height).data.filter((part, i) => i % 4 === 3 && part > 0).length, 0)
            """

        /// Pairs of vans whose names are written over each other.
        private static let overlaps = """
            (() => {
              const labels = [...document.querySelectorAll(".van-label")]
                .filter((label) => label.checkVisibility({ checkVisibilityCSS: true }))
                .map((label) => ({ name: label.textContent, box: label.getBoundingClientRect() }));
              const painted = droverTest.fleet?.().names ?? [];
              labels.push(...painted.map(({ text, ...box }) => ({ name: text, box })));
              return labels.flatMap((one, i) => labels.slice(i + 1).filter(({ box }) => box.left < one.box.right &&
                one.box.left < box.right && box.top < one.box.bottom && one.box.top < box.bottom)
                .map((other) => `${one.name} over ${other.name}`));
            })()
            """

        /// Visible texts whose contrast to what lies behind them is below 4.5 (WCAG 2.2, criterion 1.4.3).
        static let faintTexts = """
            (() => {
              const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
              const rgba = (colour) => {
                canvas.clearRect(0, 0, 1, 1);
                canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
              };
              const over = (top, under) => under.map((part, i) => i < 3 ? top[i] * top[3] + part * (1 - top[3]) : 1);
              const ground = (element) => element === null ? [1, 1, 1, 1]
                : over(rgba(getComputedStyle(element).backgroundColor), ground(element.parentElement));
              const light = (colour) => colour.slice(0, 3).map((part) => part <= 0.04045 ? part / 12.92
                : ((part + 0.055) / 1.055) ** 2.4).reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
              return [...document.body.querySelectorAll("*")].filter((element) => element.checkVisibility() &&
                !element.matches(".leaflet-disabled *, .leaflet-disabled") && element.getBoundingClientRect().width > 0 &&
                [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""))
                .map((element) => {
                  const behind = ground(element);
                  const [a, b] = [light(over(rgba(getComputedStyle(element).color), behind)), light(behind)];
                  return { text: element.textContent.trim(), contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) };
                })
                .filter(({ contrast }) => contrast < 4.5).map(({ text, contrast }) => `${text}: ${contrast.toFixed(2)}`);
            })()
            """

        @Test func `the dialog that asks for a key fits a phone and is readable`() throws {
            try withPages { gateway, browser in
                for look in Self.looks {
                    let page = try Page(browser, look)
                    defer { page.close() }
                    try page.open("\(gateway.address)/fleet")
                    try page.wait("it asks", "document.getElementById('key-dialog').open")
                    let box: [Double] = try page.value(
                        "(({ left, right }) => [left, right])(document.querySelector('dialog').getBoundingClientRect())"
                    )
                    #expect(box[0] >= 0 && box[1] <= Double(look.width))
                    #expect(try page.value("document.activeElement.id") == "key")
                    #expect(try page.value(Self.faintTexts, as: [String].self) == [])
                    try Self.takePicture(of: page, "key-\(look.width)-\(look.isDark ? "dark" : "light")")
                    #expect(page.complaints == [])
                }
            }
        }

        @Test func `tiles come from the configured server, and the grid where it is gone`() throws {
            try withPages { tiles, browser in
                let picture = "\(tiles.address)/assets/leaflet/images/layers.png?{z}/{x}/{y}"
                let gateway = try GatewayFixture([
                    "DROVER_MAP_TILE_URL": picture, "DROVER_MAP_TILE_ATTRIBUTION": "tiles by a test",
                ])
                defer { gateway.remove() }
                try gateway.ping("van-1", at: toronto)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.address(of: .map, watching: ["van-1"]))
                try page.waitForDrivers(1)
                try page.wait("tiles are there", "document.querySelectorAll('img.leaflet-tile-loaded').length > 4")
                #expect(try page.value("document.querySelectorAll('canvas.leaflet-tile').length") == 0)
                #expect(try page.text(".leaflet-control-attribution").contains("tiles by a test"))
                #expect(page.complaints == [])

                tiles.kill()
                try page.call("Page.reload", ["ignoreCache": true])
                try page.wait("the grid", "document.querySelectorAll('canvas.leaflet-tile').length > 4")
                try page.waitForArrival(of: "van-1", at: toronto)
                #expect(try page.value(Self.inkOfGrid, as: Int.self) > 100)
                #expect(page.complaints.filter { !$0.contains("net::ERR_") } == [], "only of tiles that did not come")
            }
        }

        @Test func `what the security policy forbids is blocked`() throws {
            try withPages { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try page.open("\(gateway.address)/map")
                try page.wait("it asks", "document.getElementById('key-dialog').open")
                #expect(page.complaints == [])
                try page.run(
                    """
                    const script = document.createElement("script");
                    script.textContent = "window.isInjected = true";
                    document.head.append(script);
                    new Image().src = "http://127.0.0.1:65535/";
                    fetch("http://127.0.0.1:65535/").catch(() => 0)
                    """)
                for directive in ["script-src-elem inline", "img-src http:", "connect-src http:"] {
                    try page.waitUntil("the policy's word on \(directive)") {
                        page.complaints.contains { $0.contains("policy: \(directive)") }
                    }
                }
                #expect(try page.value("window.isInjected === undefined"))
            }
        }

        /// Keeps a picture where `DROVER_PAGE_PICTURES` names a directory, to be looked at.
        static func takePicture(of page: Page, _ name: String) throws {
            guard let directory = ProcessInfo.processInfo.environment["DROVER_PAGE_PICTURES"] else { return }
            try page.wait(
                "the grid has faded in",
                "[...document.querySelectorAll('canvas.leaflet-tile')].every((tile) => tile.style.opacity === '1')")
            try page.takePicture("\(directory)/\(name).png")
        }
    }
}
