/// How a logical Redis is built, from `DROVER_REDIS_URL`.

/// One server or several.
public enum RedisDeployment: Sendable, Equatable {
    /// A primary, perhaps among its replicas: the one that may be written to is used.
    case servers([RedisAddress])
    /// The primary that sentinels name; `template` has its user, password and database.
    case sentinels([RedisAddress], name: String, template: RedisAddress)
    /// A cluster, of which these nodes are known.
    case cluster([RedisAddress])

    /// Parses `redis://…` and `unix://…`.
    public init(_ url: String) throws(RedisAddressError) {
        self = .servers([try RedisAddress(url)])
    }

    /// The servers that the URL names.
    public var addresses: [RedisAddress] {
        switch self {
        case .servers(let addresses), .cluster(let addresses), .sentinels(let addresses, _, _): addresses
        }
    }

    /// The addresses without credentials, for messages.
    public var display: String { addresses.map(\.display).joined(separator: ", ") }
}
