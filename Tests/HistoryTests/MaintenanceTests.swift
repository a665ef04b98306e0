import EventLoop
import Logging
import PostgresClient
import Synchronization
import Testing

@testable import Gateway

/// Who does maintenance, and when.
struct MaintenanceTests {
    private let fixture: HistoryFixture
    private let configuration: Configuration

    init() throws {
        fixture = try HistoryFixture()
        var configuration = Configuration()
        configuration.postgresURL = fixture.url
        self.configuration = configuration
        try Migrations.migrate(fixture.connection(), schema: "public")
    }

    /// A job that counts its runs.
    private final class Counter: Sendable {
        private let count = Atomic<Int>(0)
        var runs: Int { count.load(ordering: .acquiring) }

        func job(_ name: String = "count", every milliseconds: Int64 = 5) -> MaintenanceJob {
            MaintenanceJob(name: name, interval: milliseconds * 1_000) { _ in
                self.count.wrappingAdd(1, ordering: .releasing)
                return false
            }
        }
    }

    private func start(_ jobs: [MaintenanceJob]) -> Maintenance {
        Maintenance(configuration, jobs, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func `one of several processes does the jobs, and another one when it ends`() throws {
        let (first, second) = (Counter(), Counter())
        let leader = start([first.job()])
        eventually("the first leads") { leader.counters.leads && first.runs > 0 }
        let follower = start([second.job()])
        let before = first.runs
        eventually("the first goes on") { first.runs > before + 20 }
        #expect(second.runs == 0)
        #expect(!follower.counters.leads)
        #expect(leader.stop())
        let after = first.runs
        eventually("the second takes over") { second.runs > 0 }
        #expect(first.runs == after)
        #expect(follower.stop())
    }

    @Test func `waking runs a job that is not due for long`() throws {
        let counter = Counter()
        let maintenance = start([counter.job(every: 3_600_000)])
        eventually("it runs once at the start") { counter.runs == 1 }
        maintenance.wake()
        eventually("it runs again") { counter.runs == 2 }
        #expect(maintenance.stop())
    }

    @Test func `a job that fails is counted with its reason, the others go on, and its next success clears it`() throws
    {
        struct Refusal: Error, CustomStringConvertible { let description = "the disk is full" }
        let counter = Counter()
        let maintenance = start([
            MaintenanceJob(name: "broken", interval: 5_000) { session in
                if try session.connection.query("SELECT 1 FROM api_keys").count == 0 { throw Refusal() }
                return false
            }, counter.job(),
        ])
        eventually("both run") {
            maintenance.counters.all.first { $0.name == "broken" }.map { $0.job.failures > 1 } ?? false
                && counter.runs > 1
        }
        #expect(maintenance.counters.all.first { $0.name == "broken" }?.job.error == "the disk is full")
        _ = try fixture.connection().query(
            "INSERT INTO api_keys (id, name, token_sha256) VALUES ('a', 'a', sha256('a'))")
        eventually("it is repaired") { maintenance.counters.all.first { $0.name == "broken" }?.job.error == nil }
        #expect(maintenance.stop())
    }

    @Test func `it ends in time while a job waits for Postgres`() throws {
        let maintenance = start([
            MaintenanceJob(name: "slow", interval: 1_000_000) { session in
                try session.connection.query("SELECT pg_sleep(599)")
                return false
            }
        ])
        try eventually("the job waits") {
            try fixture.number("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(599)'") == 1
        }
        let start = SystemClock.monotonicMicroseconds()
        #expect(maintenance.stop(withinMilliseconds: 2_000))
        #expect(SystemClock.monotonicMicroseconds() - start < 2_000_000)
    }

    @Test func `it begins when the schema is there`() throws {
        let fixture = try HistoryFixture()
        var configuration = configuration
        configuration.postgresURL = fixture.url
        let counter = Counter()
        let maintenance = Maintenance(
            configuration, [counter.job()], log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let writer = fixture.startWriter()
        eventually("it leads") { maintenance.counters.leads && counter.runs > 0 }
        #expect(maintenance.stop())
        #expect(writer.stop())
    }

    @Test func `a command works between two jobs, and is told who is in the way`() throws {
        let other = try configuration.connectDirectly()
        let mine = try fixture.connection()
        try MaintenanceLock.whileAlone(other, schema: "public", withinMilliseconds: 1_000) {
            let refusal = try #require(throws: PostgresError.self) {
                try MaintenanceLock.whileAlone(mine, schema: "public", withinMilliseconds: 50) {}
            }
            #expect(refusal.description.contains("maintenance is under way by drover (process "))
            let isFree = try MaintenanceLock.whileAlone(mine, schema: "other", withinMilliseconds: 50) { true }
            #expect(isFree)
        }
        #expect(try MaintenanceLock.whileAlone(mine, schema: "public", withinMilliseconds: 1_000) { true })
    }
}
