/// The order of the scenarios, and what one hands to the next.
import Glibc

struct Bench {
    let stage: Stage
    let report: Report
    let options: RunOptions
    /// Empty is all but `instructions`, which takes valgrind.
    let only: [String]
    /// Where callgrind's files are kept.
    let keep: String?

    func run() throws {
        // First, and on a gateway of its own: memory that others have used and freed would hide a viewer's.
        if wants("memory") {
            try stage.startGateway()
            try MemoryScenario(stage: stage, report: report, options: options).run()
        }
        if wants("allocations") {
            try AllocationScenario(stage: stage, report: report, options: options).run()
        }
        if only.contains("instructions") {
            try InstructionScenario(stage: stage, report: report, options: options, keep: keep).run()
            if only.count == 1 { return }
        }
        try stage.startGateway()
        if wants("selftest") { try HonestyScenario(stage: stage, report: report, options: options).run() }
        var ping = 25.0
        var delivery = 10.0
        var sendFloor: Double?
        if wants("ingest") || wants("half") {
            let began = time(nil)
            ping = try IngestScenario(stage: stage, report: report, options: options).run().microsecondsPerPing
            try StoresScenario(stage: stage, report: report, options: options).rowLag(since: Int64(began))
        }
        let fanout = FanoutScenario(stage: stage, report: report, options: options)
        if wants("fanout") || wants("half") || wants("wall") {
            let costs = try fanout.one()
            delivery = costs.microsecondsPerDelivery
            sendFloor = costs.floor
        }
        if wants("wall"), let sendFloor { try fanout.wall(sendFloor: sendFloor) }
        if wants("half") { try fanout.halfLoad(microsecondsPerPing: ping, microsecondsPerDelivery: delivery) }
        let stores = StoresScenario(stage: stage, report: report, options: options)
        if wants("redis") { try stores.redis() }
        if wants("history") {
            if !wants("ingest"), !wants("half") {
                _ = try IngestScenario(stage: stage, report: report, options: options).run()
            }
            try stage.awaitHistory()
            report.progress("the floor of history …")
            let floor = try CopyFloor.measure(stage.postgres, database: Stage.database, limit: options.backlog)
            report.add("history", "psql COPY, Postgres CPU a row", "µs", floor.microsecondsPerRow)
            try stores.backlog(copyFloor: floor)
        }
        if only.isEmpty {
            report.note(
                "goals not measured by this harness yet: nchan, NATS, FastAPI (peers), cost as it grows (scale curves)")
        }
    }

    private func wants(_ name: String) -> Bool { only.isEmpty || only.contains(name) }
}
