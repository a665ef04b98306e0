// A platform's database is brought to what its file needs, against a real Postgres.

import PostgresClient
import Testing

@testable import Gateway

@Suite struct `The provisioning of a platform's database` {
    private let fixture: HistoryFixture
    private var configuration = Configuration()

    init() throws {
        fixture = try HistoryFixture()
        configuration.postgresURL = fixture.url
        configuration.postgresSchema = "drover"
        try fixture.connection().run(
            """
            CREATE TABLE orders (id integer PRIMARY KEY, status text, note text);
            CREATE SCHEMA shop; CREATE TABLE shop.riders (id integer PRIMARY KEY, name text)
            """)
        configuration.system.searchPath = "public, shop"
        watch("one", ["orders(status)"])
    }

    private mutating func watch(_ name: String, _ changes: [String]) {
        var statement = NamedStatement(name: name, text: "SELECT 1")
        statement.changes = changes.compactMap { WatchedTable($0) }
        configuration.system.statements[name] = statement
    }

    private func trigger(_ table: String = "orders") throws -> String? {
        try fixture.text(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'drover_change' AND tgrelid = '\(table)'::regclass"
        )
    }

    @Test func `watched tables get a trigger for the columns that matter to any statement`() throws {
        var platform = self
        platform.watch("two", ["orders(id, status)", "riders"])
        #expect(try Provisioning(platform.configuration).run() == [])
        #expect(
            try trigger()
                == "CREATE TRIGGER drover_change AFTER INSERT OR DELETE OR UPDATE OF id, status OR TRUNCATE ON public.orders "
                + "FOR EACH STATEMENT EXECUTE FUNCTION drover.notify_change()")
        #expect(try trigger("shop.riders")?.contains("UPDATE OR TRUNCATE ON shop.riders") == true)
        // A statement without columns watches all of them.
        platform.watch("three", ["orders"])
        #expect(try Provisioning(platform.configuration).run() == [])
        #expect(try trigger()?.contains("UPDATE OR TRUNCATE ON public.orders") == true)
    }

    @Test func `what is as it must be is left alone, what was taken away or changed comes back`() throws {
        #expect(try Provisioning(configuration).run() == [])
        let versions =
            "SELECT string_agg(t.xmin::text || p.xmin::text, ' ') FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid WHERE tgname = 'drover_change'"
        let made = try fixture.text(versions)
        #expect(try Provisioning(configuration).run() == [])
        #expect(try fixture.text(versions) == made)
        try fixture.connection().run("ALTER TABLE orders DISABLE TRIGGER drover_change")
        #expect(try Provisioning(configuration).run() == [])
        #expect(try fixture.text("SELECT tgenabled FROM pg_trigger WHERE tgname = 'drover_change'") == "O")
        try fixture.connection().run("DROP TRIGGER drover_change ON orders")
        #expect(try Provisioning(configuration).run() == [])
        #expect(try trigger() != nil)
    }

    @Test
    func `a table or column that is not there, and a table in use, are told and keep nothing else from being done`()
        throws
    {
        var platform = self
        platform.watch("two", ["riders(nick)", "nowhere", "orders"])
        let notices = try Provisioning(platform.configuration).run()
        #expect(notices.contains { $0.contains("there is no table nowhere") })
        #expect(notices.contains { $0.contains("table riders has no column nick") })
        #expect(notices.count == 2)
        #expect(try trigger() != nil)

        try fixture.connection().run("DROP TRIGGER drover_change ON orders")
        let other = try PostgresConnection(PostgresAddress(fixture.url), cutOff: PostgresCutOff())
        try other.run("BEGIN; INSERT INTO orders VALUES (1)")
        let busy = try Provisioning(configuration).run()
        #expect(
            busy.count == 1 && busy[0].contains("no trigger on orders") && busy[0].contains("drover migrate"), "\(busy)"
        )
        try other.run("ROLLBACK")
    }

    @Test func `without the right to make triggers it goes on without them and says so`() throws {
        var platform = self
        let role = "guest_\(fixture.database)"
        try fixture.connection().run(
            """
            CREATE ROLE \(role) LOGIN; CREATE SCHEMA drover AUTHORIZATION \(role); GRANT SELECT ON orders TO \(role);
            """)
        platform.configuration.system.postgresURL = fixture.url.replacing("postgres@", with: "\(role)@")
        let notices = try Provisioning(platform.configuration).run()
        #expect(notices.count == 1)
        #expect(notices.first?.contains("permission denied for table orders") == true, "\(notices)")
        try fixture.connection().run("DROP OWNED BY \(role); DROP ROLE \(role)")
    }

    @Test func `the file's own SQL runs whole or not at all, and can be run again`() throws {
        var platform = self
        platform.configuration.system.provision =
            "CREATE TABLE IF NOT EXISTS extra (id integer); ALTER TABLE extra ADD COLUMN IF NOT EXISTS x text"
        #expect(try Provisioning(platform.configuration).run() == [])
        #expect(try Provisioning(platform.configuration).run() == [])
        #expect(try fixture.number("SELECT count(*) FROM extra") == 0)
        platform.configuration.system.provision = "CREATE TABLE other (id integer); SELECT nothing FROM extra"
        #expect(throws: PostgresError.self) { try Provisioning(platform.configuration).run() }
        #expect(try fixture.text("SELECT to_regclass('other')") == nil)
    }

    @Test func `the check names what is missing, statement by statement`() throws {
        var platform = self
        platform.configuration.system.statements = [:]
        for (name, sql) in [
            ("fine", "SELECT id::text AS order_id, status AS driver_id FROM orders WHERE id::text = ANY ({orders})"),
            ("misspelt", "SELECT o.statuss FROM orders o"), ("lost", "SELECT 1 FROM deliveries"),
            ("columns", "SELECT id AS order_id FROM orders WHERE {orders} IS NULL"), ("broken", "SELEC 1"),
            ("call", "UPDATE orders SET status = {status} WHERE id = {id}::integer"),
        ] {
            platform.configuration.system.statements[name] = NamedStatement(name: name, text: sql)
        }
        platform.configuration.system.lookUps = [.orderDrivers: "fine", .groupDrivers: "columns"]
        let lines = try SystemCheck(platform.configuration).run()
        let problems = Dictionary(uniqueKeysWithValues: lines.map { ($0.part, $0.problem ?? "") })
        #expect(problems["statement fine"] == "" && problems["statement call"] == "")
        #expect(problems["statement misspelt"]?.hasPrefix("column o.statuss does not exist") == true)
        #expect(problems["statement lost"]?.hasPrefix("relation \"deliveries\" does not exist") == true)
        #expect(problems["statement broken"]?.hasPrefix("syntax error") == true)
        #expect(problems["statement columns"]?.hasPrefix("gives no column group_id") == true)
    }
}
