/// Two runs side by side: which figures have become worse.
import FoundationEssentials

/// The figures of one run, kept to be compared with later ones.
struct Baseline: Codable, Equatable {
    var machine: Machine?
    var figures: [Figure]

    init(_ records: [Record]) {
        for case .machine(let machine) in records { self.machine = machine }
        figures = records.compactMap { if case .figure(let figure) = $0 { figure } else { nil } }
    }

    /// From a kept baseline, or from the JSON lines of a run.
    init(path: String) throws {
        if let kept = try? JSONDecoder().decode(Baseline.self, from: Data(ProcFile.read(path).utf8)) {
            self = kept
        } else {
            self.init(try RecordLines.read(path))
        }
        guard !figures.isEmpty else { throw BenchError("\(path) holds no figure to compare") }
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        try TextFile.write(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: path)
    }
}

struct Comparison {
    /// How much worse a figure may become before it counts, as a part of the old one.
    static let tolerance = 0.10

    struct Line: Equatable {
        var name: String
        /// Ratios to the floor where both runs have one, since those hold across machines; else the values.
        var old: Double
        var new: Double
        var unit: String
        var isHigherBetter: Bool

        /// The part by which it has grown; infinite where the old value was 0 and the new is not.
        var change: Double { old == 0 ? (new == 0 ? 0 : .infinity) : new / old - 1 }
        var isWorse: Bool { (isHigherBetter ? -change : change) > Comparison.tolerance + 1e-9 }
    }

    let lines: [Line]
    /// Figures that only one of the runs has.
    let unmatched: [String]

    init(old: Baseline, new: Baseline) {
        func name(_ figure: Figure) -> String { "\(figure.scenario): \(figure.what)" }
        let known = Dictionary(old.figures.map { (name($0), $0) }, uniquingKeysWith: { $1 })
        lines = new.figures.compactMap { figure in
            guard let before = known[name(figure)] else { return nil }
            let ratios = before.ratio.flatMap { old in figure.ratio.map { (old, $0) } }
            return Line(
                name: name(figure), old: ratios?.0 ?? before.measured, new: ratios?.1 ?? figure.measured,
                unit: ratios == nil ? figure.unit : "× floor", isHigherBetter: figure.isMoreBetter)
        }
        let fresh = Set(new.figures.map(name))
        unmatched =
            old.figures.map(name).filter { !fresh.contains($0) }.map { "\($0): not in the new run" }
            + new.figures.map(name).filter { known[$0] == nil }.map { "\($0): not in the old run" }
    }

    var worse: [Line] { lines.filter(\.isWorse) }

    var text: String {
        var text = ReportTables.table(
            ["figure", "old", "new", "change", ""],
            lines.map { line in
                let sign = line.change > 0 ? "+" : ""
                let change = line.change.isFinite ? sign + decimals(line.change * 100, 1) + " %" : "from nothing"
                return [
                    line.name, Self.number(line.old, line.unit), Self.number(line.new, line.unit), change,
                    line.isWorse ? "WORSE" : "",
                ]
            })
        for line in unmatched { text += "note: \(line)\n" }
        return text
    }

    private static func number(_ value: Double, _ unit: String) -> String {
        grouped(decimals(value, abs(value) < 100 ? 2 : 0)) + (unit.isEmpty ? "" : " \(unit)")
    }
}

extension Figure {
    /// Whether it is better the more it is: by its goal, where it has one.
    fileprivate var isMoreBetter: Bool {
        switch goal.flatMap(Goals.named)?.limit {
        case .leastRatio, .leastValue: true
        case .ratio, .timesLess, .value, nil: isHigherBetter
        }
    }
}
