// A fleet of thousands: joined where the map is too small for each, listed by rows in sight, and drawn without stutter.

import EventLoop
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct FleetCrowdTests {
        @Test func `neighbours are joined, nobody is lost, and a click or Enter takes them apart`() throws {
            try withPages { gateway, browser in
                let crowd = crowdOfDrivers(400)
                try gateway.ping(crowd)
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.address(of: .fleet))
                try page.waitForDrivers(400)
                try page.wait("some are joined", "droverTest.fleet().clusters.length > 3")
                let before = try page.fleet()
                #expect(before.total == 400)
                #expect(before.clusters.allSatisfy { $0.count >= 4 && $0.live + $0.stale + $0.offline == $0.count })
                for cluster in before.clusters.prefix(3) {
                    let paint: [Int] = try page.value(Page.paint("\(cluster.x)", "\(cluster.y - 5)"))
                    #expect(paint[3] == 255, "it is painted")
                }

                let zoom: Double = try page.value("droverTest.zoom()")
                let largest = try #require(before.clusters.max { $0.count < $1.count })
                try page.mouse(from: (largest.x, largest.y))
                try page.wait("the click zooms in", "droverTest.zoom() > \(zoom)")
                // Further away there is a larger box to ask for.
                try page.run("document.querySelector('.leaflet-control-zoom-out').focus()")
                while try page.value("droverTest.zoom()", as: Double.self) > 13 {
                    let now: Double = try page.value("droverTest.zoom()")
                    try page.press("Enter")
                    try page.wait("it zooms out", "droverTest.zoom() === \(now - 1)")
                }
                try page.waitForDrivers(400)
                try page.waitUntil("everybody is in a cluster or alone") {
                    let fleet = try page.fleet()
                    return fleet.total == 400 && fleet.clusters.count > 1
                }
                try page.run("document.getElementById('map').focus()")
                try page.press("Enter")
                try page.wait("Enter zooms in", "droverTest.zoom() > 13")

                try page.run("document.getElementById('clusters').click()")
                try page.wait("each is alone", "droverTest.fleet().clusters.length === 0")
                let count: Int = try page.value("droverTest.markers().length")
                #expect(try page.fleet().alone == count)
                #expect(page.complaints == [])
            }
        }

        @Test func `thousands of rows are few elements, and the keyboard walks through all of them`() throws {
            try withPages { gateway, browser in
                try gateway.ping(crowdOfDrivers(3_000))
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.address(of: .fleet))
                try page.waitForDrivers(3_000)
                try page.wait("they are listed", "document.querySelector('#drivers li')?.ariaSetSize === '3000'")
                #expect(try page.value("document.querySelectorAll('#drivers li').length", as: Int.self) < 60)
                try page.run("document.getElementById('drivers').focus()")
                for (keys, expected) in [
                    (["End"], "van-3000"), (["ArrowUp", "ArrowUp"], "van-2998"), (["Home"], "van-0001"),
                    (["ArrowDown", "ArrowUp", "ArrowUp"], "van-0001"), (["ArrowDown"], "van-0002"),
                ] {
                    for key in keys { try page.press(key) }
                    #expect(try Self.active(page) == expected)
                }
                try page.press("PageDown")
                #expect(try Self.active(page) != "van-0002")
                // Scrolled away, it is still the one the keyboard is at.
                try page.press("End")
                try page.run("document.getElementById('drivers').scrollTop = 0")
                try page.wait("the first are in sight", "document.querySelector('[data-id=van-0001]')")
                #expect(try Self.active(page) == "van-3000")
                try page.press("Enter")
                try page.wait("it is chosen", "document.getElementById('detail-name').innerText === 'van-3000'")
                try page.wait(
                    "it is in sight",
                    """
                    (({ top, bottom }, list) => top >= list.top && bottom <= list.bottom + 1)(
                      document.querySelector('[data-id=van-3000]').getBoundingClientRect(),
                      document.getElementById('drivers').getBoundingClientRect())
                    """)
                #expect(page.complaints == [])
            }
        }

        /// The row that the keyboard is at, which has to be an element for a screen reader to find.
        private static func active(_ page: Page) throws -> String {
            try page.value(
                "document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).dataset.id")
        }

        @Test func `frames keep coming while three thousand drivers move, each drawn alone`() throws {
            try withPages { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try gateway.ping(crowdOfDrivers(3_000), secondsAgo: 1)
                try page.open(gateway.address(of: .fleet))
                try page.waitForDrivers(3_000)
                try page.run("document.getElementById('clusters').click()")
                try page.wait("each is alone", "droverTest.fleet().alone === 3000")
                try page.run(
                    """
                    window.before = new Map(droverTest.markers().map(({ driver_id, lat }) => [driver_id, lat]));
                    window.recorded = [];
                    let last = performance.now();
                    const record = (now) => {
                      recorded.push({ at: now, gap: now - last, drawn: droverTest.frames() });
                      last = now;
                      requestAnimationFrame(record);
                    };
                    requestAnimationFrame(record)
                    """)
                let seconds = 10
                for step in 1...seconds {
                    try page.run("window.sentAt = performance.now()")
                    try gateway.ping(crowdOfDrivers(3_000, step: step))
                    try page.wait("a second", "performance.now() - sentAt >= 1000")
                }
                let last = try #require(crowdOfDrivers(3_000, step: seconds).last).place
                try page.waitUntil("the last arrives") { try page.marker("van-3000").targetLat == last.lat }
                #expect(
                    try page.value(
                        "droverTest.markers().filter((each) => each.lat > before.get(each.driver_id)).length")
                        == 3_000)

                struct Frame: Decodable {
                    let at: Double
                    let gap: Double
                    let drawn: Int
                }
                let frames = try page.value("recorded", as: [Frame].self)
                let (first, final) = (try #require(frames.first), try #require(frames.last))
                for second in 0..<Int((final.at - first.at) / 1_000) {
                    let begin = first.at + Double(second) * 1_000
                    let within = frames.filter { $0.at >= begin && $0.at < begin + 1_000 }
                    let drawn = (within.last?.drawn ?? 0) - (within.first?.drawn ?? 0)
                    #expect(drawn > 0, "the map is drawn in second \(second)")
                }
                let gaps = frames.dropFirst().map(\.gap).sorted()
                let length = (final.at - first.at) / 1_000
                let painting: Double = try page.value("droverTest.fleet().lasted")
                print(
                    String(
                        format:
                            "3,000 moving drivers: %.1f frames/s of the page, %.1f drawn; gap p95 %.0f ms, longest %.0f ms;"
                            + " a frame painted in %.1f ms",
                        Double(frames.count) / length, Double(final.drawn - first.drawn) / length,
                        gaps[gaps.count * 95 / 100], gaps.last ?? 0, painting))
                #expect(page.complaints == [])
            }
        }

        @Test func `with three thousand drivers it fits and is readable on phones and screens, light and dark`() throws
        {
            try withPages(["DROVER_LIVE_STALE_S": "600", "DROVER_LIVE_OFFLINE_S": "1200"]) { gateway, browser in
                let crowd = crowdOfDrivers(3_000)
                try gateway.ping(crowd.enumerated().filter { $0.offset % 9 > 1 }.map(\.element), secondsAgo: 2)
                try gateway.ping(crowd.enumerated().filter { $0.offset % 9 == 1 }.map(\.element), secondsAgo: 700)
                try gateway.ping(crowd.enumerated().filter { $0.offset % 9 == 0 }.map(\.element), secondsAgo: 1_300)
                // By name they are watched, who is silent for long is shown too.
                try gateway.assign(crowd.map(\.driver), to: "groups/toronto")
                let session = try gateway.openSession(for: ["group:toronto"])
                for look in LayoutTests.looks {
                    let page = try Page(browser, look)
                    defer { page.close() }
                    try page.open(gateway.address(of: .fleet, token: session.token))
                    try page.waitForDrivers(3_000)
                    try page.wait(
                        "their states are told", "document.getElementById('summary').innerText.includes('live')")
                    let name = "\(look.width)-\(look.isDark ? "dark" : "light")"
                    try LayoutTests.expectGood(page, look, "the crowd at \(look)")
                    try LayoutTests.takePicture(of: page, "fleet-3000-\(name)")
                    try page.run("document.getElementById('clusters').click()")
                    try page.wait("each is alone", "droverTest.fleet().clusters.length === 0")
                    try LayoutTests.takePicture(of: page, "fleet-3000-alone-\(name)")
                    try page.run("document.getElementById('clusters').click()")
                    try page.run("document.getElementById('search').focus()")
                    try page.type("van-1500")
                    try page.wait("one is chosen", "document.getElementById('detail').checkVisibility()")
                    try page.waitForView(of: "van-1500")
                    try LayoutTests.expectGood(page, look, "a driver's detail at \(look)")
                    try LayoutTests.takePicture(of: page, "fleet-detail-\(name)")
                }
            }
        }
    }
}
