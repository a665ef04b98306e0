/// What fits Drover to a platform's own data model: the section `system` of a configuration file. It says how a platform's
/// credentials are checked, which driver an order leads to, what is written into its tables, all in the platform's own SQL.
/// No code knows a platform; README.md, "Your own data model", describes the whole section.
import Tracking

/// The section. Without it Drover's own tables and credentials answer everything.
public struct SystemConfiguration: Sendable, Equatable {
    /// What the log calls the platform.
    var name = ""
    /// Where the platform's database is, as libpq reads it; empty: where Drover's own tables are.
    var postgresURL = ""
    /// The schemas that statements name tables of, as `search_path` takes them.
    var searchPath = "public"
    /// The platform's words for what Drover tracks.
    var words = Words()
    /// Statements by their names.
    var statements: [String: NamedStatement] = [:]
    /// Where credentials that are not Drover's own are looked up, in this order.
    var credentials: [CredentialSource] = []
    /// What the platform's permissions permit here.
    var permissions: [String: Set<Permission>] = [:]
    /// Statements that answer Drover's questions.
    var lookUps: [LookUpPurpose: String] = [:]
    /// Statements that keep the platform's tables up to date.
    var writes: [WritePurpose: SystemWrite] = [:]
    /// Webhooks that bring positions, by their names.
    var incoming: [String: IncomingWebhook] = [:]
    /// SQL that brings the platform's database up to date, run by `drover migrate`; it can be run again and again.
    var provision = ""

    /// Nothing is fitted.
    public init() {}

    /// Whether a database is needed for it.
    var needsDatabase: Bool { !statements.isEmpty }
}

/// The platform's words beside Drover's own: each one for one, one for many.
struct Words: Sendable, Equatable {
    /// One and many, such as rider and riders.
    struct Word: Sendable, Equatable {
        var one: String
        var many: String
    }

    var driver = Word(one: "driver", many: "drivers")
    var order = Word(one: "order", many: "orders")
    var group = Word(one: "group", many: "groups")
}

/// What Drover asks a platform's database, and how.
enum LookUpPurpose: String, Sendable, CaseIterable {
    /// Who carries orders now.
    case orderDrivers = "order_drivers"
    /// Who belongs to groups now.
    case groupDrivers = "group_drivers"
    /// When drivers are on shift.
    case shifts
    /// Where drivers' orders go.
    case destinations

    /// The parameter that holds what is asked about.
    var parameter: String {
        switch self {
        case .orderDrivers: "orders"
        case .groupDrivers: "groups"
        case .shifts, .destinations: "drivers"
        }
    }

    /// The columns that its rows must have, the first of them what was asked about.
    var columns: [String] {
        switch self {
        case .orderDrivers: ["order_id", "driver_id"]
        case .groupDrivers: ["group_id", "driver_id"]
        case .shifts: ["driver_id", "from_at", "until_at"]
        case .destinations: ["driver_id", "order_id", "lat", "lng", "user_id"]
        }
    }
}

/// What Drover writes into a platform's tables.
enum WritePurpose: String, Sendable, CaseIterable {
    /// The newest positions of drivers that moved.
    case positions
    /// Devices that were heard of.
    case seen
    /// Who began or ceased to watch what.
    case watched
    /// What happened to orders.
    case events
    /// Whatever follows from a change of the platform's own tables.
    case changed
    /// A driver's telemetry is being erased.
    case eraseDriver = "erase_driver"
    /// A customer is being erased.
    case eraseCustomer = "erase_customer"

    /// The parameters that its statement may have.
    var parameters: [String] {
        switch self {
        case .positions, .seen, .watched, .events: ["rows"]
        case .changed: []
        case .eraseDriver: ["driver"]
        case .eraseCustomer: ["customer"]
        }
    }
}

/// One statement that writes.
struct SystemWrite: Sendable, Equatable {
    /// The statement's name.
    var statement: String
    /// Time between two runs, in seconds.
    var everySeconds = 5
    /// The members of a row, as a field layout; empty: the purpose's own.
    var row = ""
}

/// Where credentials of one kind are looked up.
struct CredentialSource: Sendable, Equatable {
    /// How a token leads to claims.
    enum Origin: Sendable, Equatable {
        /// A statement with `{token}` or `{token_sha256}`; the columns of its row are the claims.
        case statement(String)
        /// A key with `{token}` in it: a string that is a JSON object, or a hash.
        case redis(String)
        /// The token itself, once its signature was found good.
        case jwt
    }

    /// A label for logs, and the beginning of its credentials' ids.
    var name: String
    var origin: Origin
    /// What the platform calls a claim, by Drover's name for it: id, user, role, expires_at, driver, permissions, subjects,
    /// rate_limit, active.
    var claims: [String: String] = [:]
    /// The role of all credentials of this source; nil: the claim says it.
    var role: String?
    /// Whether the claim `active` must be true.
    var requiresActive = false
    /// What each role may do; the others nothing.
    var roles: [String: CredentialRole] = [:]

    /// The platform's name of a claim.
    func claim(_ name: String) -> String { claims[name] ?? name }
}

/// What a role is here.
struct CredentialRole: Sendable, Equatable {
    /// Whom its credentials stand for.
    enum Party: String, Sendable, CaseIterable {
        case device, viewer, backend
    }

    var party: Party
    /// What it permits; nil: the claim `permissions` says it, or what the party needs at least.
    var permissions: Set<Permission>?
    /// A statement with `{users}` that gives a user's subjects; nil: the claim `subjects` says it.
    var subjects: String?
    /// The claim that is a device's driver.
    var driver = "driver"
    /// A statement with claims as its parameters. Its row's columns join the claims; no row refuses the credential.
    var check: String?
}

/// A webhook that brings positions. Its members are paths into the body, such as `delivery.driver.lat`.
struct IncomingWebhook: Sendable, Equatable {
    /// The section as it stands, scalars by their path; part of the platform's file, read by `Ingest/Webhooks`.
    var members: [String: String] = [:]
}
