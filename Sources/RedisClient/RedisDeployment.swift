/// How a logical Redis is built, from `DROVER_REDIS_URL`.

/// One or several servers with one primary among them, a primary that Sentinels know, or a cluster.
public enum RedisDeployment: Sendable, Equatable {
    /// Servers of which the primary is used, wherever it is among them.
    case servers([RedisAddress])
    /// A primary by its name at these Sentinels; `template` has the credentials and the database for it.
    case sentinels([RedisAddress], name: String, template: RedisAddress)
    /// Any nodes of a cluster; the others are learnt from them.
    case cluster([RedisAddress])

    /// Parses one of
    /// - `redis://[user:password@]host[:port][,host[:port]…][/database]`, `unix:///path[?db=number]`,
    /// - `redis-sentinel://[user:password@]host[:port][,…]/NAME[/database]`, ports 26379 where none is written,
    /// - `redis-cluster://[user:password@]host[:port][,…]`.
    public init(_ url: String) throws(RedisAddressError) {
        if url.hasPrefix("unix://") || url.hasPrefix("rediss:") {
            self = .servers([try RedisAddress(url)])
        } else if url.hasPrefix("redis-sentinel://") {
            let parts = try RedisURL(url.dropFirst("redis-sentinel://".count), defaultPort: 26_379)
            guard let name = parts.path.first, !name.isEmpty, parts.path.count <= 2 else {
                throw RedisAddressError(
                    description: "DROVER_REDIS_URL lacks the name by which the Sentinels know the primary. Write "
                        + "redis-sentinel://host:26379,host:26379/NAME[/database]")
            }
            let database = try RedisURL.database(parts.path.count == 2 ? parts.path[1] : nil)
            let sentinels = parts.addresses(database: 0)
            var template = sentinels[0]
            template.database = database
            self = .sentinels(sentinels, name: String(name), template: template)
        } else if url.hasPrefix("redis-cluster://") {
            let parts = try RedisURL(url.dropFirst("redis-cluster://".count), defaultPort: 6_379)
            guard parts.path.isEmpty else {
                throw RedisAddressError(
                    description: "a Redis Cluster has no databases. Write DROVER_REDIS_URL as "
                        + "redis-cluster://[user:password@]host:port,host:port with nothing after the last port")
            }
            self = .cluster(parts.addresses(database: 0))
        } else {
            guard url.hasPrefix("redis://") else { throw RedisURL.malformed }
            let parts = try RedisURL(url.dropFirst("redis://".count), defaultPort: 6_379)
            guard parts.path.count <= 1 else { throw RedisURL.malformed }
            self = .servers(parts.addresses(database: try RedisURL.database(parts.path.first)))
        }
    }

    /// The URL without credentials, for messages.
    public var display: String {
        switch self {
        case .servers(let servers):
            servers.count == 1 ? servers[0].display : "redis://\(Self.list(servers))/\(servers[0].database)"
        case .sentinels(let sentinels, let name, let template):
            "redis-sentinel://\(Self.list(sentinels))/\(name)/\(template.database)"
        case .cluster(let nodes): "redis-cluster://\(Self.list(nodes))"
        }
    }

    private static func list(_ servers: [RedisAddress]) -> String {
        servers.map(\.endpoint.display).joined(separator: ",")
    }
}

/// What all the URLs with hosts have in common.
struct RedisURL {
    private var user: String?
    private var password: String?
    private var endpoints: [RedisAddress.Endpoint] = []
    /// What stands between the slashes after the hosts; nothing where a single slash ends the URL.
    private(set) var path: [Substring] = []

    static let malformed = RedisAddressError(
        description: "DROVER_REDIS_URL is not redis://[user:password@]host[:port][,host[:port]][/database], "
            + "unix:///path[?db=number], redis-sentinel://[user:password@]host[:port][,host[:port]]/NAME[/database] or "
            + "redis-cluster://[user:password@]host[:port][,host[:port]]")

    /// `text` is what follows the scheme.
    init(_ text: Substring, defaultPort: UInt16) throws(RedisAddressError) {
        var rest = text
        if let at = rest.lastIndex(of: "@") {
            let credentials = rest[..<at]
            rest = rest[rest.index(after: at)...]
            if let colon = credentials.firstIndex(of: ":") {
                let name = credentials[..<colon]
                user = name.isEmpty ? nil : Self.percentDecoded(name)
                password = Self.percentDecoded(credentials[credentials.index(after: colon)...])
            } else {
                user = Self.percentDecoded(credentials)
            }
        }
        if let slash = rest.firstIndex(of: "/") {
            path = rest[rest.index(after: slash)...].split(separator: "/", omittingEmptySubsequences: false)
            if path == [""] { path = [] }
            rest = rest[..<slash]
        }
        for host in rest.split(separator: ",", omittingEmptySubsequences: false) {
            endpoints.append(try Self.endpoint(host, defaultPort: defaultPort))
        }
    }

    func addresses(database: Int) -> [RedisAddress] {
        endpoints.map { RedisAddress(endpoint: $0, user: user, password: password, database: database) }
    }

    static func database(_ text: Substring?) throws(RedisAddressError) -> Int {
        guard let text, !text.isEmpty else { return 0 }
        guard let number = Int(text), number >= 0 else { throw malformed }
        return number
    }

    private static func endpoint(
        _ text: Substring, defaultPort: UInt16
    ) throws(RedisAddressError) -> RedisAddress.Endpoint {
        var host = text
        var port = defaultPort
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            guard let number = UInt16(text[text.index(after: colon)...]), number > 0 else { throw malformed }
            port = number
            host = text[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return .tcp(host: host.isEmpty ? "127.0.0.1" : String(host), port: port)
    }

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
