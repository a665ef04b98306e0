/// Names in Redis that hold a driver's id, composed without an allocation.
import RedisClient
import Tracking

/// A key or channel with the driver's id in it.
struct KeyTemplate {
    private let prefix: [UInt8]
    private let suffix: [UInt8]

    /// `template` holds `{id}` once, which the configuration has checked.
    init(_ template: String) {
        let bytes = Array(template.utf8)
        let marker = Array("{id}".utf8)
        let start = bytes.indices.first { bytes[$0...].starts(with: marker) } ?? bytes.endIndex
        prefix = Array(bytes[..<start])
        suffix = Array(bytes[start...].dropFirst(marker.count))
    }

    /// Appends the key of `id` as a command's argument; allocates nothing.
    @inline(__always)
    func append(_ id: DriverID, to commands: inout RedisCommands) {
        commands.argument(count: prefix.count + id.text.count + suffix.count) { output in
            for byte in prefix { output.append(byte) }
            id.text.append(to: &output)
            for byte in suffix { output.append(byte) }
        }
    }

    func string(for id: DriverID) -> String {
        String(decoding: prefix, as: UTF8.self) + id.string + String(decoding: suffix, as: UTF8.self)
    }
}
