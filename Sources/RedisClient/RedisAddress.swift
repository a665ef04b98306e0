/// Where Redis is, from `DROVER_REDIS_URL`.

/// A Redis server's address and credentials.
public struct RedisAddress: Sendable, Equatable {
    /// TCP or a Unix socket.
    public enum Endpoint: Sendable, Equatable {
        /// A host name or address, and a port.
        case tcp(host: String, port: UInt16)
        /// A socket's path.
        case unix(path: String)
    }

    /// Where it listens.
    public var endpoint: Endpoint
    /// The ACL user, where there is one.
    public var user: String?
    /// The password, where there is one. Never printed.
    public var password: String?
    /// The database number.
    public var database = 0

    /// Parses `redis://[user:password@]host[:port][/database]` or `unix:///path[?db=number]`.
    public init(_ url: String) throws(RedisAddressError) {
        if url.hasPrefix("rediss:") {
            throw RedisAddressError(
                description: "rediss: is not supported (hiredis 0.14 has no TLS). Use a Unix socket, or put stunnel or "
                    + "a TLS-terminating proxy on this machine and give its redis:// address in DROVER_REDIS_URL.")
        }
        if url.hasPrefix("unix://") {
            let rest = url.dropFirst("unix://".count)
            let parts = rest.split(separator: "?", maxSplits: 1)
            guard let path = parts.first, path.hasPrefix("/") else { throw Self.malformed }
            endpoint = .unix(path: String(path))
            if parts.count == 2 {
                guard parts[1].hasPrefix("db="), let number = Int(parts[1].dropFirst(3)), number >= 0
                else { throw Self.malformed }
                database = number
            }
            return
        }
        guard url.hasPrefix("redis://") else { throw Self.malformed }
        var rest = url.dropFirst("redis://".count)
        if let at = rest.lastIndex(of: "@") {
            let credentials = rest[..<at]
            rest = rest[rest.index(after: at)...]
            if let colon = credentials.firstIndex(of: ":") {
                let user = credentials[..<colon]
                self.user = user.isEmpty ? nil : Self.percentDecoded(user)
                password = Self.percentDecoded(credentials[credentials.index(after: colon)...])
            } else {
                user = Self.percentDecoded(credentials)
            }
        }
        if let slash = rest.firstIndex(of: "/") {
            let path = rest[rest.index(after: slash)...]
            if !path.isEmpty {
                guard let number = Int(path), number >= 0 else { throw Self.malformed }
                database = number
            }
            rest = rest[..<slash]
        }
        var host = rest
        var port: UInt16 = 6_379
        if let colon = rest.lastIndex(of: ":"), !rest.hasSuffix("]") {
            guard let number = UInt16(rest[rest.index(after: colon)...]) else { throw Self.malformed }
            port = number
            host = rest[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        endpoint = .tcp(host: host.isEmpty ? "127.0.0.1" : String(host), port: port)
    }

    /// The address without credentials, for messages.
    public var display: String {
        switch endpoint {
        case .tcp(let host, let port): "redis://\(host):\(port)/\(database)"
        case .unix(let path): "unix://\(path)"
        }
    }

    private static let malformed = RedisAddressError(
        description:
            "DROVER_REDIS_URL is not redis://[user:password@]host[:port][/database] or unix:///path[?db=number]")

    private static func percentDecoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Why an address could not be used.
public struct RedisAddressError: Error, CustomStringConvertible {
    /// What is wrong and what to write instead. Never holds the password.
    public let description: String
}
