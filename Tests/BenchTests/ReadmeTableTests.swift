/// README's table of figures, from the records of a run.
import Glibc
import LocalServers
import Testing

@testable import drover_bench

@Suite struct ReadmeTableTests {
    private static let records: [Record] = [
        .machine(
            Machine(
                cores: 2, processor: "AMD EPYC", kernel: "Linux 6.18", memoryGB: 25.3, date: "2026-11-21",
                time: "10:45:03", revision: "abc1234", command: "bench/run --readme README.md")),
        .figure(figure("ingest.ten", "µs", 6.5, floor: 17.7)),
        .figure(figure("ingest.one", "µs", 23.1, floor: 17.7)),
        .profile(
            ProfileRecord(
                goals: ["ingest.ten"], of: "the gateway's CPU",
                parts: [.init(name: "kernel send", share: 0.25), .init(name: "libuv", share: 0.01)])),
        .figure(Figure(scenario: "ingest", what: "a detail", unit: "µs", measured: 1)),
    ]

    private static func figure(_ goal: String, _ unit: String, _ measured: Double, floor: Double?) -> Figure {
        Figure(scenario: goal, what: goal, unit: unit, measured: measured, floor: floor, goal: goal)
    }

    @Test func `the table has a line a goal, in the design's order, and none for a detail`() throws {
        let lines = ReadmeTable(records: Self.records).text.split(separator: "\n").filter { $0.hasPrefix("| ") }
        #expect(lines.count == 4)
        #expect(
            lines[2] == """
                | ingest, one ping and one acknowledgement a frame: gateway CPU a ping | ≤ 1.35 × (receive + send) | \
                23.1 µs | 17.7 µs | 1.31 × | reached |
                """)
        #expect(lines[3].hasSuffix("| 6.50 µs | 17.7 µs | 0.37 × | not yet |"))
    }

    @Test func `a missed goal says where its time goes and what is next, a reached one nothing`() {
        let remarks = ReadmeTable(records: Self.records).text.split(separator: "\n").filter { $0.hasPrefix("- ") }
        #expect(remarks.count == 1)
        #expect(
            remarks[0].hasPrefix(
                "- ingest, ten pings a frame: gateway CPU a ping: where: of the gateway's CPU: kernel send 25 %; next: "
            ))
        // What is under 2 % is left out.
        #expect(!remarks[0].contains("libuv"))
    }

    @Test func `a curve is a line with every point, and a peer one with its figures beside Drover's`() {
        let records: [Record] = [
            .curve(
                Curve(
                    name: "CPU a ping over drivers", over: "drivers", unit: "µs", goal: "scale.drivers",
                    points: [.init(x: 1_000, y: 20), .init(x: 100_000, y: 24)],
                    floor: [.init(x: 1_000, y: 18), .init(x: 15_000, y: 19.8)])),
            .figure(
                Figure(
                    scenario: "beside NATS", what: "CPU a ping at 5000/s; it passes on", unit: "µs", measured: 30,
                    floor: 61.25)),
            .figure(
                Figure(scenario: "beside NATS", what: "CPU a delivery at 20000/s", unit: "µs", measured: 6, floor: 15)),
        ]
        let lines = ReadmeDetails(records: records).text.split(separator: "\n")
        #expect(
            lines.contains(
                "| CPU a ping over drivers | drivers | 1,000: 20.0 · 100,000: 24.0 µs | 1.20 × | 1.10 × |"))
        #expect(lines.last == "| NATS: passes on | 61.3 / 30.0 µs | 15.0 / 6.00 µs |  |  |  |")
        #expect(ReadmeDetails(records: []).text.isEmpty)
    }

    @Test func `the heading names the command, the machine and the date`() {
        let text = ReadmeTable(records: Self.records).text
        #expect(
            text.hasPrefix(
                """
                Taken on 2026-11-21 by `bench/run --readme README.md` at revision abc1234: 2 cores (AMD EPYC), 25 GB, \
                Linux 6.18.
                """))
    }

    @Test func `only what stands between the markers changes, and twice is the same as once`() throws {
        let table = ReadmeTable(records: Self.records)
        let document = "before\n\(ReadmeTable.begin)\nold figures\n\(ReadmeTable.end)\nbehind\n"
        let once = try table.inserted(into: document)
        #expect(once.hasPrefix("before\n\(ReadmeTable.begin)\nTaken on"))
        #expect(once.hasSuffix("\n\(ReadmeTable.end)\nbehind\n"))
        #expect(!once.contains("old figures"))
        #expect(try table.inserted(into: once) == once)
    }

    @Test(arguments: ["no marker", ReadmeTable.begin, ReadmeTable.end + ReadmeTable.begin])
    func `a document without both markers in order is refused`(document: String) {
        #expect(throws: BenchError.self) { try ReadmeTable(records: []).inserted(into: document) }
    }

    @Test func `a run's lines on disk give the same table as the run itself`() throws {
        let directory = try TemporaryDirectory(prefix: "drover-bench-test")
        defer { directory.remove() }
        let lines = "\(directory.path)/figures.jsonl"
        let readme = "\(directory.path)/README.md"
        try TextFile.write(try Self.records.map(RecordLines.line).joined(), to: lines)
        try TextFile.write("\(ReadmeTable.begin)\n\(ReadmeTable.end)\n", to: readme)
        #expect(try RecordLines.read(lines) == Self.records)
        try ReadmeTable(records: RecordLines.read(lines)).write(to: readme)
        let text = ReadmeTable(records: Self.records).text
        #expect(ProcFile.read(readme) == "\(ReadmeTable.begin)\n\(text)\(ReadmeTable.end)\n")
    }

    @Test func `a figure's line also tells limit, ratio and verdict to readers that do not know the goals`() throws {
        let line = try RecordLines.line(.figure(Self.figure("ingest.ten", "µs", 6, floor: 12)))
        #expect(line.contains("\"kind\":\"figure\""))
        #expect(line.contains("\"ratio\":0.5"))
        #expect(line.contains("\"reached\":false"))
        #expect(line.contains("\"limit\":\"≤ 0.30 × (receive + send)\""))
    }

    @Test func `a curve that is not flat says how much of it is the kernel's`() {
        let curve = Curve(
            name: "", over: "viewers", unit: "µs", goal: "scale.viewers", points: [],
            floor: [Curve.Point(x: 1_000, y: 4), Curve.Point(x: 15_000, y: 8)])
        let records: [Record] = [.curve(curve), .figure(Self.figure("scale.viewers", "µs", 9, floor: 6))]
        #expect(ReadmeTable(records: records).text.contains("the bare floor's own cost grows 2.00 × over these sizes"))
    }

    @Test(arguments: [
        (["--seconds", "10"], "bench/run --seconds 10"), (["--json", "a", "--only", "half"], "bench/run --only half"),
        (["--readme=README.md", "--charts", "--json"], "bench/run"), ([], "bench/run"),
    ])
    func `the command is told without where its output went`(arguments: [String], command: String) {
        #expect(Machine.command(arguments) == command)
    }

    @Test func `every goal has an id of its own and says what would be next`() {
        #expect(Set(Goals.all.map(\.id)).count == Goals.all.count)
        for goal in Goals.all {
            #expect(!goal.next.isEmpty && !goal.source.isEmpty)
        }
    }

    @Test(arguments: [("peer.fastapi", 20.0, 399.0, false), ("peer.fastapi", 20.0, 401.0, true)])
    func `a peer that has to cost more is reached by how many times more it costs`(
        goal: String, measured: Double, peer: Double, isReached: Bool
    ) {
        #expect(Self.figure(goal, "µs", measured, floor: peer).isReached == isReached)
    }
}
