/// `drover key create|list|revoke`: API keys of backends, kept in Postgres as hashes.
import PostgresClient
import Tracking

/// Manages keys over a connection of its own.
public struct KeyCommands {
    private let connection: PostgresConnection
    private let table: String

    /// Connects, and brings the schema up to date where `history.migrate` allows.
    public init(_ configuration: Configuration) throws {
        connection = try configuration.connectDirectly()
        if configuration.historyMigrate { _ = try Migrations.migrate(connection, schema: configuration.postgresSchema) }
        table = quotedIdentifier(configuration.postgresSchema) + ".api_keys"
    }

    /// Makes a key and returns its token, which is shown this once.
    public func create(name: String, permissions: [String]) throws -> String {
        let known = try permissions.map { text in
            guard let permission = Permission(rawValue: text) else {
                let all = Permission.allCases.map(\.rawValue).joined(separator: ", ")
                throw CommandError("no permission is called \(text). There are: \(all)")
            }
            return permission
        }
        guard !known.isEmpty else { throw CommandError("a key needs at least one permission: --permissions a,b") }
        let token = Token.make(.key)
        guard let hash = Token.hash(token) else { throw CommandError("the new token cannot be hashed") }
        _ = try connection.query(
            """
            INSERT INTO \(table) (id, name, token_sha256, permissions)
            VALUES ($1, $2, decode($3, 'hex'), string_to_array($4, ','))
            """, [Token.makeID(), name, hash, known.map(\.rawValue).joined(separator: ",")])
        return token
    }

    /// Lines of id, name, permissions, creation and revocation, newest first.
    public func list() throws -> [String] {
        let rows = try connection.query(
            """
            SELECT id, name, array_to_string(permissions, ','), to_char(created_at, 'YYYY-MM-DD HH24:MI'),
                coalesce('revoked ' || to_char(revoked_at, 'YYYY-MM-DD HH24:MI'), 'active')
            FROM \(table) ORDER BY created_at DESC
            """)
        return (0..<rows.count).map { row in
            (0..<5).map { rows.text(row, $0) ?? "" }.joined(separator: "\t")
        }
    }

    /// Revokes a key by its id.
    public func revoke(_ id: String) throws {
        let rows = try connection.query(
            "UPDATE \(table) SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", [id])
        guard rows.affected == 1 else {
            throw CommandError("no active key has the id \(id). List them with: drover key list")
        }
    }
}

/// Why a command failed: one line that says what to do.
public struct CommandError: Error, CustomStringConvertible {
    /// The line.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
