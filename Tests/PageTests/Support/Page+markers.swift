// What a map shows: its markers as the page tells them, and where they are on the screen.

import Foundation
import Testing

/// One driver on a map, as `droverTest.markers()` tells it.
struct Marker: Decodable {
    let driverId: String
    /// Where it is drawn, on its way to the target.
    let lat: Double
    let lng: Double
    let targetLat: Double
    let targetLng: Double
    let state: String
    let heading: Double?
    let speed: Double?
    /// Where it was painted last, in pixels from the map's north-west corner; nil where it is an element of the page.
    let x: Double?
    let y: Double?
}

extension Page {
    /// The marker of a driver, as a JavaScript expression.
    static func marker(_ driver: String) -> String {
        "droverTest.markers().find((marker) => marker.driver_id === '\(driver)')"
    }

    /// The icon of a driver, as a JavaScript expression.
    static func icon(_ driver: String) -> String {
        "document.querySelector('.van[data-driver=\"\(driver)\"]')"
    }

    func marker(_ driver: String) throws -> Marker {
        try value(Self.marker(driver))
    }

    /// Waits until the page is connected and shows so many drivers.
    func waitForDrivers(_ count: Int) throws {
        try wait("\(count) drivers are shown", "droverTest.markers().length === \(count)")
        try wait("the connection is live", "droverTest.state() === 'live'")
    }

    /// Waits until a driver is drawn where its ping said, on the screen too.
    func waitForArrival(of driver: String, at place: Place) throws {
        try wait("\(driver) arrives at \(place)", "\(Self.marker(driver))?.lat === \(place.lat)")
        let marker = try marker(driver)
        #expect(Place(lat: marker.lat, lng: marker.lng) == place)
        #expect(Place(lat: marker.targetLat, lng: marker.targetLng) == place)
        guard marker.x != nil else { return try waitForDrawing(of: ".van[data-driver=\"\(driver)\"]", at: place) }
        try waitUntil("\(driver) is painted at its place on the screen") {
            let marker = try self.marker(driver)
            let expected = try point(of: place)
            return abs((marker.x ?? -1) - expected.x) < 1.5 && abs((marker.y ?? -1) - expected.y) < 1.5
        }
        try waitForView(of: driver)
    }

    /// Waits until what a selector finds has its middle where a place belongs on the screen.
    func waitForDrawing(of selector: String, at place: Place) throws {
        try waitUntil("\(selector) is drawn at its place on the screen") {
            // The map itself may still be moving.
            let seen = try centre(of: selector)
            let expected = try point(of: place)
            return abs(seen.x - expected.x) < 1.5 && abs(seen.y - expected.y) < 1.5
        }
    }

    /// Waits until a driver's icon is what is seen at its place: in the map's view and under nothing. Where it is painted,
    /// there is paint.
    func waitForView(of driver: String) throws {
        try wait(
            "\(driver) is in view",
            """
            (() => {
              const marker = \(Self.marker(driver));
              const icon = \(Self.icon(driver));
              const map = document.getElementById("map");
              if (icon) {
                const { x, y, width, height } = icon.getBoundingClientRect();
                return icon.contains(document.elementFromPoint(x + width / 2, y + height / 2));
              }
              const { x, y } = map.getBoundingClientRect();
              return marker.is_in_view && map.contains(document.elementFromPoint(x + marker.x, y + marker.y)) &&
                \(Self.paint("marker.x", "marker.y"))[3] === 255;
            })()
            """)
    }

    /// The colour on the fleet's canvas at a point of the map, as a JavaScript expression: red, green, blue, opacity.
    static func paint(_ x: String, _ y: String) -> String {
        """
        ((x, y) => {
          const canvas = document.querySelector(".fleet-canvas");
          const ratio = canvas.width / document.getElementById("map").clientWidth;
          const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
          pixel.drawImage(canvas, -Math.round(x * ratio), -Math.round(y * ratio));
          return [...pixel.getImageData(0, 0, 1, 1).data];
        })(\(x), \(y))
        """
    }

    private typealias Screen = (x: Double, y: Double)

    /// The middle of what a selector finds, in pixels from the map's north-west corner.
    private func centre(of selector: String) throws -> Screen {
        let point: [Double] = try value(
            """
            (() => {
              const icon = document.querySelector('\(selector)').getBoundingClientRect();
              const map = document.getElementById("map").getBoundingClientRect();
              return [icon.x + icon.width / 2 - map.x, icon.y + icon.height / 2 - map.y];
            })()
            """)
        return (point[0], point[1])
    }

    /// Where a place belongs in the map's pixels: Web Mercator, worked out here once more (EPSG:3857; the whole world is
    /// 256 pixels wide at zoom 0).
    private func point(of place: Place) throws -> Screen {
        let view: [Double] = try value(
            "[...droverTest.center(), droverTest.zoom(), document.getElementById('map').clientWidth,"
                + " document.getElementById('map').clientHeight]")
        let world = 256 * exp2(view[2])
        func mercator(_ degrees: Double) -> Double { log(tan(.pi / 4 + degrees * .pi / 360)) }
        return (
            view[3] / 2 + (place.lng - view[1]) / 360 * world,
            view[4] / 2 - (mercator(place.lat) - mercator(view[0])) / (2 * .pi) * world
        )
    }

    /// Notes, at every frame the page draws, what an expression comes to, where that has changed; see `notes`.
    func startNoting(_ expression: String) throws {
        try run(
            """
            window.notes = [];
            const note = (at) => {
              const text = JSON.stringify(\(expression));
              if (text !== undefined && notes.at(-1)?.text !== text) notes.push({ text, at });
              requestAnimationFrame(note);
            };
            note(performance.now())
            """)
    }

    /// What was noted, with the page's own clock in ms.
    func notes<Value: Decodable>(as type: Value.Type = Value.self) throws -> [(value: Value, at: Double)] {
        // Two frames from now what is drawn by now has been noted.
        let noted = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(notes))))"
        return try value(noted, as: [Note].self).map { note in
            (try decodeJSON(type, note.text), note.at)
        }
    }
}

/// Expects a way that was noted, from 0 to 1, to be one glide of more than a second: forwards and without a jump.
func expectSteady(_ steps: [(part: Double, at: Double)]) {
    #expect(steps.first?.part == 0 && steps.last?.part == 1)
    for index in steps.indices.dropFirst(2) {
        let way = steps[index].part - steps[index - 1].part
        #expect(way > 0, "forwards")
        // What is noted in a frame was drawn in it or in the one before, so it may show at most two frames' part.
        #expect(way < (steps[index].at - steps[index - 2].at) / 1_000 + 0.05, "no jump")
    }
}

/// What an expression came to, as JSON, and when.
private struct Note: Decodable {
    let text: String
    let at: Double
}
