/// Tables as plain text: the goals first, then every detail, then how each run went.
import Glibc

struct ReportTables {
    let records: [Record]
    /// Whether goals that were not measured have a line too.
    let isWhole: Bool

    var text: String {
        var text = goals
        let details = figures.filter { $0.goal == nil }
        if !details.isEmpty {
            text += "\n"
            text += Self.table(
                ["detail", "measured", "floor", "ratio", ""],
                details.map {
                    [
                        "\($0.scenario): \($0.what)", $0.measuredText, $0.floorText, $0.ratioText,
                        $0.isVoid ? "void" : "",
                    ]
                })
        }
        if !runs.isEmpty {
            text += "\n"
            text += Self.table(
                [
                    "run", "pings/s", "deliveries/s", "server CPU s", "by thread", "user", "Redis s", "Postgres s",
                    "generator", "lag p99 ms", "others, cores",
                ], runs.map(Self.row))
        }
        for case .note(let note) in records { text += "\nnote: \(note)" }
        return text + "\n"
    }

    private var figures: [Figure] {
        records.compactMap { if case .figure(let figure) = $0 { figure } else { nil } }
    }

    private var runs: [RunRecord] {
        records.compactMap { if case .run(let run) = $0 { run } else { nil } }
    }

    /// A line a goal; a missed one is followed by where its time goes and what would be next.
    private var goals: String {
        let lines = GoalLine.all(of: records, isWhole: isWhole)
        guard !lines.isEmpty else { return "" }
        let table = Self.table(
            ["goal", "limit", "measured", "floor", "ratio", "reached"],
            lines.map { [$0.goal.text, $0.limit, $0.measured, $0.floor, $0.ratio, $0.verdict] })
        var text = ""
        for (index, row) in table.split(separator: "\n").enumerated() {
            text += row + "\n"
            guard index > 0 else { continue }
            for remark in lines[index - 1].remarks { text += "    \(remark)\n" }
        }
        return text
    }

    private static func row(_ run: RunRecord) -> [String] {
        let lag = run.histograms.first { $0.name == "lag" }
        let index = lag?.percentiles.firstIndex(of: 99)
        return [
            run.name, decimals(Double(run.pings) / run.seconds, 0), decimals(Double(run.deliveries) / run.seconds, 0),
            decimals(run.serverCPUSeconds, 2), run.threadCPUSeconds.map { decimals($0, 2) }.joined(separator: " + "),
            decimals(run.serverUserShare * 100, 0) + " %", decimals(run.redisCPUSeconds, 2),
            decimals(run.postgresCPUSeconds, 2), decimals(run.generatorShare * 100, 0) + " %",
            index.flatMap { index in lag.map { decimals($0.milliseconds[index], 1) } } ?? "",
            decimals(run.otherCores, 1),
        ]
    }

    static func table(_ header: [String], _ rows: [[String]]) -> String {
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        var text = ""
        for row in [header] + rows {
            let cells = row.enumerated().map { column, text in
                let space = String(repeating: " ", count: widths[column] - text.count)
                return column == 0 ? text + space : space + text
            }
            text += cells.joined(separator: "  ") + "\n"
        }
        return text
    }
}

/// One goal beside what was measured: what both the terminal's table and README's are made of.
struct GoalLine {
    let goal: Goal
    let figure: Figure?
    let profile: ProfileRecord?
    let curve: Curve?

    /// In the order of `Goals`; those without a figure only where `isWhole`.
    static func all(of records: [Record], isWhole: Bool) -> [GoalLine] {
        Goals.all.compactMap { goal in
            var line = (figure: Figure?.none, profile: ProfileRecord?.none, curve: Curve?.none)
            for record in records {
                switch record {
                case .figure(let figure) where figure.goal == goal.id: line.figure = figure
                case .profile(let profile) where profile.goals.contains(goal.id): line.profile = profile
                case .curve(let curve) where curve.goal == goal.id: line.curve = curve
                default: break
                }
            }
            guard line.figure != nil || isWhole else { return nil }
            return GoalLine(goal: goal, figure: line.figure, profile: line.profile, curve: line.curve)
        }
    }

    var limit: String { goal.limitText(unit: figure?.unit ?? "") }
    var measured: String { figure?.measuredText ?? "not measured" }
    var floor: String { figure?.floorText ?? "" }
    /// Where a peer must cost more, how many times more it does.
    var ratio: String {
        if case .timesLess = goal.limit, let figure, let floor = figure.floor, figure.measured > 0 {
            return decimals(floor / figure.measured, 1) + " × less"
        }
        return figure?.ratioText ?? ""
    }
    var verdict: String {
        guard let figure else { return "" }
        return (figure.isReached == true ? "yes" : "NO") + (figure.isVoid ? " (void)" : "")
    }
    /// Of a missed goal.
    var remarks: [String] {
        guard let figure, figure.isReached == false else { return [] }
        var remarks: [String] = []
        if let growth = curve?.floorGrowth {
            remarks.append(
                "the kernel's part: the bare floor's own cost grows \(decimals(growth, 2)) × over these sizes")
        }
        if let profile { remarks.append("where: \(profile.text)") }
        return remarks + ["next: \(goal.next)"]
    }
}
