/// Two runs side by side.
import LocalServers
import Testing

@testable import drover_bench

@Suite struct ComparisonTests {
    private static func baseline(_ figures: Figure...) -> Baseline { Baseline(figures.map { .figure($0) }) }

    private static func figure(
        _ what: String, _ measured: Double, floor: Double? = nil, goal: String? = nil, isHigherBetter: Bool = false
    ) -> Figure {
        Figure(
            scenario: "instructions", what: what, unit: "", measured: measured, floor: floor, goal: goal,
            isHigherBetter: isHigherBetter)
    }

    @Test(arguments: [(100.0, 110.0, false), (100, 111, true), (100, 50, false), (0, 0, false), (0, 1, true)])
    func `more than a tenth above the old value is worse`(old: Double, new: Double, isWorse: Bool) {
        let comparison = Comparison(
            old: Self.baseline(Self.figure("a ping", old)), new: Self.baseline(Self.figure("a ping", new)))
        #expect(comparison.worse.isEmpty == !isWorse)
        #expect(comparison.text.contains("WORSE") == isWorse)
    }

    @Test func `where more is better, less is worse`() {
        let comparison = Comparison(
            old: Self.baseline(
                Self.figure("rows", 100, isHigherBetter: true), Self.figure("drain", 100, goal: "recovery")),
            new: Self.baseline(
                Self.figure("rows", 80, isHigherBetter: true), Self.figure("drain", 80, goal: "recovery")))
        #expect(comparison.worse.map(\.name) == ["instructions: rows", "instructions: drain"])
    }

    @Test func `ratios to the floor are compared where both have one, since machines differ in speed`() {
        let comparison = Comparison(
            old: Self.baseline(Self.figure("a ping", 20, floor: 10)),
            new: Self.baseline(Self.figure("a ping", 40, floor: 20)))
        #expect(comparison.lines.map(\.change) == [0])
    }

    @Test func `a figure that only one run has is named`() {
        let comparison = Comparison(
            old: Self.baseline(Self.figure("gone", 1)), new: Self.baseline(Self.figure("fresh", 1)))
        #expect(comparison.lines.isEmpty)
        #expect(
            comparison.unmatched == [
                "instructions: gone: not in the new run", "instructions: fresh: not in the old run",
            ])
    }

    @Test func `a baseline comes back from its file, and from a run's lines`() throws {
        let directory = try TemporaryDirectory(prefix: "drover-bench-test")
        defer { directory.remove() }
        let kept = Self.baseline(Self.figure("a ping", 42_553, floor: 2))
        try kept.write(to: "\(directory.path)/kept.json")
        #expect(try Baseline(path: "\(directory.path)/kept.json") == kept)
        let lines = try kept.figures.map { try RecordLines.line(.figure($0)) }.joined()
        try TextFile.write(lines, to: "\(directory.path)/run.jsonl")
        #expect(try Baseline(path: "\(directory.path)/run.jsonl") == kept)
    }

    @Test(arguments: ["", "{}\n", "not JSON\n"])
    func `a file without figures is refused, not taken for no change`(text: String) throws {
        let directory = try TemporaryDirectory(prefix: "drover-bench-test")
        defer { directory.remove() }
        try TextFile.write(text, to: "\(directory.path)/figures")
        #expect(throws: BenchError.self) { try Baseline(path: "\(directory.path)/figures") }
    }

    @Test func `the kept baseline of instructions can be read`() throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let kept = try Baseline(path: "\(root)/bench/baselines/instructions.json")
        #expect(kept.figures.map(\.scenario) == Array(repeating: "instructions", count: 3))
    }
}
