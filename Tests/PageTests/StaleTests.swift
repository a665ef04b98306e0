// What becomes of a driver who falls silent.

import Testing

extension PageTests {
    @Suite(.serialized) struct StaleTests {
        /// What a map shows of one driver.
        private struct Sight: Decodable {
            let state: String
            /// The disc's ring, the square where the disc is hidden, what is painted beside the middle: red, green, blue.
            let colour: String
            let label: String
            let details: String
        }

        private static let sight = """
            ((van, driver) => {
              const details = document.querySelector("#drivers li span")?.textContent ?? "";
              if (!van) {
                const label = droverTest.fleet().names[0]?.text;
                const paint = driver?.is_in_view ? \(Page.paint("driver.x + 7", "driver.y + 7")) : [0, 0, 0, 0];
                return paint[3] === 255 && label
                  ? { state: driver.painted, colour: `rgb(${paint.slice(0, 3)})`, label, details } : undefined;
              }
              return {
                state: van.dataset.state,
                colour: van.dataset.state === "offline" ? getComputedStyle(van.querySelector(".square")).fill
                  : van.dataset.state === "stale" ? getComputedStyle(van.querySelector(".disc")).stroke
                  : getComputedStyle(van.querySelector(".disc")).fill,
                label: van.textContent, details,
              };
            })(\(Page.icon("van-1")), \(Page.marker("van-1")))
            """

        @Test func `a silent driver is greyed, says since when, and comes back to life`() throws {
            try withPages(["DROVER_LIVE_STALE_S": "2", "DROVER_LIVE_OFFLINE_S": "4"]) { gateway, browser in
                let pages = try MapPage.allCases.map { _ in try Page(browser) }
                defer { for page in pages { page.close() } }
                try gateway.ping("van-1", at: toronto)
                for (page, kind) in zip(pages, MapPage.allCases) {
                    try page.open(gateway.address(of: kind, watching: ["van-1"]))
                    try page.waitForDrivers(1)
                    try page.startNoting(Self.sight)
                }
                // The pages took their time to load; here the driver is heard of anew.
                try gateway.ping("van-1", at: toronto, speed: 3)
                for page in pages { try page.wait("that is seen", "\(Page.marker("van-1")).speed === 3") }
                for page in pages {
                    try page.wait("it is offline", "\(Page.marker("van-1")).state === 'offline'")
                    // On a busy machine a page draws seldom.
                    try page.wait("a frame shows it", "JSON.parse(notes.at(-1).text).state === 'offline'")
                    try page.wait("the list says so", "\(Self.sight).details.startsWith('offline since')")
                    #expect(page.frames.contains { $0.contains("\"state\":\"stale\"") }, "the gateway has told")
                }
                try gateway.ping("van-1", at: toronto, speed: 4)
                for page in pages {
                    try page.wait("it lives", "\(Self.sight).details.includes('14 km/h')")
                    let sights = try page.notes(as: Sight.self).map(\.value)
                    let states = sights.map(\.state).reduce(into: [String]()) { if $0.last != $1 { $0.append($1) } }
                    #expect(states.suffix(4) == ["live", "stale", "offline", "live"])
                    for sight in sights {
                        let isLive = sight.state == "live"
                        #expect(Self.isBlue(sight.colour) == isLive, "\(sight)")
                        #expect(sight.label.contains("ago") != isLive, "\(sight)")
                    }
                    let details = sights.map(\.details)
                    #expect(details.contains { $0.wholeMatch(of: /no news since \d.* \(\d s ago\)/) != nil })
                    #expect(details.contains { $0.wholeMatch(of: /offline since \d.* \(\d s ago\)/) != nil })
                    #expect(page.complaints == [])
                }
            }
        }

        /// Whether a colour as `rgb(…)` is blue, which grey and amber are not.
        private static func isBlue(_ colour: String) -> Bool {
            let parts = colour.split { !$0.isNumber }.prefix(3).compactMap { Int($0) }
            return parts.count == 3 && parts[2] > parts[0] + 60
        }
    }
}
