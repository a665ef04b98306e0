/// Looks through the keys of one or several servers, each by a cursor of its own.

/// One look; its closures hold it.
final class KeyScan {
    /// Keys that one SCAN looks at.
    private static let portion = "1000"

    private let pattern: String
    private let found: ([String]) -> Void
    private let done: (Bool) -> Void
    private var left: Int
    private var isComplete = true

    /// Starts one; a server that is nil cannot be asked.
    static func start(
        _ servers: [RedisConnection?], _ pattern: String, _ found: @escaping ([String]) -> Void,
        _ done: @escaping (Bool) -> Void
    ) {
        let scan = KeyScan(pattern, found, done, left: servers.count)
        if servers.isEmpty { return done(false) }
        for server in servers {
            if let server { scan.ask(server, "0") } else { scan.end(false) }
        }
    }

    private init(
        _ pattern: String, _ found: @escaping ([String]) -> Void, _ done: @escaping (Bool) -> Void, left: Int
    ) {
        (self.pattern, self.found, self.done, self.left) = (pattern, found, done, left)
    }

    private func ask(_ server: RedisConnection, _ cursor: String) {
        server.send(["SCAN", cursor, "MATCH", pattern, "COUNT", Self.portion]) { [unowned server] reply in
            guard let parts = reply.elements, parts.count == 2, let next = parts[0].text else { return self.end(false) }
            let keys = parts[1].elements?.compactMap(\.text) ?? []
            if !keys.isEmpty { self.found(keys) }
            if next == "0" { self.end(true) } else { self.ask(server, next) }
        }
        server.flush()
    }

    private func end(_ isWell: Bool) {
        isComplete = isComplete && isWell
        left -= 1
        if left == 0 { done(isComplete) }
    }
}
