// What a customer is told of the time: the words, and when they change.

import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct ForecastTests {
        /// The titles that a forecast gives one after another; `statements` push to `told`.
        private static func titles(_ statements: String) throws -> [String] {
            var titles: [String] = []
            try withPages { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try page.open("\(gateway.address)/assets/settings.json")
                try page.wait("the page is there", "document.body.innerText.includes('tile_url')")
                titles = try page.value(
                    """
                    import("/assets/forecast.js").then(({ Forecast }) => {
                      const told = [];
                      const arrival = (minutes, confidence, now = 0, stage = "departed") =>
                        ({ stage, confidence, arrives_at: now + minutes * 60000 });
                      const once = (...words) => new Forecast().words(arrival(...words), 0, "Your driver").title;
                      \(statements)
                      return told;
                    })
                    """)
                #expect(page.complaints.filter { !$0.contains("favicon") } == [])
            }
            return titles
        }

        @Test func `it is told no more exactly than it is known`() throws {
            let titles = try Self.titles(
                """
                told.push(once(6.2, "high"), once(0.1, "high"), once(11, "medium"), once(2, "medium"));
                told.push(once(16, "low"), once(3, "low"), once(50, "low"));
                told.push(once(1, "high", 0, "arriving"), once(1, "low", 0, "arrived"));
                told.push(once(95, "high").replace(/\\d+:\\d+/, "hh:mm"));
                """)
            #expect(
                titles.map { $0.replacing("\u{202F}", with: " ") }.map { $0.replacing(#/ [AP]M$/#, with: "") } == [
                    "Arriving in 6 min", "Arriving in 1 min", "Arriving in about 10 min", "Arriving in a few minutes",
                    "Arriving in 10 to 25 min", "Arriving within 5 min", "Your driver is on the way",
                    "Your driver is arriving", "Your driver is here", "Arriving at about hh:mm",
                ])
        }

        @Test func `it counts down without going back and forth where estimates waver`() throws {
            let titles = try Self.titles(
                """
                const forecast = new Forecast();
                for (let second = 0; second <= 480; second += 1) {
                  // Eight minutes, give or take twenty seconds at each push.
                  const waver = (Math.floor(second / 5) % 2 === 0 ? 20 : -20) / 60;
                  const now = second * 1000;
                  const { title } = forecast.words(arrival(8 - second / 60 + waver, "high", now), now, "Your driver");
                  if (told.at(-1) !== title) told.push(title);
                }
                """)
            #expect(titles == (1...8).reversed().map { "Arriving in \($0) min" })
        }

        @Test func `a confidence that comes and goes changes nothing, one that stays does`() throws {
            let titles = try Self.titles(
                """
                const forecast = new Forecast();
                for (let second = 0; second < 60; second += 1) {
                  const now = second * 1000;
                  const confidence = second < 30 ? (second % 10 < 5 ? "high" : "medium") : "medium";
                  const { title } = forecast.words(arrival(20, confidence, now), now, "Your driver");
                  if (told.at(-1) !== title) told.push(title);
                }
                """)
            #expect(titles == ["Arriving in 20 min", "Arriving in about 20 min"])
        }
    }
}
