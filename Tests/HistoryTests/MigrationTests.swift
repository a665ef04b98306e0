import Glibc
import PostgresClient
import Synchronization
import Testing

@testable import Gateway

struct MigrationTests {
    @Test func `every file of config slash schema is in the list, with its number and name`() throws {
        let files = try #require(schemaFiles())
        let listed = Migration.all.map { migration in
            let digits = "\(migration.version)"
            return String(repeating: "0", count: 4 - digits.count) + digits + "_\(migration.name).sql"
        }
        #expect(listed == files)
        #expect(Migration.all.map(\.version) == Array(1...files.count))
    }

    /// The directory's listing, found from this file's own place.
    private func schemaFiles() -> [String]? {
        let root = "\(#filePath)".split(separator: "/").dropLast(3).joined(separator: "/")
        guard let directory = opendir("/\(root)/config/schema") else { return nil }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".sql") { names.append(name) }
        }
        return names.sorted()
    }

    @Test(arguments: ["public", "drover \"quoted\" Schema"])
    func `migrating from nothing makes the schema, and a second time changes nothing`(schema: String) throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        #expect(try Migrations.migrate(connection, schema: schema) == Migration.all.map(\.version))
        #expect(try Migrations.migrate(connection, schema: schema) == [])
        try Migrations.check(connection, schema: schema)
        let tables = try connection.query(
            "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p', 'v')",
            [quotedIdentifier(schema)])
        #expect(
            tables.text(0, 0)
                == "active_driver_locations api_audit_logs api_keys audit_key driver_assignments driver_devices driver_groups "
                + "driver_location_changes driver_location_events driver_location_hourly driver_sessions driver_states erasures "
                + "history_archives history_generation history_place ingest_checkpoints ingest_dead_letters order_destinations order_events order_progress "
                + "schema_migrations "
                + "tracking_sessions")
    }

    @Test func `several gateways that start together migrate once`() throws {
        let fixture = try HistoryFixture()
        let url = fixture.url
        let applied = Mutex<[[Int]]>([])
        let failures = Mutex<[String]>([])
        let threads = (0..<6).map { _ in
            HistoryThread {
                do {
                    let connection = try PostgresConnection(PostgresAddress(url), cutOff: PostgresCutOff())
                    let versions = try Migrations.migrate(connection, schema: "fresh")
                    applied.withLock { $0.append(versions) }
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        for thread in threads { #expect(thread.waitForEnd(milliseconds: 30_000)) }
        #expect(failures.withLock { $0 } == [])
        #expect(applied.withLock { $0 }.flatMap { $0 }.sorted() == Migration.all.map(\.version))
    }

    @Test func `a migration that was changed after it was applied is refused by name`() throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        try Migrations.migrate(connection, schema: "public")
        let changed = Migration(1, "initial", Array("SELECT 2".utf8))
        let next = Migration(2, "more", Array("CREATE TABLE more (id int)".utf8))
        #expect {
            try Migrations.migrate(connection, schema: "public", [changed, next])
        } throws: { error in
            "\(error)".contains("migration 1 (initial) was applied with another text")
        }
        #expect(try fixture.number("SELECT count(*) FROM pg_class WHERE relname = 'more'") == 0)
    }

    @Test func `a migration that fails leaves nothing of itself behind`() throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        let broken = Migration(
            Migration.all.count + 1, "broken", Array("CREATE TABLE half (id int); SELECT nonsense".utf8))
        #expect(throws: PostgresError.self) {
            try Migrations.migrate(connection, schema: "public", Migration.all + [broken])
        }
        #expect(try fixture.number("SELECT count(*) FROM pg_class WHERE relname = 'half'") == 0)
        #expect(try fixture.number("SELECT max(version) FROM schema_migrations") == Int64(Migration.all.count))
        #expect(throws: PostgresError.self) {
            try Migrations.check(connection, schema: "public", Migration.all + [broken])
        }
    }

    @Test func `the recorded checksum is the file's`() throws {
        let fixture = try HistoryFixture()
        try Migrations.migrate(fixture.connection(), schema: "public")
        let root = "/" + "\(#filePath)".split(separator: "/").dropLast(3).joined(separator: "/")
        let sum = try #require(try sha256sum("\(root)/config/schema/0001_initial.sql"))
        #expect(try fixture.text("SELECT sha256 FROM schema_migrations WHERE version = 1") == sum)
    }
}
