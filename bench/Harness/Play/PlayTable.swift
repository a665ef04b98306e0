/// A played scenario as text: latencies, counts, costs, and what has to be known beside them.

struct PlayTable {
    let result: PlayResult

    var text: String {
        var text = "\(result.scenario), \(decimals(result.seconds, 1)) s measured, \(result.target)\n\n"
        text += Self.table(["ms", "p50", "p90", "p99", "p99.9", "most", "count"], result.histograms.map(Self.row))
        text += "\n"
        var counts = [
            ["pings", "\(result.pings)", "\(decimals(result.pingsPerSecond, 0))/s"],
            ["deliveries", "\(result.deliveries)", "\(decimals(result.deliveriesPerSecond, 0))/s"],
        ]
        if result.backlogPings > 0 {
            let rate = Double(result.backlogPings) / max(0.001, result.disturbedSeconds)
            counts.append(["pings of backlogs", "\(result.backlogPings)", "\(decimals(rate, 0))/s"])
        }
        if result.disturbedSeconds > 0 {
            counts.append(["storm or flush", "\(decimals(result.disturbedSeconds, 1)) s", ""])
        }
        counts.append(["generator", "\(decimals(result.generatorShare * 100, 0)) % of its core", ""])
        text += Self.table(["", "count", "rate"], counts) + "\n"
        if !result.costs.isEmpty {
            text += Self.table(
                ["server", "CPU s", "cores", "µs a ping", "µs a delivery", "memory MB", "of it since the start"],
                result.costs.map { cost in
                    [
                        cost.server, decimals(cost.cpuSeconds, 2), decimals(cost.cpuSeconds / result.seconds, 2),
                        cost.microsecondsPerPing.map { decimals($0, 1) } ?? "",
                        cost.microsecondsPerDelivery.map { decimals($0, 1) } ?? "",
                        decimals(Double(cost.memoryBytes) / 1e6, 1),
                        decimals(Double(cost.memoryGrowthBytes) / 1e6, 1),
                    ]
                })
            text += "A ping's cost holds its deliveries', a delivery's holds its ping's.\n"
        }
        for note in result.notes { text += "\nnote: \(note)" }
        return text + (result.notes.isEmpty ? "" : "\n")
    }

    private static func row(_ histogram: HistogramRecord) -> [String] {
        let values = [50.0, 90, 99, 99.9, 100].map { level in
            histogram.percentiles.firstIndex(of: level).map { decimals(histogram.milliseconds[$0], 2) } ?? ""
        }
        return [histogram.name] + values + ["\(histogram.count)"]
    }

    private static func table(_ header: [String], _ rows: [[String]]) -> String {
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        return ([header] + rows).map { row in
            let cells = row.enumerated().map { column, text in
                let space = String(repeating: " ", count: widths[column] - text.count)
                return column == 0 ? text + space : space + text
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
