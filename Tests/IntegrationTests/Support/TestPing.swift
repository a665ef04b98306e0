// Pings as the tests send them.

import Foundation

/// A native ping. `extra` is raw JSON of more members, with a comma before.
struct TestPing {
    var driver: String?
    var recordedAt: Int64
    var latitude = 43.6532
    var longitude = -79.3832
    var accuracy = 5.0
    var speed: Double?
    var heading: Double?
    var sequence: Int64?
    var extra = ""

    init(
        _ driver: String?, at recordedAt: Int64, latitude: Double = 43.6532, longitude: Double = -79.3832,
        accuracy: Double = 5, speed: Double? = nil, heading: Double? = nil, sequence: Int64? = nil, extra: String = ""
    ) {
        self.driver = driver
        self.recordedAt = recordedAt
        self.latitude = latitude
        self.longitude = longitude
        self.accuracy = accuracy
        self.speed = speed
        self.heading = heading
        self.sequence = sequence
        self.extra = extra
    }

    var json: String {
        var text = "{\"recorded_at\":\(recordedAt),\"lat\":\(latitude),\"lng\":\(longitude),\"accuracy\":\(accuracy)"
        if let speed { text += ",\"speed\":\(speed)" }
        if let heading { text += ",\"heading\":\(heading)" }
        if let sequence { text += ",\"seq\":\(sequence)" }
        if let driver { text += ",\"driver_id\":\"\(driver)\"" }
        return text + extra + "}"
    }

    static func array(_ pings: [TestPing]) -> String {
        "[" + pings.map(\.json).joined(separator: ",") + "]"
    }

    /// `count` plausible pings of one driver, a second and some ten metres apart.
    static func drive(_ driver: String?, from start: Int64, count: Int) -> [TestPing] {
        (0..<count).map { step in
            // In units of the gateway's own precision, so that what is stored is what was sent.
            let north = 436_500_000 + 1_000 * (step % 5_000)
            let time = start + Int64(step) * 1_000
            return TestPing(
                driver, at: time, latitude: Double(north) / 1e7, longitude: -79.38, speed: 11, heading: 0)
        }
    }
}

/// RFC 4648, section 4.
func base64(_ text: String) -> String {
    Data(text.utf8).base64EncodedString()
}
