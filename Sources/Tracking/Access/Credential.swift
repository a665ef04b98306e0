/// Who somebody is and what that permits. Identity comes from here, never from a payload.

/// What a credential may do (API.md).
public enum Permission: String, Sendable, CaseIterable {
    /// Send pings for any driver, naming it.
    case writePings = "pings:write"
    /// Read live positions.
    case readPositions = "positions:read"
    /// Read the past.
    case readHistory = "history:read"
    /// Open and revoke tracking sessions.
    case writeSessions = "sessions:write"
    /// Say who carries an order or belongs to a group.
    case writeAssignments = "assignments:write"
    /// Issue and revoke devices' tokens.
    case writeDevices = "devices:write"
    /// Erase a driver's telemetry.
    case eraseTelemetry = "telemetry:erase"
    /// Read /metrics from elsewhere than configured addresses.
    case readMetrics = "metrics:read"
}

/// How many requests a credential may make in a period, as platforms write it: `{"requests":1000,"period":900000}`.
public struct RequestQuota: Sendable, Equatable {
    /// Requests in a period, 1 to 1,000,000,000.
    public let requests: Int64
    /// The period in milliseconds, 1,000 to 86,400,000.
    public let periodMilliseconds: Int64

    /// Nil where a number is out of its range.
    public init?(requests: Int64, periodMilliseconds: Int64) {
        guard (1...1_000_000_000).contains(requests), (1_000...86_400_000).contains(periodMilliseconds) else {
            return nil
        }
        self.requests = requests
        self.periodMilliseconds = periodMilliseconds
    }
}

/// A credential that was checked. One object for all connections that came with the same token.
public final class Credential: Sendable, Equatable {
    /// What kind of party it stands for.
    public enum Party: Sendable, Equatable {
        /// A phone or tracker that reports for one driver.
        case device(DriverID)
        /// A platform's server.
        case backend
        /// A customer or dispatcher with a tracking session.
        case viewer
    }

    /// The credential's own id, for logs, limits and revocation. Not a secret.
    public let id: String
    /// Whom it stands for.
    public let party: Party
    /// What it may do.
    public let permissions: Set<Permission>
    /// What it may do that to; nil is everything.
    public let scope: SubjectScope?
    /// When it ends, in wall microseconds; nil is never.
    public let expiresAt: Microseconds?
    /// The side of the grid that positions are shown on, in metres; 0 shows them as they are.
    public let precisionMetres: Int32
    /// Who it is in the platform's own tables, where a platform's credential says so.
    public let userID: String?
    /// Its own limit of requests, instead of the configured one.
    public let quota: RequestQuota?

    /// A credential from its parts.
    public init(
        id: String, party: Party, permissions: Set<Permission>, scope: SubjectScope? = nil,
        expiresAt: Microseconds? = nil, precisionMetres: Int32 = 0, userID: String? = nil, quota: RequestQuota? = nil
    ) {
        self.id = id
        self.party = party
        self.permissions = permissions
        self.scope = scope
        self.expiresAt = expiresAt
        self.precisionMetres = precisionMetres
        self.userID = userID
        self.quota = quota
    }

    /// Whether it has ended by `now`, in wall microseconds.
    public func hasExpired(by now: Microseconds) -> Bool {
        expiresAt.map { $0 <= now } ?? false
    }

    /// Whether both permit the same to the same party.
    public static func == (one: Credential, other: Credential) -> Bool {
        one.id == other.id && one.party == other.party && one.permissions == other.permissions
            && one.scope == other.scope && one.expiresAt == other.expiresAt
            && one.precisionMetres == other.precisionMetres && one.userID == other.userID && one.quota == other.quota
    }
}
