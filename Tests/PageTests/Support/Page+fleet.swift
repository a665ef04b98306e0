// What the fleet's page shows, and the mouse and many pings that its tests need.

import DroverClient
import EventLoop
import Foundation
import Testing

/// What is painted on the fleet's map, as `droverTest.fleet()` tells it.
struct FleetPicture: Decodable {
    /// Drivers painted as one.
    struct Cluster: Decodable {
        /// Its middle, in pixels from the map's north-west corner.
        let x: Double
        let y: Double
        let count: Int
        let live: Int
        let stale: Int
        let offline: Int
    }

    let clusters: [Cluster]
    /// How many are painted alone.
    let alone: Int

    /// Everybody who is shown.
    var total: Int { alone + clusters.reduce(0) { $0 + $1.count } }
}

extension Page {
    func fleet() throws -> FleetPicture { try value("droverTest.fleet()") }

    /// The ids in the list, of which only those in sight are elements, in the order of the rows.
    func listed() throws -> [String] {
        try value(
            "[...document.querySelectorAll('#drivers li')].sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)"
                + ".map((row) => row.dataset.id)")
    }

    /// Waits until the list has these drivers, and the map shows them and no others.
    func waitForShown(_ drivers: [String]) throws {
        let names = drivers.map { "\"\($0)\"" }.joined(separator: ",")
        try wait(
            "\(drivers) are shown",
            """
            JSON.stringify(droverTest.markers().filter((marker) => marker.is_shown).map((marker) => marker.driver_id)
              .sort()) === '[\(names)]'
            """)
        try waitUntil("\(drivers) are listed") { try listed() == drivers }
    }

    /// Presses, or presses and drags, the left button; pixels from the map's north-west corner.
    func mouse(from start: (x: Double, y: Double), to end: (x: Double, y: Double)? = nil) throws {
        let corner: [Double] = try value(
            "(({ x, y }) => [x, y])(document.getElementById('map').getBoundingClientRect())")
        func send(_ type: String, _ point: (x: Double, y: Double), buttons: Int) throws {
            try call(
                "Input.dispatchMouseEvent",
                [
                    "type": type, "x": point.x + corner[0], "y": point.y + corner[1], "clickCount": 1,
                    "button": type == "mouseMoved" && buttons == 0 ? "none" : "left", "buttons": buttons,
                ])
        }
        try send("mouseMoved", start, buttons: 0)
        try send("mousePressed", start, buttons: 1)
        if let end { try send("mouseMoved", end, buttons: 1) }
        try send("mouseReleased", end ?? start, buttons: 0)
    }
}

extension GatewayFixture {
    /// One ping a driver, a thousand at a time, all fixed `secondsAgo`.
    func ping(_ places: [(driver: String, place: Place)], secondsAgo: Double = 0, heading: Double = 45) throws {
        let time = SystemClock.wallMicroseconds() / 1_000 - Int64(secondsAgo * 1_000)
        for start in stride(from: 0, to: places.count, by: 1_000) {
            let part = places[start..<min(places.count, start + 1_000)].map { driver, place in
                "{\"driver_id\":\"\(driver)\",\"lat\":\(place.lat),\"lng\":\(place.lng),\"accuracy\":5,\"speed\":8,"
                    + "\"heading\":\(heading),\"recorded_at\":\(time)}"
            }
            let response = try call("POST", "/v1/pings", "[\(part.joined(separator: ","))]")
            try #require(response.text.contains("\"accepted\":\(part.count),"), "\(response.text.prefix(500))")
        }
    }
}

/// So many drivers in rows and columns around Toronto, some 90 metres apart, all of them moved north-eastwards by a step
/// of ten metres.
func crowdOfDrivers(_ count: Int, step: Int = 0) -> [(driver: String, place: Place)] {
    let columns = Int(Double(count).squareRoot().rounded(.up))
    return (0..<count).map { index in
        let number = String(index + 1)
        let name = "van-" + String(repeating: "0", count: 4 - number.count) + number
        let lat = PageTests.toronto.lat + Double(index / columns - columns / 2) * 8e-4 + Double(step) * 6e-5
        let lng = PageTests.toronto.lng + Double(index % columns - columns / 2) * 11e-4 + Double(step) * 9e-5
        // As it comes back: to seven digits.
        return (name, Place(lat: (lat * 1e7).rounded() / 1e7, lng: (lng * 1e7).rounded() / 1e7))
    }
}
