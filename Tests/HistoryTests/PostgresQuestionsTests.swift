import EventLoop
import Glibc
import LocalServers
import PostgresClient
import Testing

struct PostgresQuestionsTests {
    /// A loop that is turned until a condition holds.
    private final class Turning {
        let loop = EventLoop()

        func until(_ what: Comment, _ condition: () -> Bool, at location: SourceLocation = #_sourceLocation) {
            // Only there so that a turn of the loop ends now and then.
            let tick = LoopTimer(loop: loop) {}
            tick.start(afterMilliseconds: 5, everyMilliseconds: 5)
            defer { tick.close() }
            let deadline = SystemClock.monotonicMicroseconds() + 30_000_000
            while !condition() {
                loop.runOnce()
                if SystemClock.monotonicMicroseconds() > deadline {
                    Issue.record(what, sourceLocation: location)
                    return
                }
            }
        }

        func end(_ questions: PostgresQuestions) {
            questions.close()
            while loop.runReady() {}
        }
    }

    @Test func `questions are answered in order, each with its own rows or refusal`() throws {
        let turning = Turning()
        let questions = try PostgresQuestions(
            loop: turning.loop, address: PostgresAddress(SharedPostgres.server.get().url()))
        var changes: [Bool] = []
        questions.onStateChange = { changes.append($0) }
        var answers: [String] = []
        for number in 0..<50 {
            // Every seventh divides by zero.
            let asked = questions.ask("SELECT $1::int / ($2::int % 7)", ["\(number)", "\(number)"]) { result in
                switch result {
                case .success(let rows): answers.append("\(rows.integer(0, 0) ?? -1)")
                case .failure(let error): answers.append(error.sqlState)
                }
            }
            #expect(asked)
        }
        #expect(answers.isEmpty, "no answer from inside the question")
        turning.until("all are answered") { answers.count == 50 }
        #expect(answers == (0..<50).map { $0 % 7 == 0 ? "22012" : "\($0 / ($0 % 7))" })
        #expect(changes == [true])
        #expect(questions.queued == 0)
        turning.end(questions)
    }

    @Test func `an answer may ask the next question, and large answers come whole`() throws {
        let turning = Turning()
        let questions = try PostgresQuestions(
            loop: turning.loop, address: PostgresAddress(SharedPostgres.server.get().url()))
        var lengths: [Int] = []
        func askNext() {
            _ = questions.ask("SELECT repeat($1, 3000000)", ["x"]) { result in
                lengths.append((try? result.get().text(0, 0)?.utf8.count) ?? -1)
                if lengths.count < 3 { askNext() }
            }
        }
        askNext()
        turning.until("three answers came") { lengths.count == 3 }
        #expect(lengths == [3_000_000, 3_000_000, 3_000_000])
        turning.end(questions)
    }

    @Test func `a slow question is given up at its deadline, ended in the server, and the next one is answered`() throws
    {
        let fixture = try HistoryFixture()
        let turning = Turning()
        let questions = try PostgresQuestions(loop: turning.loop, address: PostgresAddress(fixture.url))
        turning.until("it connects") { questions.isConnected }
        var refusal: PostgresError?
        var answer: Int64?
        _ = questions.ask("SELECT pg_sleep(600)", deadlineMilliseconds: 50) { result in
            if case .failure(let error) = result { refusal = error }
        }
        _ = questions.ask("SELECT 5", deadlineMilliseconds: 20_000) { answer = try? $0.get().integer(0, 0) }
        turning.until("both are done") { refusal != nil && answer != nil }
        #expect(refusal?.kind == .interrupted)
        #expect(answer == 5)
        try eventually("the server gives the statement up") {
            try fixture.number(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%' AND state = 'active'")
                == 0
        }
        turning.end(questions)
    }

    @Test func `a server that comes late, goes and returns is found again by itself`() throws {
        let server = try LocalPostgres.start()
        defer { server.remove() }
        let url = server.url()
        server.stop()
        let turning = Turning()
        let questions = try PostgresQuestions(loop: turning.loop, address: PostgresAddress(url))
        var refused: PostgresError?
        _ = questions.ask("SELECT 1", deadlineMilliseconds: 100) { result in
            if case .failure(let error) = result { refused = error }
        }
        turning.until("the question is given up") { refused != nil }
        #expect(refused?.kind == .interrupted)
        #expect(questions.lastError?.kind == .connection)
        var answer: Int64?
        _ = questions.ask("SELECT 7", deadlineMilliseconds: 60_000) { answer = try? $0.get().integer(0, 0) }
        try server.start()
        turning.until("what waited is answered") { answer == 7 }
        var lost: PostgresError?
        _ = questions.ask("SELECT pg_sleep(600)", deadlineMilliseconds: 60_000) { result in
            if case .failure(let error) = result { lost = error }
        }
        server.kill()
        turning.until("the loss is reported") { lost != nil && !questions.isConnected }
        try server.start()
        turning.until("it is connected again") { questions.isConnected }
        #expect(questions.lastError == nil)
        turning.end(questions)
    }

    @Test func `a frozen server costs the loop nothing but the deadline`() throws {
        let server = try LocalPostgres.start()
        defer { server.remove() }
        let turning = Turning()
        let questions = try PostgresQuestions(loop: turning.loop, address: PostgresAddress(server.url()))
        turning.until("it connects") { questions.isConnected }
        server.freeze()
        var refusals = 0
        for _ in 0..<3 {
            _ = questions.ask("SELECT 1", deadlineMilliseconds: 100) { if case .failure = $0 { refusals += 1 } }
        }
        turning.until("all are given up") { refusals == 3 }
        #expect(!questions.isConnected)
        turning.end(questions)
        server.thaw()
    }

    @Test func `a full queue refuses, and closing answers what is left`() throws {
        let turning = Turning()
        let questions = try PostgresQuestions(
            loop: turning.loop, address: PostgresAddress("host=/nonexistent"))
        var answered = 0
        for _ in 0..<PostgresQuestions.queueLimit { #expect(questions.ask("SELECT 1") { _ in answered += 1 }) }
        #expect(!questions.ask("SELECT 1") { _ in Issue.record("a refused question has no answer") })
        #expect(answered == 0)
        turning.end(questions)
        #expect(answered == PostgresQuestions.queueLimit)
        #expect(!questions.ask("SELECT 1") { _ in })
        let large = try PostgresQuestions(loop: turning.loop, address: PostgresAddress("host=/nonexistent"))
        let half = String(repeating: "x", count: PostgresQuestions.queueLimitBytes / 2)
        #expect(large.ask("SELECT 1", [half]) { _ in })
        #expect(!large.ask("SELECT 1", [half]) { _ in })
        turning.end(large)
    }
}
