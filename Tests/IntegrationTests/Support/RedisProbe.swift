// What another service would see in Redis: commands and subscriptions over a socket of the test's own.

import Testing

/// A connection to Redis, blocking.
final class RedisProbe {
    /// A reply of Redis' protocol, version 2.
    indirect enum Reply {
        case text(String)
        case number(Int64)
        case list([Reply])
        case none
        case error(String)

        var text: String? { if case .text(let text) = self { text } else { nil } }
        var number: Int64? { if case .number(let number) = self { number } else { nil } }
        var list: [Reply] { if case .list(let list) = self { list } else { [] } }
    }

    private let stream: ByteStream

    init(_ path: String) throws {
        stream = try ByteStream(path: path)
    }

    @discardableResult
    func command(_ arguments: String...) throws -> Reply {
        var text = "*\(arguments.count)\r\n"
        for argument in arguments { text += "$\(argument.utf8.count)\r\n\(argument)\r\n" }
        stream.send(text)
        return try next()
    }

    /// The next reply or pushed message.
    func next(within seconds: Double = 10) throws -> Reply {
        guard let line = try stream.takeLine(within: seconds), let kind = line.first else {
            throw StreamEnded(description: "Redis has ended the connection")
        }
        let rest = String(line.dropFirst())
        switch kind {
        case "+": return .text(rest)
        case "-": return .error(rest)
        case ":": return .number(Int64(rest) ?? 0)
        case "$":
            guard let length = Int(rest), length >= 0, let bytes = try stream.take(length + 2, within: seconds)
            else { return .none }
            return .text(String(decoding: bytes.dropLast(2), as: UTF8.self))
        default:
            var list: [Reply] = []
            for _ in 0..<max(0, Int(rest) ?? 0) { list.append(try next(within: seconds)) }
            return .list(list)
        }
    }

    /// A hash; empty where there is none.
    func hash(_ key: String) throws -> [String: String] {
        let list = try command("HGETALL", key).list.compactMap(\.text)
        var hash: [String: String] = [:]
        for index in stride(from: 0, to: list.count - 1, by: 2) { hash[list[index]] = list[index + 1] }
        return hash
    }
}
