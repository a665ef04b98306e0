import EventLoop
import Glibc
import LocalServers
import Testing

@testable import Gateway
@testable import PostgresClient

struct PostgresConnectionTests {
    @Test(arguments: [
        ("SELECT 1/0", PostgresError.Kind.data, "22012"),
        ("SELECT nonsense", .schema, "42703"),
        ("INSERT INTO things VALUES (1), (1)", .unique, "23505"),
        ("INSERT INTO things VALUES (-1)", .data, "23514"),
        ("INSERT INTO days VALUES ('2026-01-01')", .noPartition, "23514"),
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(10)", .transient, "57014"),
        ("BEGIN READ ONLY; CREATE TABLE more (id int)", .transient, "25006"),
        ("DO $$ BEGIN RAISE 'not this row'; END $$", .data, "P0001"),
    ])
    func `a refusal has a kind, its SQLSTATE and advice`(sql: String, kind: PostgresError.Kind, state: String) throws {
        let connection = try HistoryFixture().connection()
        try connection.run(
            "CREATE TABLE things (id int PRIMARY KEY CHECK (id > 0)); CREATE TABLE days (day date) PARTITION BY RANGE (day)"
        )
        let error = #expect(throws: PostgresError.self) { try connection.run(sql) }
        #expect(error?.kind == kind)
        #expect(error?.sqlState == state)
        #expect(error?.advice.isEmpty == false)
        if kind == .data, state == "23514" { #expect(error?.constraint == "things_id_check") }
    }

    @Test func `values come back as they went, NULL and quotes included`() throws {
        let connection = try HistoryFixture().connection()
        let rows = try connection.query(
            "SELECT $1::text, $2::bigint, $3::text, $4::text", ["a'\"\\b ü", "-7", nil, ""])
        #expect(rows.count == 1)
        #expect(rows.text(0, 0) == "a'\"\\b ü")
        #expect(rows.integer(0, 1) == -7)
        #expect(rows.text(0, 2) == nil)
        #expect(rows.text(0, 3) == "")
        let literal = "it's a \\ back\\slash"
        #expect(
            try connection.run("SELECT \(quotedLiteral(literal)) AS \(quotedIdentifier("a\"b"))").text(0, 0) == literal)
    }

    @Test func `a transaction that throws is rolled back and the connection can be used on`() throws {
        let connection = try HistoryFixture().connection()
        try connection.run("CREATE TABLE things (id int)")
        #expect(throws: PostgresError.self) {
            try connection.transaction { () throws(PostgresError) in
                try connection.run("INSERT INTO things VALUES (1)")
                try connection.run("SELECT nonsense")
            }
        }
        try connection.transaction { () throws(PostgresError) in _ = try connection.run("INSERT INTO things VALUES (2)")
        }
        #expect(try connection.query("SELECT id FROM things").integer(0, 0) == 2)
    }

    @Test func `a copy of many megabytes arrives whole, and a refused one leaves the connection usable`() throws {
        let connection = try HistoryFixture().connection()
        try connection.run("CREATE TABLE lines (line text)")
        let bytes = Array(String(repeating: String(repeating: "x", count: 99) + "\n", count: 100_000).utf8)
        #expect(try bytes.withUnsafeBytes { try connection.copy("COPY lines FROM STDIN", $0) } == 100_000)
        #expect(throws: PostgresError.self) {
            try bytes.withUnsafeBytes { try connection.copy("COPY lines FROM STDIN (FORMAT binary)", $0) }
        }
        #expect(throws: PostgresError.self) {
            try bytes.withUnsafeBytes { try connection.copy("COPY nowhere FROM STDIN", $0) }
        }
        #expect(try connection.query("SELECT count(*), sum(length(line)) FROM lines").integer(0, 1) == 9_900_000)
    }

    @Test func `a login that is refused says why by SQLSTATE, in words without the password`() throws {
        let server = try SharedPostgres.server.get()
        func error(_ url: String) -> PostgresError? {
            #expect(throws: PostgresError.self) {
                _ = try PostgresConnection(PostgresAddress(url), cutOff: PostgresCutOff())
            }
        }
        let missing = error(server.url(database: "nowhere"))
        #expect(missing?.sqlState == "3D000")
        #expect(missing?.kind == .schema)
        let stranger = error("host=\(server.socketDirectory) user=stranger password=geheim dbname=postgres")
        #expect(stranger?.sqlState == "28000")
        #expect(stranger?.description.contains("geheim") == false)
        let absent = error("postgresql://me:geheim@/db?host=/nonexistent/geheim")
        #expect(absent?.kind == .connection)
        #expect(absent?.description.contains("Start Postgres or set DROVER_POSTGRES_URL") == true)
        #expect(absent?.message.contains("\n") == false)
        let nonsense = error("postgresql://me:gehe%im@/db")
        #expect(nonsense?.description.contains("gehe") == false)
    }

    @Test func `what a frozen server does not answer ends by deadline, and at once by the cut-off`() throws {
        let server = try LocalPostgres.start()
        defer { server.remove() }
        let cutOff = PostgresCutOff()
        let address = try PostgresAddress(server.url())
        let first = try PostgresConnection(address, cutOff: cutOff, callMilliseconds: 200)
        let second = try PostgresConnection(address, cutOff: cutOff)
        server.freeze()
        let late = #expect(throws: PostgresError.self) { try first.query("SELECT 1") }
        #expect(late?.kind == .connection)
        let unconnected = #expect(throws: PostgresError.self) {
            _ = try PostgresConnection(address, cutOff: cutOff, connectMilliseconds: 200)
        }
        #expect(unconnected?.kind == .connection)
        let start = SystemClock.monotonicMicroseconds()
        let thread = HistoryThread {
            poll(nil, 0, 50)
            cutOff.set(SystemClock.monotonicMicroseconds())
        }
        let cut = #expect(throws: PostgresError.self) { try second.query("SELECT 1") }
        #expect(cut?.kind == .interrupted)
        #expect(SystemClock.monotonicMicroseconds() - start < 10_000_000)
        #expect(thread.waitForEnd(milliseconds: 5_000))
        server.thaw()
    }

    @Test func `a wake-up that comes during an answer ends the next pause, and no other`() throws {
        let server = try SharedPostgres.server.get()
        let cutOff = PostgresCutOff()
        let connection = try PostgresConnection(PostgresAddress(server.url()), cutOff: cutOff)
        let thread = HistoryThread {
            poll(nil, 0, 50)
            cutOff.wake()
        }
        try connection.query("SELECT pg_sleep(0.2)")
        #expect(thread.waitForEnd(milliseconds: 5_000))
        var start = SystemClock.monotonicMicroseconds()
        cutOff.pause(milliseconds: 20_000)
        #expect(SystemClock.monotonicMicroseconds() - start < 10_000_000)
        start = SystemClock.monotonicMicroseconds()
        cutOff.pause(milliseconds: 100)
        #expect(SystemClock.monotonicMicroseconds() - start >= 100_000)
    }

    @Test func `delays grow to their limit and begin anew after a success`() {
        struct Highest: RandomNumberGenerator {
            mutating func next() -> UInt64 { .max }
        }
        var random = Highest()
        var delay = RetryDelay(shortestMilliseconds: 100, longestMilliseconds: 5_000)
        let delays = (0..<8).map { _ in delay.next(using: &random) }
        #expect(delays == [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
        delay.reset()
        #expect(delay.next(using: &random) == 100)
    }
}
