// `Glide` of /drover.js, which knows no map: where a driver is to be drawn at which moment.

import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct GlideTests {
        private struct Sight: Decodable {
            let lat: Double
            let lng: Double
            let heading: Double?
            let moving: Bool
        }

        /// Runs statements that see `Glide` and give an array of sights.
        private static func sights(_ statements: String) throws -> [Sight] {
            var sights: [Sight] = []
            try withPages { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                try page.open("\(gateway.address)/assets/settings.json")
                try page.wait("the page is there", "document.body.innerText.includes('tile_url')")
                sights = try page.value("import('/drover.js').then(({ Glide }) => { \(statements) })")
                #expect(page.complaints.filter { !$0.contains("favicon") } == [])
            }
            return sights
        }

        @Test func `it goes straight, at even speed, as long as the positions are apart, and no further`() throws {
            let sights = try Self.sights(
                """
                const glide = new Glide({ lat: 43, lng: -79, recorded_at: 1000, heading: 350 }, 0);
                const sights = [glide.at(500)];
                glide.move({ lat: 43.001, lng: -79.002, recorded_at: 2000, heading: 10 }, 1000);
                for (const now of [900, 1000, 1150, 1550, 2100, 9000]) sights.push(glide.at(now));
                // Neither an older one nor the same again.
                glide.move({ lat: 44, lng: -79, recorded_at: 2000 }, 9000);
                glide.move({ lat: 44, lng: -79, recorded_at: 1500 }, 9000);
                sights.push(glide.at(9001));
                return sights;
                """)
            #expect(sights.map(\.moving) == [false, true, true, true, true, false, false, false])
            let parts: [Double] = sights.map { ($0.lat - 43) / 0.001 }
            let expectedParts: [Double] = [0, 0, 0, 150.0 / 1_100, 0.5, 1, 1, 1]
            for (part, expected) in zip(parts, expectedParts) {
                #expect(abs(part - expected) < 1e-6)
            }
            for sight in sights { #expect(abs(2 * (sight.lat - 43) + sight.lng + 79) < 1e-9, "a straight line") }
            // The short way, past north.
            let headings = sights.map { $0.heading?.rounded() }
            #expect(headings == [350, 350, 350, 0, 10, 10, 10, 10])
        }

        @Test func `over the antimeridian, too far, and for whoever wants no motion it is there at once`() throws {
            let sights = try Self.sights(
                """
                const over = new Glide({ lat: 0, lng: 179.9999, recorded_at: 1 }, 0);
                over.move({ lat: 0, lng: -179.9999, recorded_at: 1001 }, 1000);
                const far = new Glide({ lat: 43, lng: -79, recorded_at: 1 }, 0);
                far.move({ lat: 43.02, lng: -79, recorded_at: 60001 }, 60000);
                const still = new Glide({ lat: 43, lng: -79, recorded_at: 1, heading: 0 }, 0);
                still.still = true;
                still.move({ lat: 43.001, lng: -79, recorded_at: 1001, heading: 90 }, 1000);
                return [over.at(1000), far.at(60000), still.at(1000)];
                """)
            #expect(sights.map(\.moving) == [false, false, false])
            #expect(sights[0].lng == -179.9999 && sights[1].lat == 43.02 && sights[2].lat == 43.001)
            #expect(sights.map(\.heading) == [nil, nil, 90])
        }

        @Test func `a burst is shown fast, and a silence does not make what follows slow`() throws {
            let sights = try Self.sights(
                """
                const glide = new Glide({ lat: 43, lng: -79, recorded_at: 0 }, 0);
                glide.move({ lat: 43.0001, lng: -79, recorded_at: 1000 }, 1000);
                // Five more at once, of one frame: the pace stays.
                for (let i = 2; i <= 6; i += 1) glide.move({ lat: 43 + i / 1e4, lng: -79, recorded_at: i * 1000 }, 2000 + i / 10);
                const sights = [glide.at(2000.6 + 1050), glide.at(2000.6 + 1101)];
                // After a minute's silence it takes five seconds, and not a minute.
                glide.move({ lat: 43.0016, lng: -79, recorded_at: 66000 }, 62000);
                sights.push(glide.at(62000 + 4900), glide.at(62000 + 5001));
                return sights;
                """)
            #expect(sights.map(\.moving) == [true, false, true, false])
            #expect(sights[1].lat == 43.0006 && sights[3].lat == 43.0016)
        }
    }
}
