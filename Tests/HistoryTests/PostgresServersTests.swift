// Addresses with several hosts: a server that does not answer, one that takes no writes, and the way to the next.

import EventLoop
import Glibc
import LocalServers
import Testing

@testable import PostgresClient

struct PostgresServersTests {
    /// A primary and its replica, which follows each commit.
    private final class Pair {
        let primary: LocalPostgres
        let replica: LocalPostgres

        init() throws {
            primary = try LocalPostgres.start()
            replica = try LocalPostgres.startReplica(of: primary)
        }

        deinit {
            primary.remove()
            replica.remove()
        }
    }

    /// Turns the loop until a condition holds.
    private func turn(_ loop: EventLoop, until what: Comment, _ condition: () -> Bool) {
        let tick = LoopTimer(loop: loop) {}
        tick.start(afterMilliseconds: 5, everyMilliseconds: 5)
        defer { tick.close() }
        let deadline = SystemClock.monotonicMicroseconds() + 60_000_000
        while !condition() {
            loop.runOnce()
            guard SystemClock.monotonicMicroseconds() < deadline else {
                Issue.record(what)
                return
            }
        }
    }

    /// Asks until there is an answer, and gives its first value.
    private func answer(_ loop: EventLoop, _ questions: PostgresQuestions, _ sql: String) -> String? {
        var answer: String?
        var isAsking = false
        turn(loop, until: "an answer to \(sql): \(String(describing: questions.lastError))") {
            if answer != nil { return true }
            guard !isAsking, questions.isConnected else { return false }
            isAsking = questions.ask(sql) { result in
                isAsking = false
                if case .success(let rows) = result { answer = rows.text(0, 0) }
            }
            return false
        }
        return answer
    }

    @Test func `lists of hosts, addresses and ports are taken apart as libpq does`() throws {
        let simple = try PostgresAddress("postgresql://a:1,b:2,c/db?target_session_attrs=read-write&connect_timeout=7")
        #expect(simple.servers.map(\.name) == ["a", "b", "c"])
        #expect(simple.servers.map(\.port) == ["1", "2", "5432"])
        #expect(simple.namesSeveral && simple.asksForPrimary)
        #expect(simple.connectMilliseconds == 7_000)
        #expect(simple.description == "dbname=db host=a,b,c port=1,2,")
        let both = try PostgresAddress("host=a,b hostaddr=127.0.0.1,127.0.0.2 port=7 connect_timeout=1")
        #expect(both.servers.map(\.address) == ["127.0.0.1", "127.0.0.2"])
        #expect(both.servers.map(\.port) == ["7", "7"])
        #expect(!both.asksForPrimary)
        #expect(both.connectMilliseconds == 2_000)
        let one = try PostgresAddress("postgresql://a/db")
        #expect(one.servers.isEmpty && !one.namesSeveral)
        #expect(one.connectMilliseconds == 5_000)
        // libpq says what is wrong with these.
        #expect(try PostgresAddress("host=a,b,c port=1,2").servers.isEmpty)
    }

    @Test func `a server that does not answer is passed by`() throws {
        let frozen = try LocalPostgres.start()
        let live = try SharedPostgres.server.get()
        defer { frozen.remove() }
        frozen.freeze()
        let address = try PostgresAddress(
            "host=\(frozen.socketDirectory),\(frozen.socketDirectory),\(live.socketDirectory) user=postgres "
                + "dbname=postgres connect_timeout=2")
        let connection = try PostgresConnection(address, cutOff: PostgresCutOff(), connectMilliseconds: 200)
        #expect(try connection.query("SHOW unix_socket_directories").text(0, 0) == live.socketDirectory)
        let loop = EventLoop()
        let questions = PostgresQuestions(loop: loop, address: address)
        #expect(answer(loop, questions, "SHOW unix_socket_directories") == live.socketDirectory)
        questions.close()
        while loop.runReady() {}
        // Where none answers, the wait has an end all the same.
        let nowhere = try PostgresAddress("host=\(frozen.socketDirectory),\(frozen.socketDirectory) user=postgres")
        let error = #expect(throws: PostgresError.self) {
            _ = try PostgresConnection(nowhere, cutOff: PostgresCutOff(), connectMilliseconds: 100)
        }
        #expect(error?.kind == .connection)
        frozen.thaw()
    }

    @Test func `the primary is found behind its replica, and the replica once it is promoted`() throws {
        let pair = try Pair()
        let address = try PostgresAddress(LocalPostgres.url(of: [pair.replica, pair.primary]))
        let connection = try PostgresConnection(address, cutOff: PostgresCutOff())
        #expect(try connection.query("SELECT pg_is_in_recovery()").flag(0, 0) == false)
        let loop = EventLoop()
        let questions = PostgresQuestions(loop: loop, address: address)
        var changes: [Bool] = []
        questions.onStateChange = { changes.append($0) }
        #expect(answer(loop, questions, "SHOW unix_socket_directories") == pair.primary.socketDirectory)
        pair.primary.kill()
        turn(loop, until: "the loss is seen") { !questions.isConnected }
        // A replica alone is no place to write to, and the reason says what to do.
        turn(loop, until: "the reason: \(String(describing: questions.lastError))") {
            questions.lastError?.description.contains("promote a replica") == true
        }
        let refused = #expect(throws: PostgresError.self) {
            _ = try PostgresConnection(address, cutOff: PostgresCutOff())
        }
        #expect(refused?.kind == .connection)
        #expect(refused?.description.contains("promote a replica") == true)
        try pair.replica.promote()
        #expect(answer(loop, questions, "SHOW unix_socket_directories") == pair.replica.socketDirectory)
        #expect(changes == [true, false, true])
        questions.close()
        while loop.runReady() {}
    }

    @Test func `a connection to a server that takes no writes any more is made anew`() throws {
        let server = try LocalPostgres.start()
        defer { server.remove() }
        try server.psql("CREATE TABLE things (id int)")
        let loop = EventLoop()
        let questions = PostgresQuestions(loop: loop, address: try PostgresAddress(server.url()))
        // As where a proxy goes on with a server that was demoted: only this session takes no writes.
        #expect(answer(loop, questions, "SELECT set_config('default_transaction_read_only', 'on', false)") == "on")
        #expect(answer(loop, questions, "INSERT INTO things VALUES (1) RETURNING id") == "1")
        questions.close()
        while loop.runReady() {}
    }

    @Test(arguments: ["57P01", "57P03", "08006", "25006"])
    func `such a refusal ends the session and is tried again`(state: String) {
        let error = PostgresError(
            PostgresError.kind(sqlState: state, constraint: nil), sqlState: state, message: "", constraint: nil)
        #expect(error.endsSession)
        #expect(error.kind == .transient)
    }

    @Test(arguments: ["23505", "40P01", "55P03", "42P01", "53300"])
    func `a refusal of a statement leaves the session`(state: String) {
        let error = PostgresError(
            PostgresError.kind(sqlState: state, constraint: nil), sqlState: state, message: "", constraint: nil)
        #expect(!error.endsSession)
    }
}
