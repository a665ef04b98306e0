/// The order of the scenarios, how long each will take, and what one hands to the next.
import Glibc

final class Bench {
    private let stage: Stage
    private let report: Report
    private let options: RunOptions
    /// Empty is all but `instructions`, which takes valgrind.
    private let only: [String]
    /// Where callgrind's files are kept.
    private let keep: String?
    // What the half-load run is derived from, measured before it; the first values stand where it runs alone.
    private var ping = 25.0
    private var delivery = 10.0
    private var sendFloor: Double?

    /// Scenarios by name, as `--only` takes them.
    static let names = [
        "memory", "allocations", "instructions", "selftest", "ingest", "fanout", "wall", "half", "redis", "history",
        "curves", "peers",
    ]

    init(stage: Stage, report: Report, options: RunOptions, only: [String], keep: String?) {
        self.stage = stage
        self.report = report
        self.options = options
        self.only = only
        self.keep = keep
    }

    func run() throws { try schedule().run(report) }

    private func schedule() -> Schedule {
        var schedule = Schedule()
        // A run with what comes before and behind it.
        let run = options.warmUp + options.seconds + 0.7
        let turns = Turns.plannedSeconds(options)
        // Of a goal that is missed; planned for all that may need one.
        let profile = PerfProfile.isAvailable ? Explanation.seconds + 4 : 0
        addFresh(to: &schedule, run)
        if only == ["instructions"] { return schedule }
        schedule.add("the gateway's start", seconds: 1) { try self.stage.startGateway() }
        if wants("selftest") {
            schedule.add("self-test", seconds: 6) {
                try HonestyScenario(stage: self.stage, report: self.report, options: self.options).run()
            }
        }
        if wants("ingest") || wants("half") {
            schedule.add("ingest", seconds: 3 * turns + 2 * profile) {
                self.ping = try IngestScenario(stage: self.stage, report: self.report, options: self.options).run()
            }
        }
        addFanout(to: &schedule, run, profile)
        addStores(to: &schedule, run, profile)
        if wants("curves") {
            schedule.add("curves", seconds: CurvesScenario.plannedSeconds(options)) {
                try CurvesScenario(stage: self.stage, report: self.report, options: self.options).run()
            }
        }
        if wants("peers") {
            schedule.add("peers", seconds: PeersScenario.plannedSeconds + 2 * profile) {
                try PeersScenario(stage: self.stage, report: self.report, options: self.options).run()
                let fanout = FanoutScenario(stage: self.stage, report: self.report, options: self.options)
                try fanout.explain(["fanout.nchan", "fanout.nats"])
                try IngestScenario(stage: self.stage, report: self.report, options: self.options)
                    .explain("peer.fastapi")
            }
        }
        return schedule
    }

    /// What needs a gateway of its own. Memory first: what others have used and freed would hide a viewer's.
    private func addFresh(to schedule: inout Schedule, _ run: Double) {
        if wants("memory") {
            schedule.add("memory of idle viewers", seconds: 8 + Double(options.idleViewers) / 3_000) {
                try self.stage.startGateway()
                try MemoryScenario(stage: self.stage, report: self.report, options: self.options).run()
            }
        }
        if wants("allocations") {
            schedule.add("allocations", seconds: 4 * run + options.seconds / 6 * 14 + 2) {
                try AllocationScenario(stage: self.stage, report: self.report, options: self.options).run()
            }
        }
        if only.contains("instructions") {
            schedule.add("instructions", seconds: 2 * run + 40) {
                let scenario = InstructionScenario(
                    stage: self.stage, report: self.report, options: self.options, keep: self.keep)
                try scenario.run()
            }
        }
    }

    private func addFanout(to schedule: inout Schedule, _ run: Double, _ profile: Double) {
        let fanout = FanoutScenario(stage: stage, report: report, options: options)
        if wants("fanout") || wants("half") || wants("wall") {
            schedule.add("fan-out", seconds: 4 * Turns.plannedSeconds(options) + profile) {
                let costs = try fanout.one()
                self.delivery = costs.microsecondsPerDelivery
                self.sendFloor = costs.floor
            }
        }
        if wants("wall") {
            schedule.add("fifty drivers a viewer", seconds: 2 * run + profile) {
                if let sendFloor = self.sendFloor { try fanout.wall(sendFloor: sendFloor) }
            }
        }
        if wants("half") {
            schedule.add("half load", seconds: run + profile) {
                try fanout.halfLoad(microsecondsPerPing: self.ping, microsecondsPerDelivery: self.delivery)
            }
        }
    }

    private func addStores(to schedule: inout Schedule, _ run: Double, _ profile: Double) {
        let stores = StoresScenario(stage: stage, report: report, options: options)
        if wants("redis") {
            schedule.add("Redis", seconds: 3 * run + 3 + 2 * profile) { try stores.redis() }
        }
        guard wants("history") else { return }
        if !wants("ingest"), !wants("half") {
            schedule.add("rows for the floor of history", seconds: 3 * Turns.plannedSeconds(options) + 2 * profile) {
                _ = try IngestScenario(stage: self.stage, report: self.report, options: self.options).run()
            }
        }
        schedule.add("history", seconds: 15 + Double(options.backlog) / 20_000) {
            try self.stage.awaitHistory()
            self.report.progress("the floor of history …")
            let floor = try CopyFloor.measure(
                self.stage.postgres, database: Stage.database, limit: self.options.backlog)
            self.report.add("history", "psql COPY, Postgres CPU a row", "µs", floor.microsecondsPerRow)
            try stores.backlog(copyFloor: floor)
        }
    }

    private func wants(_ name: String) -> Bool { only.isEmpty ? name != "instructions" : only.contains(name) }
}
