/// Where one Redis server is, and who we are to it.

/// A Redis server's address and credentials.
public struct RedisAddress: Sendable, Equatable {
    /// TCP or a Unix socket.
    public enum Endpoint: Sendable, Hashable {
        /// A host name or address, and a port.
        case tcp(host: String, port: UInt16)
        /// A socket's path.
        case unix(path: String)

        /// For messages.
        var display: String {
            switch self {
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            case .unix(let path): path
            }
        }
    }

    /// Where it listens.
    public var endpoint: Endpoint
    /// The ACL user, where there is one.
    public var user: String?
    /// The password, where there is one. Never printed.
    public var password: String?
    /// The database number.
    public var database = 0

    init(endpoint: Endpoint, user: String?, password: String?, database: Int) {
        (self.endpoint, self.user, self.password, self.database) = (endpoint, user, password, database)
    }

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
            guard let path = parts.first, path.hasPrefix("/") else { throw RedisURL.malformed }
            endpoint = .unix(path: String(path))
            if parts.count == 2 {
                guard parts[1].hasPrefix("db="), let number = Int(parts[1].dropFirst(3)), number >= 0
                else { throw RedisURL.malformed }
                database = number
            }
            return
        }
        guard case .servers(let servers) = try RedisDeployment(url), servers.count == 1 else {
            throw RedisURL.malformed
        }
        self = servers[0]
    }

    /// The same credentials and database at another place.
    func moved(to endpoint: Endpoint) -> RedisAddress {
        var address = self
        address.endpoint = endpoint
        return address
    }

    /// The address without credentials, for messages.
    public var display: String {
        switch endpoint {
        case .tcp: "redis://\(endpoint.display)/\(database)"
        case .unix(let path): "unix://\(path)"
        }
    }
}

/// Why an address could not be used.
public struct RedisAddressError: Error, CustomStringConvertible {
    /// What is wrong and what to write instead. Never holds the password.
    public let description: String
}
