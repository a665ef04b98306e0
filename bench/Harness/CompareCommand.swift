/// `drover-bench compare`: has anything become worse?
import ArgumentParser

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare two runs, or a fresh count of instructions with the kept baseline.",
        discussion: """
            With two files (a baseline, or the lines of bench/run --json) it compares those. Without, it counts \
            instructions under valgrind, which do not depend on clock speed or neighbours, and compares them with \
            the kept ones. It fails when a figure is more than 10 % worse.
            """)

    @Argument(help: "The older file and the newer one; neither to measure now.") var files: [String] = []
    @Option(help: "The kept baseline.") var baseline = "bench/baselines/instructions.json"
    @Flag(help: "Keep what is measured now as the new baseline.") var accept = false
    @Option(help: "Seconds counted in each run.") var seconds = 6.0
    @Option(help: "The core of the gateway.") var serverCore = 0

    func validate() throws {
        guard files.isEmpty || files.count == 2 else { throw ValidationError("name both files, or neither") }
        guard files.isEmpty || !accept else {
            throw ValidationError("--accept keeps what is measured now; it takes no files")
        }
        guard (1.0...600).contains(seconds) else { throw ValidationError("seconds are 1 to 600") }
    }

    func run() throws {
        if files.count == 2 {
            return try judge(old: Baseline(path: files[0]), new: Baseline(path: files[1]))
        }
        let kept = accept ? nil : try Baseline(path: baseline)
        let new = try measured()
        guard let kept else {
            try new.write(to: baseline)
            return print("\(baseline) holds the new numbers; commit it with what changed them")
        }
        try judge(old: kept, new: new)
    }

    private func judge(old: Baseline, new: Baseline) throws {
        let comparison = Comparison(old: old, new: new)
        print(comparison.text, terminator: "")
        guard !comparison.lines.isEmpty else { throw BenchError("the two have no figure in common") }
        guard comparison.worse.isEmpty else {
            if files.isEmpty { print("Where that is meant, keep the new numbers: bench/compare --accept") }
            throw ExitCode.failure
        }
    }

    private func measured() throws -> Baseline {
        var options = RunOptions()
        options.seconds = seconds
        let report = try Report(path: nil, machine: .present(command: "bench/compare"))
        let stage = try Stage(serverCore: serverCore)
        defer { stage.close() }
        try Bench(stage: stage, report: report, options: options, only: ["instructions"], keep: nil).run()
        return Baseline(report.records)
    }
}

/// `drover-bench readme`: the figures of a run into README.
struct Readme: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Rewrite README's table of figures from the JSON lines of a run.",
        discussion: "The part between \(ReadmeTable.begin) and \(ReadmeTable.end) is replaced.")

    @Argument(help: "The lines that bench/run --json wrote.") var figures: String
    @Argument(help: "The file with the markers.") var readme = "README.md"

    func run() throws { try ReadmeTable(records: RecordLines.read(figures)).write(to: readme) }
}

/// `drover-bench charts`: the charts of a run, drawn again.
struct DrawCharts: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "charts", abstract: "Draw the charts of a run from its JSON lines.")

    @Argument(help: "The lines that bench/run --json wrote.") var figures: String
    @Argument(help: "Where the SVG files go.") var directory: String

    func run() throws {
        for path in try Charts(records: RecordLines.read(figures)).write(to: directory) { print(path) }
    }
}
