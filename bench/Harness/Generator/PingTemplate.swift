/// The bytes of a masked client frame, made once; for each ping only its digits change.

/// A frame of one or more pings. The mask is zero, which RFC 6455 allows and which leaves the payload as it is.
struct PingTemplate {
    private(set) var bytes: [UInt8]
    private let pings: [Offsets]

    private struct Offsets {
        var driver: Int
        var recordedAt: Int
        var latitude: Int
    }

    /// Drivers are called `bench-00000` and so on.
    static func driverName(_ driver: Int) -> String {
        let digits = String(driver)
        return "bench-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    init(pingsPerFrame: Int) {
        var payload = ""
        var pings: [Offsets] = []
        for index in 0..<pingsPerFrame {
            payload += index == 0 ? (pingsPerFrame > 1 ? "[" : "") : ","
            payload += "{\"driver_id\":\"bench-"
            var offsets = Offsets(driver: payload.utf8.count, recordedAt: 0, latitude: 0)
            payload += "00000\",\"recorded_at\":"
            offsets.recordedAt = payload.utf8.count
            payload += "0000000000000,\"lat\":"
            offsets.latitude = payload.utf8.count
            payload += "43.0000000,\"lng\":-79.3832017,\"accuracy\":10.0,\"speed\":8.3,\"heading\":271.0}"
            pings.append(offsets)
        }
        if pingsPerFrame > 1 { payload += "]" }
        bytes = ClientFrame.text(Array(payload.utf8))
        let header = bytes.count - payload.utf8.count
        self.pings = pings.map {
            Offsets(
                driver: $0.driver + header, recordedAt: $0.recordedAt + header, latitude: $0.latitude + header)
        }
    }

    /// Sets the digits of ping `index`. `milliseconds` is its `recorded_at`, `step` numbers the driver's pings: each
    /// lies within 11 m of the others, so that no rule calls it a jump.
    mutating func set(_ index: Int, driver: Int, milliseconds: Int64, step: Int) {
        put(driver, digits: 5, at: pings[index].driver)
        put(Int(milliseconds), digits: 13, at: pings[index].recordedAt)
        put(6_000_000 + driver % 3_000 * 1_000 + step &* 37 % 1_000, digits: 7, at: pings[index].latitude + 3)
    }

    private mutating func put(_ value: Int, digits: Int, at offset: Int) {
        var rest = value
        var position = offset + digits
        while position > offset {
            position -= 1
            bytes[position] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }
}

/// Masked client frames, with a mask of zero.
enum ClientFrame {
    static func text(_ payload: [UInt8]) -> [UInt8] { frame(0x81, payload) }
    static func pong(_ payload: [UInt8]) -> [UInt8] { frame(0x8A, payload) }

    private static func frame(_ opcode: UInt8, _ payload: [UInt8]) -> [UInt8] {
        var bytes = [opcode]
        if payload.count < 126 {
            bytes.append(0x80 | UInt8(payload.count))
        } else {
            bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        }
        return bytes + [0, 0, 0, 0] + payload
    }
}
