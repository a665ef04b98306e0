/// The bytes of a device's frame, made once; for each ping only its digits change.
import Glibc

/// A frame of one or more pings of one driver. Wherever `bench-00000` stands in it, in a topic or a path as well as in
/// the pings, the digits become the driver's.
struct PingTemplate {
    private(set) var bytes: [UInt8]
    /// Pings in the frame.
    var count: Int { times.count }
    private let drivers: [Int]
    private let times: [Int]
    private let latitudes: [Int]
    private let identifier: Int?

    private static let prefix = "bench-"
    private static let noDriver = "bench-00000"
    private static let noTime = "0000000000000"
    private static let noLatitude = "43.0000000"

    /// Drivers are called `bench-00000` to `bench-99999`.
    static func driverName(_ driver: Int) -> String {
        let digits = String(driver)
        return prefix + String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    /// The JSON of so many pings: an object for one, an array for more.
    static func payload(pings: Int) -> [UInt8] {
        let ping = """
            {"driver_id":"\(noDriver)","recorded_at":\(noTime),"lat":\(noLatitude),"lng":-79.3832017,"accuracy":10.0,\
            "speed":8.3,"heading":271.0}
            """
        let list = Array(repeating: ping, count: pings).joined(separator: ",")
        return Array((pings > 1 ? "[\(list)]" : list).utf8)
    }

    /// `frame` is all of it, header and `payload(pings:)`. `identifier` is where a number of two bytes stands that counts
    /// frames from 1 to 65,535 (MQTT's packet identifier).
    init(frame: [UInt8], identifier: Int? = nil) {
        bytes = frame
        drivers = Self.offsets(of: Self.noDriver, in: frame).map { $0 + Self.prefix.utf8.count }
        times = Self.offsets(of: "\"recorded_at\":" + Self.noTime, in: frame).map { $0 + 14 }
        latitudes = Self.offsets(of: Self.noLatitude, in: frame).map { $0 + 3 }
        self.identifier = identifier
    }

    /// Whose frame it is, and which of that socket's frames.
    mutating func set(driver: Int, frame: Int) {
        for offset in drivers { put(driver, digits: 5, at: offset) }
        if let identifier {
            let number = frame % 65_535 + 1
            bytes[identifier] = UInt8(number >> 8)
            bytes[identifier + 1] = UInt8(number & 0xFF)
        }
    }

    /// Sets the digits of ping `index`. `milliseconds` is its `recorded_at`, `step` numbers the driver's pings: each
    /// lies within 11 m of the others, so that no rule calls it a jump.
    mutating func set(_ index: Int, driver: Int, milliseconds: Int64, step: Int) {
        put(Int(milliseconds), digits: 13, at: times[index])
        put(6_000_000 + driver % 3_000 * 1_000 + step &* 37 % 1_000, digits: 7, at: latitudes[index])
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

    private static func offsets(of text: String, in bytes: [UInt8]) -> [Int] {
        let what = Array(text.utf8)
        guard bytes.count >= what.count else { return [] }
        return (0...(bytes.count - what.count)).filter { bytes[$0...].starts(with: what) }
    }
}

/// Masked client frames, with a mask of zero, which RFC 6455 allows and which leaves the payload as it is.
enum ClientFrame {
    static func text(_ payload: [UInt8]) -> [UInt8] { frame(0x81, payload) }
    static func binary(_ payload: [UInt8]) -> [UInt8] { frame(0x82, payload) }
    static func pong(_ payload: [UInt8]) -> [UInt8] { frame(0x8A, payload) }

    private static func frame(_ opcode: UInt8, _ payload: [UInt8]) -> [UInt8] {
        var bytes = [opcode]
        if payload.count < 126 {
            bytes.append(0x80 | UInt8(payload.count))
        } else if payload.count < 65_536 {
            bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        } else {
            bytes.append(0x80 | 127)
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        return bytes + [0, 0, 0, 0] + payload
    }
}
