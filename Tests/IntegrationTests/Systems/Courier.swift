// A platform that was made up for tests of credentials, look-ups and trails: its file, its tables and what it does with them.

import DroverClient
import Foundation
import LocalServers
import PostgresClient
import Synchronization
import Testing

/// The platform with its gateway.
struct Courier {
    let gateway: RunningGateway
    let redis: RedisProbe
    let tokens = SignedTokens()
    private let files: Files

    /// Gone with the platform.
    private final class Files {
        let directory: TemporaryDirectory
        var path: String { directory.path }

        init() throws {
            directory = try TemporaryDirectory(prefix: "dc")
        }

        deinit {
            directory.remove()
        }
    }

    /// - Parameters:
    ///   - lookUps: the section `look_ups`, as flow YAML.
    ///   - writes: the section `writes`.
    init(ownPostgres: Bool = false, lookUps: String = "{}", writes: String = "{}") throws {
        files = try Files()
        try Self.file(lookUps, writes).write(toFile: files.path + "/courier.yaml", atomically: true, encoding: .utf8)
        try tokens.keySet.write(toFile: files.path + "/jwks.json", atomically: true, encoding: .utf8)
        gateway = try RunningGateway(
            ownPostgres: ownPostgres,
            settings: ["access.jwks_file": files.path + "/jwks.json", "access.refresh_s": "1"],
            file: files.path + "/courier.yaml", schema: Self.tables)
        redis = try gateway.redisProbe()
        try gateway.awaitStores()
    }

    /// A new login; `more` is further columns.
    func logIn(_ who: String, kind: String, more: String, token: String? = nil) throws -> String {
        let token = token ?? "token-of-\(UUID().uuidString)"
        LogBook.secrets.withLock { _ = $0.insert(token) }
        try gateway.sql(
            "INSERT INTO logins (who, token_hash) VALUES ($1, encode(sha256($2::bytea), 'hex'))", [who, token])
        try gateway.sql(
            "UPDATE logins SET kind = \(kind), \(more) WHERE token_hash = encode(sha256($1::bytea), 'hex')", [token])
        return token
    }

    /// A new session of a customer in Redis.
    func session(_ customer: String, milliseconds: Int? = nil) throws -> String {
        let token = UUID().uuidString
        LogBook.secrets.withLock { _ = $0.insert(token) }
        try redis.command("HSET", "sess:\(token)", "uid", customer, "theme", "dark")
        if let milliseconds { try redis.command("PEXPIRE", "sess:\(token)", "\(milliseconds)") }
        return token
    }

    /// Changes a table.
    func change(_ sql: String, _ table: String) throws {
        try gateway.sql(sql)
        try announce(table)
    }

    /// What the table's trigger tells; twice is as good as once.
    func announce(_ table: String) throws {
        try gateway.sql("SELECT pg_notify('drover_change', 'public.\(table)')")
    }

    private static let tables = """
        CREATE TABLE logins (
            who text, token_hash text PRIMARY KEY, kind text, van text, may text[], scope text, ends_at timestamptz,
            is_active boolean DEFAULT true);
        CREATE TABLE vans (van text PRIMARY KEY, depot text NOT NULL, is_sold boolean NOT NULL DEFAULT false);
        INSERT INTO vans VALUES ('van-1', 'east'), ('van-2', 'east'), ('van-3', 'west'), ('van-sold', 'west', true);
        CREATE TABLE parcels (
            parcel text PRIMARY KEY, customer text, van text REFERENCES vans, is_open boolean NOT NULL DEFAULT true);
        INSERT INTO parcels SELECT 'p' || n, 'customer-' || n, 'van-' || 1 + n % 3 FROM generate_series(1, 300) n;
        CREATE TABLE trail (
            event_id uuid PRIMARY KEY, who text NOT NULL CHECK (who <> 'mallory'), what text NOT NULL, kind text NOT NULL,
            id text NOT NULL, action text NOT NULL, at timestamptz NOT NULL, vans text[] NOT NULL);
        """

    private static func file(_ lookUps: String, _ writes: String) -> String {
        """
        postgres:
          schema: drover
        system:
          name: courier
          statements:
            login:
              sql: |
                SELECT kind, van, may, scope, ends_at, is_active FROM logins WHERE token_hash = {token_sha256}
              cache_s: 300
              changes: [ logins ]
            our_van:
              sql: SELECT depot FROM vans WHERE van = {driver} AND NOT is_sold
              cache_s: 300
              changes: [ "vans(is_sold)" ]
            own_parcels:
              sql: |
                SELECT customer AS user_id, 'order:' || parcel AS subject FROM parcels
                WHERE customer = ANY ({users}) AND is_open
              cache_s: 300
              changes: [ "parcels(customer, is_open)" ]
            carrier:
              sql: SELECT parcel AS order_id, van AS driver_id FROM parcels WHERE parcel = ANY ({orders}) AND is_open
              cache_s: 300
              changes: [ "parcels(van, is_open)" ]
            fleet:
              sql: SELECT depot AS group_id, van AS driver_id FROM vans WHERE depot = ANY ({groups}) AND NOT is_sold
              cache_s: 300
              changes: [ vans ]
            tell:
              sql: |
                INSERT INTO trail SELECT event_id, user_id, subject, kind, id, action, at,
                    ARRAY(SELECT jsonb_array_elements_text(drivers))
                FROM jsonb_to_recordset({rows}) AS r (event_id uuid, user_id text, subject text, kind text, id text,
                    action text, at timestamptz, drivers jsonb)
                ON CONFLICT DO NOTHING
          credentials:
            - name: signed
              jwt: true
              claims: { user: sub, role: realm.role, driver: vehicle, permissions: scope }
              roles:
                office: { party: backend }
                driver: { party: device, check: our_van }
            - name: login
              statement: login
              claims: { role: kind, driver: van, permissions: may, subjects: scope, expires_at: ends_at }
              active: is_active
              roles:
                office: { party: backend }
                guest: { party: viewer }
                driver: { party: device, check: our_van }
            - name: session
              redis: "sess:{token}"
              claims: { user: uid }
              role: customer
              roles:
                customer: { party: viewer, subjects: own_parcels }
          permissions: { look: [ "positions:read" ], send: [ "assignments:write", "sessions:write" ] }
          look_ups: \(lookUps)
          writes: \(writes)
        """
    }
}
