/// `drover-bench capacity`: how many cores, Redis primaries, Postgres servers, bytes and sockets a load takes, with the
/// arithmetic shown.
import ArgumentParser

/// Needs neither gateway nor stores: it reckons with what was measured.
struct Capacity: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plan for a load: cores, Redis primaries, Postgres, disk, network, and what breaks first.",
        discussion: """
            Costs are those of the README's figures, or of a record: bench/run --json FILE, bench/workers --json FILE. \
            They are of one core of the machine that they were measured on: measure on yours.
            """)

    @Option(help: "Drivers that report.") var drivers: Double?
    @Option(help: "Pings a second of each.") var hz = 1.0
    @Option(help: "Viewers, such as customers.") var viewers = 0.0
    @Option(help: "Drivers that each of them watches.") var watched = 1.0
    @Option(help: "Further viewers, such as dispatchers.") var dispatchers = 0.0
    @Option(help: "Drivers that each of those watches.") var dispatched = 500.0
    @Option(help: "Bytes of a driver's id.") var idBytes = 36.0
    @Option(help: "Days of history in Postgres.") var days = 30.0
    @Option(help: "Percent of each core, thread and server that is planned to be used.") var use = 50.0
    @Option(help: "Cores of a machine.") var cores = 8.0
    @Option(help: "Terabytes of a Postgres server's disk.") var diskTB = 10.0
    @Option(help: "Records to take costs from; of several, the later ones' count.") var record: [String] = []
    @Option(help: "One of the examples: \(Workload.examples.map(\.name).joined(separator: ", ")).")
    var example: String?
    @Flag(help: "Print the examples as a table in Markdown.") var table = false

    func validate() throws {
        guard table || example != nil || drivers != nil else {
            throw ValidationError("say how many: --drivers 5000 --hz 1 --viewers 2000, or --example city")
        }
        if let example, !Workload.examples.contains(where: { $0.name == example }) {
            throw ValidationError("no example is called \(example)")
        }
        let counts = [drivers ?? 1, viewers, watched, dispatchers, dispatched]
        guard counts.allSatisfy({ (0...1e10).contains($0) }), (drivers ?? 1) >= 1, (0.001...100).contains(hz),
            (1...64).contains(idBytes), (0...36_500).contains(days), (1...100).contains(use),
            (1...1_000).contains(cores),
            (0.1...10_000).contains(diskTB)
        else {
            throw ValidationError(
                "counts to 10,000,000,000, hz 0.001 to 100, id-bytes 1 to 64, use 1 to 100 %, cores 1 to 1000")
        }
    }

    func run() throws {
        let records = try record.flatMap { try RecordLines.read($0) }
        let costs = CapacityCosts(records, named: record.joined(separator: ", "))
        if table { return print(CapacityText.examples(costs), terminator: "") }
        print(CapacityText(plan: CapacityPlan(workload, costs)).text, terminator: "")
    }

    private var workload: Workload {
        if let example, let known = Workload.examples.first(where: { $0.name == example }) { return known.workload }
        var workload = Workload(drivers: drivers ?? 0, hertz: hz)
        for group in [
            ViewerGroup(viewers: viewers, watched: watched), ViewerGroup(viewers: dispatchers, watched: dispatched),
        ] where group.viewers > 0 { workload.groups.append(group) }
        workload.idBytes = idBytes
        workload.retentionDays = days
        workload.use = use / 100
        workload.coresPerMachine = cores
        workload.diskTB = diskTB
        return workload
    }
}
