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

/// A name in Redis with several parts that vary, such as `rate_limit:{client}:{endpoint}`. For what is not written for
/// every position.
struct KeyPattern: Sendable {
    /// What stands there, or the name of what stands there.
    private enum Part {
        case text(String)
        case value(String)
    }

    private let parts: [Part]

    /// `template` holds names in braces; the configuration has checked which.
    init(_ template: String) {
        var parts: [Part] = []
        var rest = Substring(template)
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            parts.append(.text(String(rest[..<open])))
            parts.append(.value(String(rest[rest.index(after: open)..<close])))
            rest = rest[rest.index(after: close)...]
        }
        self.parts = parts + [.text(String(rest))]
    }

    /// The key with `value` of each name.
    func key(_ value: (String) -> String) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .value(let name): value(name)
            }
        }.joined()
    }

    /// A pattern that SCAN understands, of all keys with these values; nil is any value.
    func scanPattern(_ value: (String) -> String?) -> String {
        parts.map { part in
            switch part {
            case .text(let text): Self.escaped(text)
            case .value(let name): value(name).map(Self.escaped) ?? "*"
            }
        }.joined()
    }

    /// `text` without a meaning to SCAN (Redis' `stringmatchlen`).
    private static func escaped(_ text: String) -> String {
        text.map { "*?[]\\".contains($0) ? "\\\($0)" : String($0) }.joined()
    }
}
