// A platform's statements against a real Postgres: prepared, cached, and void once a table has changed.
import EventLoop
import Glibc
import LocalServers
import Logging
import PostgresClient
import Testing
import Tracking

@testable import Gateway

@Suite struct SystemDatabaseTests {
    /// A platform's database with a table of riders, and the connection to it.
    private final class Platform {
        let loop = EventLoop()
        let fixture: HistoryFixture
        let admin: PostgresConnection
        let database: SystemDatabase

        init(_ statements: [NamedStatement]) throws {
            fixture = try HistoryFixture()
            admin = try fixture.connection()
            try admin.run(
                """
                CREATE TABLE orders (id text PRIMARY KEY, rider text);
                INSERT INTO orders SELECT 'o' || n, 'r' || n % 3 FROM generate_series(1, 30) n;
                CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN PERFORM pg_notify('drover_change', 'public.' || TG_TABLE_NAME); RETURN NULL; END $$;
                CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON orders EXECUTE FUNCTION tell();
                """)
            var system = SystemConfiguration()
            for statement in statements { system.statements[statement.name] = statement }
            database = SystemDatabase(
                loop: loop, address: try PostgresAddress(fixture.url), configuration: system,
                log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        }

        deinit {
            database.close()
            while loop.runReady() {}
        }

        func until(_ what: Comment, at location: SourceLocation = #_sourceLocation, _ condition: () -> Bool) {
            let tick = LoopTimer(loop: loop) {}
            tick.start(afterMilliseconds: 5, everyMilliseconds: 5)
            defer { tick.close() }
            let deadline = SystemClock.monotonicMicroseconds() + 30_000_000
            while !condition() {
                loop.runOnce()
                guard SystemClock.monotonicMicroseconds() < deadline else {
                    Issue.record(what, sourceLocation: location)
                    return
                }
            }
        }

        /// The riders of orders, as the look-up has them.
        func riders(_ lookUp: LookUp, of orders: [String]) -> [String: [String?]]? {
            var found: [String: [String?]]?
            var isAnswered = false
            lookUp.find(orders) { answer in
                isAnswered = true
                found = try? answer.get().mapValues { $0.map { $0["driver_id"] } }
            }
            until("an answer") { isAnswered }
            return found
        }

        func connect() {
            until("the database is there and its changes are heard of") { database.hearsChanges }
        }
    }

    private static func riders(cacheSeconds: Int) -> NamedStatement {
        var statement = NamedStatement(
            name: "riders",
            text: "SELECT id AS order_id, rider AS driver_id FROM orders WHERE id = ANY ({orders}) ORDER BY 2")
        statement.cacheSeconds = cacheSeconds
        statement.changes = [WatchedTable("orders")!]
        return statement
    }

    @Test func `an answer is kept until a table of its statement changes`() throws {
        let platform = try Platform([Self.riders(cacheSeconds: 3_600)])
        let lookUp = LookUp(platform.database, statement: "riders", parameter: "orders", key: "order_id")
        var changes = 0
        lookUp.onChange = { changes += 1 }
        platform.connect()
        changes = 0
        #expect(platform.riders(lookUp, of: ["o1", "o2", "none"]) == ["o1": ["r1"], "o2": ["r2"], "none": []])

        // Without the trigger nobody says that it has changed: what is kept counts.
        try platform.admin.run("ALTER TABLE orders DISABLE TRIGGER tell; UPDATE orders SET rider = 'other'")
        #expect(platform.riders(lookUp, of: ["o1", "o3"]) == ["o1": ["r1"], "o3": ["other"]])
        #expect(changes == 0)

        try platform.admin.run(
            "ALTER TABLE orders ENABLE TRIGGER tell; UPDATE orders SET rider = 'new' WHERE id = 'o1'")
        platform.until("the change is heard of") { changes == 1 }
        #expect(platform.riders(lookUp, of: ["o1", "o2"]) == ["o1": ["new"], "o2": ["other"]])
    }

    @Test func `an answer older than its life is asked for again`() throws {
        let platform = try Platform([Self.riders(cacheSeconds: 0)])
        let lookUp = LookUp(platform.database, statement: "riders", parameter: "orders", key: "order_id")
        platform.connect()
        #expect(platform.riders(lookUp, of: ["o1"]) == ["o1": ["r1"]])
        try platform.admin.run("ALTER TABLE orders DISABLE TRIGGER tell; UPDATE orders SET rider = 'other'")
        #expect(platform.riders(lookUp, of: ["o1"]) == ["o1": ["other"]])
    }

    @Test func `many questions at once become a few statements, and each gets its own rows`() throws {
        let platform = try Platform([Self.riders(cacheSeconds: 60)])
        let lookUp = LookUp(platform.database, statement: "riders", parameter: "orders", key: "order_id")
        platform.connect()
        var answers = 0
        for number in 0..<3_000 {
            lookUp.find(["o\(number % 40)", "x\(number)"]) { answer in
                let expected = (1...30).contains(number % 40) ? ["r\(number % 40 % 3)"] : []
                let rows = try? answer.get()
                #expect(rows?["o\(number % 40)"]?.compactMap { $0["driver_id"] } == expected)
                #expect(rows?["x\(number)"] == [])
                answers += 1
            }
        }
        platform.until("all are answered") { answers == 3_000 }
    }

    @Test func `a statement goes on after its tables have got other columns, and a wrong one names what is missing`()
        throws
    {
        let star = NamedStatement(name: "star", text: "SELECT * FROM orders WHERE id = {order}")
        let platform = try Platform([star, NamedStatement(name: "wrong", text: "SELECT ridder FROM orders")])
        platform.connect()
        func run(_ name: String) -> Result<[LookUpRow], PostgresError>? {
            var found: Result<[LookUpRow], PostgresError>?
            platform.database.run(name, ["order": .text("o1")]) { found = $0.map(\.lookUpRows) }
            platform.until("an answer") { found != nil }
            return found
        }
        #expect(try run("star")?.get().map { $0["rider"] } == ["r1"])
        #expect(try run("star")?.get().count == 1)
        try platform.admin.run("ALTER TABLE orders ADD COLUMN state text DEFAULT 'new'")
        #expect(try run("star")?.get().map { $0["state"] } == ["new"])
        guard case .failure(let error) = run("wrong") else {
            Issue.record("a column that is not there was found")
            return
        }
        #expect(error.message.contains("ridder"))
        #expect(platform.database.failures["wrong"]?.contains("ridder") == true)
        #expect(try run("star")?.get().count == 1)
    }

    @Test func `where the database is away, questions are refused at once, and what was kept goes on`() throws {
        let platform = try Platform([Self.riders(cacheSeconds: 3_600)])
        let lookUp = LookUp(platform.database, statement: "riders", parameter: "orders", key: "order_id")
        #expect(platform.riders(lookUp, of: ["o1"]) == nil, "not connected yet")
        platform.connect()
        #expect(platform.riders(lookUp, of: ["o1"]) == ["o1": ["r1"]])
        var changes = 0
        lookUp.onChange = { changes += 1 }
        try platform.admin.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """)
        platform.until("it is lost and found again, and nothing can be relied on") { changes == 1 }
        #expect(platform.riders(lookUp, of: ["o1"]) == ["o1": ["r1"]])
    }

    @Test func `names with quotes and backslashes are asked about as they are`() throws {
        let platform = try Platform([Self.riders(cacheSeconds: 60)])
        let names = ["a\"b", "back\\slash", "comma,brace}", "", "NULL", "o1"]
        try platform.admin.query(
            "INSERT INTO orders SELECT n, 'odd' FROM unnest($1::text[]) n ON CONFLICT DO NOTHING",
            [
                "{\"a\\\"b\",\"back\\\\slash\",\"comma,brace}\",\"\",\"NULL\"}"
            ])
        let lookUp = LookUp(platform.database, statement: "riders", parameter: "orders", key: "order_id")
        platform.connect()
        let found = platform.riders(lookUp, of: names)
        #expect(found?.filter { $0.value == ["odd"] }.count == 5)
        #expect(found?["o1"] == ["r1"])
    }
}
