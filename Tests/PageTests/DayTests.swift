// A driver's day on the fleet map, replayed.

import EventLoop
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct DayTests {
        /// What the page says of the day that is open.
        private struct Shown: Decodable {
            let driver: String
            let date: String
            let phase: String
            /// Epoch ms.
            let time: Double
            let isPlaying: Bool
            let points: Int
            let lat: Double?
            let lng: Double?
        }

        @Test func `a day is told part by part, and its slider moves the driver by keyboard`() throws {
            try withPages { gateway, browser in
                let day = DrivenDay(of: "van-1")
                try gateway.drive(day)
                let page = try Page(browser)
                defer { page.close() }
                try Self.open(day, on: page, gateway)
                #expect(try page.text("#day-title") == "van-1")
                #expect(try page.text("#day-zone") == "Days and times of UTC")
                #expect(try Self.shown(page).points == day.fixes.count)
                let parts: [String] = try page.value(
                    "[...document.querySelectorAll('#parts strong')].map((part) => part.textContent)")
                #expect(parts.map { $0.prefix { $0 != "," } } == ["Trip 1", "Stop", "Trip 2", "No pings", "Trip 3"])
                #expect(parts.contains("Stop, 10 min") && parts.contains("No pings, 40 min"))
                #expect(parts[0].hasPrefix("Trip 1, 4.0 km") || parts[0].hasPrefix("Trip 1, 3.9 km"), "\(parts)")
                #expect(try page.text("#day-summary").contains("3 trips, 1 stop, \(day.fixes.count) pings"))
                #expect(try page.value("document.querySelectorAll('.stop-icon .stop').length") == 1)
                #expect(try page.value("document.querySelectorAll('.stop-icon .trip-number').length") == 3)
                #expect(try page.value(Self.inkOfWay, as: Int.self) > 500, "the way is drawn")
                try page.wait("what is live steps back", "\(Self.opacityOfFleet) < 0.5")

                let start = day.fixes[0].at
                try page.run("document.getElementById('time').focus()")
                #expect(try Self.valueText(page) == "\(DrivenDay.clock(start)) · 36 km/h · trip 1")
                // Ten seconds a key: six lie between two pings once.
                for _ in 0..<3 { try page.press("ArrowRight") }
                try page.press("ArrowLeft")
                #expect(try Self.valueText(page) == "\(DrivenDay.clock(start + 20)) · 36 km/h · trip 1")
                try Self.expectPlace(page, day, at: start + 20)
                try page.press("PageUp")
                #expect(try Self.valueText(page) == "\(DrivenDay.clock(start + 620)) · 0 km/h · stop")
                try Self.expectPlace(page, day, at: start + 620)
                try page.press("End")
                try page.wait("its end", "droverTest.day().time === \(day.fixes[day.fixes.count - 1].at * 1_000)")
                try Self.expectPlace(page, day, at: day.fixes[day.fixes.count - 1].at)
                try page.press("Home")
                try page.wait("its begin", "droverTest.day().time === \(start * 1_000)")
                #expect(try page.text("#parts [aria-current]").contains("Trip 1"))

                // A key goes to another day, and back.
                try page.run("document.getElementById('day-before').click()")
                try Self.waitFor(page, "empty")
                #expect(try page.text("#day-notice") == "No pings of van-1 are kept of this day.")
                #expect(try page.value("document.getElementById('play').disabled"))
                try page.run("document.getElementById('day-after').click()")
                try Self.waitFor(page, "ready")
                #expect(try Self.shown(page).date == day.date)
                try page.press("Escape")
                try page.wait("the fleet is back", "document.getElementById('drivers').checkVisibility()")
                #expect(try page.value("location.hash") == "")
                try page.wait(
                    "the keyboard is back at the driver",
                    "document.activeElement.getAttribute('aria-activedescendant') === 'driver-van-1'")
                #expect(try page.value("document.querySelectorAll('.replay, .stop-icon').length") == 0)
                #expect(try page.value(Self.opacityOfFleet) == 1)
                #expect(page.complaints == [])
            }
        }

        @Test func `playing goes on from ping to ping and never glides over a silence`() throws {
            try withPages { gateway, browser in
                let day = DrivenDay(of: "van-1")
                try gateway.drive(day)
                let page = try Page(browser)
                defer { page.close() }
                try Self.open(day, on: page, gateway)
                try page.run("[...document.querySelectorAll('#parts button')][2].click()")
                try page.wait("the second trip's begin", "droverTest.day().time >= \((day.secondTrip - 60) * 1_000)")
                try page.run("document.getElementById('pace').value = '300'")
                try page.startNoting(
                    "(({ time, lat, lng }) => [time, lat, lng])(droverTest.day())")
                try page.run(
                    "window.said = new Set(); const words = document.getElementById('moment');"
                        + " new MutationObserver(() => said.add(words.textContent)).observe(words, { childList: true })"
                )
                try page.run("document.getElementById('play').click()")
                #expect(try page.text("#play") == "Pause")
                try page.wait(
                    "it is past the silence", "droverTest.day().time > \((day.silence.upperBound + 60) * 1_000)")
                try page.run("document.getElementById('play').click()")
                #expect(try page.text("#play") == "Play")
                #expect(try Self.shown(page).isPlaying == false)

                let notes = try page.notes(as: [Double].self).map(\.value)
                #expect(zip(notes, notes.dropFirst()).allSatisfy { $0[0] < $1[0] }, "time goes forwards")
                for note in notes {
                    let place = day.place(at: note[0] / 1_000)
                    #expect(abs(note[1] - place.lat) < 1e-6 && abs(note[2] - place.lng) < 1e-6, "at \(note[0])")
                }
                let silent = notes.filter { day.silence.contains(Int($0[0] / 1_000)) }
                #expect(silent.count > 3, "the silence is shown for a moment")
                #expect(
                    silent[silent.count - 1][0] / 1_000 < Double(day.silence.upperBound - 600), "and then passed over")
                #expect(notes.count - silent.count > 10)
                let words: [String] = try page.value("[...said]")
                let told =
                    "no pings from \(DrivenDay.clock(day.silence.lowerBound).prefix(5))"
                    + " to \(DrivenDay.clock(day.silence.upperBound).prefix(5))"
                #expect(words.contains { $0.hasSuffix(told) }, "\(told)")

                // To the end, where it stops by itself; from there it begins anew.
                try page.wait("it can be played", "document.getElementById('play').textContent === 'Play'")
                try page.run("document.getElementById('play').click()")
                try page.wait("it stops at the end", "!droverTest.day().isPlaying")
                #expect(try Self.shown(page).time == Double(day.fixes[day.fixes.count - 1].at) * 1_000)
                try page.run("document.getElementById('play').click()")
                try page.wait("the begin", "droverTest.day().time < \((day.fixes[0].at + 300) * 1_000)")
                #expect(page.complaints == [])
            }
        }

        @Test func `whoever may not see the past, or cannot reach it, is told what is missing`() throws {
            try withPages { gateway, browser in
                let day = DrivenDay(of: "van-1")
                try gateway.drive(day)
                let key = try gateway.makeKey(named: "viewer", permissions: "positions:read")
                let weak = try Page(browser)
                defer { weak.close() }
                try weak.open(gateway.address(of: .fleet, token: key))
                try weak.waitForDrivers(1)
                try Self.openToday(weak)
                try Self.waitFor(weak, "refused")
                #expect(try weak.text("#day-notice").contains("lacks the permission history:read"))
                #expect(try weak.value("document.getElementById('day-again').hidden"))
                try weak.run("document.getElementById('day-close').click()")
                try weak.wait("the fleet is back", "document.getElementById('drivers').checkVisibility()")
                #expect(try weak.value("droverTest.state()") == "live")

                let page = try Page(browser)
                defer { page.close() }
                try Self.open(day, on: page, gateway)
                gateway.kill()
                try page.run("document.getElementById('day-before').click()")
                try Self.waitFor(page, "refused")
                #expect(try page.text("#day-notice") == "The gateway cannot be reached.")
                try gateway.start()
                try page.run("document.getElementById('day-again').click()")
                try Self.waitFor(page, "empty")
                try page.run("document.getElementById('day-after').click()")
                try Self.waitFor(page, "ready")
                #expect(try Self.shown(page).points == day.fixes.count)
            }
        }

        @Test func `an address leads to a day, in the history's own zone, and tells no key and no path`() throws {
            try withPages(["DROVER_HISTORY_TIME_ZONE": "America/Toronto"]) { gateway, browser in
                let day = DrivenDay(of: "van-1")
                try gateway.drive(day)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.address(of: .fleet) + "&driver=van-1&day=\(day.date)")
                for hasKey in [true, false] {
                    try Self.waitFor(page, "ready")
                    #expect(try page.text("#day-zone") == "Days and times of America/Toronto", "\(hasKey)")
                    let clock = DrivenDay.clock(day.fixes[0].at, zone: "America/Toronto")
                    #expect(try Self.valueText(page).hasPrefix("\(clock) · "))
                    #expect(try page.value("location.pathname + location.search") == "/fleet")
                    #expect(try page.value("location.hash") == "#driver=van-1&day=\(day.date)")
                    guard hasKey else { break }
                    try page.call("Page.reload")
                    try page.wait(
                        "it is loaded anew", "performance.getEntriesByType('navigation')[0].type === 'reload'")
                }
                try page.expectSecret(gateway.key, gateway)
                let paths = page.requested.compactMap { URL(string: $0)?.path }.filter { $0.contains("van-1") }
                #expect(Set(paths) == ["/v1/drivers/van-1/trips", "/v1/drivers/van-1/history"])
                // The fleet that was not looked at yet is framed afterwards.
                try page.press("Escape")
                try page.wait("the fleet", "document.getElementById('drivers').checkVisibility()")
                try page.waitForView(of: "van-1")
            }
        }

        @Test func `a day that goes on grows while it is looked at`() throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto, secondsAgo: 20)
                try gateway.ping("van-1", at: Place(lat: 43.6535, lng: -79.3832), secondsAgo: 10)
                let today = DrivenDay.format(
                    Int(SystemClock.wallMicroseconds() / 1_000_000) - 10, "yyyy-MM-dd", zone: "UTC")
                try gateway.waitForHistory(of: "van-1", on: today, count: 2)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.address(of: .fleet))
                try page.waitForDrivers(1)
                try Self.openToday(page)
                try page.wait("two pings", "droverTest.day().points === 2")
                try page.run("document.getElementById('time').focus()")
                try page.press("End")
                try gateway.ping("van-1", at: Place(lat: 43.6539, lng: -79.3832))
                try page.wait("a third", "droverTest.day().points === 3")
                try page.wait("its driver is at the new end", "droverTest.day().lat === 43.6539")
                #expect(page.complaints == [])
            }
        }

        @Test func `a day with more pings than can be shown is thinned`() throws {
            try withPages { gateway, browser in
                let start = Int(SystemClock.wallMicroseconds() / 1_000_000) / 86_400 * 86_400 - 86_400
                let count = 20_500
                try gateway.ping("van-1", at: toronto)
                try gateway.send(
                    "van-1",
                    (0..<count).map { second in
                        let angle = Double(second) / 600
                        return "\"recorded_at\":\((start + second * 2) * 1_000),\"lat\":\(43.65 + 0.02 * sin(angle)),"
                            + "\"lng\":\(-79.38 + 0.02 * cos(angle * 1.3))"
                    })
                let date = DrivenDay.format(start, "yyyy-MM-dd", zone: "UTC")
                try gateway.waitForHistory(of: "van-1", on: date, count: count)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.address(of: .fleet) + "&driver=van-1&day=\(date)")
                try Self.waitFor(page, "ready")
                #expect(page.requested.contains { $0.contains("/history?") && $0.contains("every_s=5") })
                let points = try Self.shown(page).points
                #expect(points > count / 4 && points <= 20_000, "\(points)")
                #expect(try page.text("#day-summary").contains("20,500 pings"))
                #expect(page.complaints == [])
            }
        }

        @Test func `it fits and is readable on phones and screens, light and dark`() throws {
            try withPages { gateway, browser in
                let day = DrivenDay(of: "van-1")
                try gateway.drive(day)
                try gateway.ping("van-2", at: Place(lat: 43.66, lng: -79.37), speed: 5, heading: 80)
                for look in LayoutTests.looks {
                    let page = try Page(browser, look)
                    defer { page.close() }
                    try Self.open(day, on: page, gateway)
                    let name = "\(look.width)-\(look.isDark ? "dark" : "light")"
                    for (picture, seconds) in [("trip", 700), ("silence", 1_700)] {
                        try page.run(
                            "document.getElementById('time').value = \(seconds);"
                                + " document.getElementById('time').dispatchEvent(new Event('input'))")
                        try LayoutTests.expectGood(page, look, "day at \(look)")
                        let isCut: Bool = try page.value(
                            "(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)"
                                + "(document.getElementById('moment'))")
                        #expect(!isCut, "what is told fits: \(look)")
                        try LayoutTests.takePicture(of: page, "day-\(picture)-\(name)")
                    }
                    let inside: Bool = try page.value(
                        """
                        [...document.querySelectorAll("#day, #player, #time, #play, #day-close")].every((element) => {
                          const { left, right, top, bottom } = element.getBoundingClientRect();
                          return left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight;
                        })
                        """)
                    #expect(inside, "\(look)")
                    try page.run("document.getElementById('day-before').click()")
                    try Self.waitFor(page, "empty")
                    try LayoutTests.expectGood(page, look, "empty day at \(look)")
                    try LayoutTests.takePicture(of: page, "day-empty-\(name)")
                }
            }
        }

        @Test func `times are told with their zone where clocks change, and ways go on across the antimeridian`() throws
        {
            try withPages { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try page.open("\(gateway.address)/fleet")
                try page.wait("it is loaded", "window.droverTest")
                let times: [String] = try page.value(
                    """
                    import("/assets/clock.js").then(({ DayClock, dateAfter }) => {
                      const [from, to] = [Date.UTC(2026, 10, 1, 4), Date.UTC(2026, 10, 2, 5)];
                      const day = new DayClock("America/Toronto", from, to);
                      const next = new DayClock("America/Toronto", to, to + 86400000);
                      return [day.full(from + 5400000), day.full(from + 9000000), day.date(to - 1), next.brief(to),
                        new DayClock("Nowhere/Else", from, to).brief(from), dateAfter("2026-11-01", 1),
                        dateAfter("2024-03-01", -1)];
                    })
                    """)
                #expect(
                    times == [
                        "01:30:00 EDT", "01:30:00 EST", "2026-11-01", "00:00", "04:00 UTC", "2026-11-02", "2024-02-29",
                    ])
                let longitudes: [Double] = try page.value(
                    """
                    import("/assets/track.js").then(({ Track }) => {
                      const track = new Track(300000);
                      const ping = (at, lng) => ({ at, lat: -17, lng, speed: null, heading: null });
                      track.add([ping(1000, 179.5), ping(11000, -179.5), ping(21000, -178.5), ping(11000, 0)]);
                      return [0, 1000, 6000, 11000, 16000, 21000, 99000].map((time) => track.at(time).lng);
                    })
                    """)
                #expect(longitudes == [179.5, 179.5, 180, 180.5, 181, 181.5, 181.5])
                #expect(page.complaints == [])
            }
        }

        // MARK: How it is done

        /// Opens the fleet, a driver's day from its row, and then yesterday by its date.
        private static func open(_ day: DrivenDay, on page: Page, _ gateway: GatewayFixture) throws {
            try page.open(gateway.address(of: .fleet))
            try page.wait("the fleet is live", "droverTest.markers().length > 0 && droverTest.state() === 'live'")
            try openToday(page)
            try waitFor(page, "ready")
            try page.run(
                "const date = document.getElementById('date'); date.value = '\(day.date)';"
                    + " date.dispatchEvent(new Event('change'))")
            try page.wait("that day", "droverTest.day().date === '\(day.date)' && droverTest.day().phase === 'ready'")
        }

        private static let opacityOfFleet = "+getComputedStyle(document.querySelector('.fleet-canvas')).opacity"

        /// Chooses the first driver of the list and presses the button of its day, as a keyboard does.
        private static func openToday(_ page: Page) throws {
            try page.wait("a driver is listed", "document.querySelector('#drivers li')")
            try page.run("document.getElementById('drivers').focus()")
            try page.press("Home")
            try page.press("Enter")
            try page.wait("it is chosen", "document.getElementById('detail-day').checkVisibility()")
            try page.run("document.getElementById('detail-day').focus()")
            try page.press("Enter")
        }

        private static func waitFor(_ page: Page, _ phase: String) throws {
            try page.wait("the day is \(phase)", "droverTest.day().phase === '\(phase)'")
        }

        private static func shown(_ page: Page) throws -> Shown {
            try page.value("droverTest.day()")
        }

        private static func valueText(_ page: Page) throws -> String {
            try page.value("document.getElementById('time').getAttribute('aria-valuetext')")
        }

        /// The driver is drawn where it was at that time, on the screen too.
        private static func expectPlace(_ page: Page, _ day: DrivenDay, at time: Int) throws {
            let shown = try shown(page)
            let place = day.place(at: Double(time))
            #expect(shown.time == Double(time) * 1_000)
            #expect(abs((shown.lat ?? 0) - place.lat) < 1e-6 && abs((shown.lng ?? 0) - place.lng) < 1e-6)
            try page.waitForDrawing(of: ".replay", at: place)
        }

        /// How many pixels of the way are drawn.
        private static let inkOfWay = """
            [...document.querySelectorAll(".leaflet-overlay-pane canvas")].reduce((sum, canvas) => sum +
              canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
                .filter((part, i) => i % 4 === 3 && part > 0).length, 0)
            """
    }
}
