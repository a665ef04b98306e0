/// Which charts a run has: latency by percentile for each run with a histogram, cost over size for each curve.
import Glibc

struct Charts {
    let records: [Record]

    /// Writes them into `directory`, which is made where it is not there, and returns their names.
    func write(to directory: String) throws -> [String] {
        guard mkdir(directory, 0o755) == 0 || errno == EEXIST else {
            throw BenchError("cannot make \(directory): \(Socket.reason())")
        }
        return try all.map { name, chart in
            let path = "\(directory)/\(name).svg"
            try TextFile.write(chart.svg, to: path)
            return path
        }
    }

    var all: [(name: String, chart: Chart)] {
        records.compactMap { record in
            switch record {
            case .curve(let curve): ("curve-\(Self.fileName(curve.name))", Self.cost(curve))
            case .run(let run): Self.latency(run).map { ("latency-\(Self.fileName(run.name))", $0) }
            default: nil
            }
        }
    }

    private static func cost(_ curve: Curve) -> Chart {
        var chart = Chart(
            title: curve.name, xLabel: curve.over, yLabel: "\(curve.unit) of CPU",
            xScale: nil, yScale: .linear, series: [Chart.Series(name: "gateway", points: curve.points)])
        if curve.goal != nil, let first = curve.points.first {
            chart.level = (first.y * Goals.flat, "flat: at most \(decimals(Goals.flat, 2)) × the first point")
        }
        if curve.goal != nil, let growth = curve.growth {
            chart.remark = "costliest point beside the first: \(decimals(growth, 2)) ×"
            if let growth = curve.floorGrowth { chart.remark += "; the floor's: \(decimals(growth, 2)) ×" }
        } else if let first = curve.points.first, let last = curve.points.last, first.y > 0 {
            chart.remark = "the last point costs \(decimals(last.y / first.y, 2)) × the first"
        }
        if !curve.floor.isEmpty { chart.series.append(Chart.Series(name: "bare floor", points: curve.floor)) }
        return chart
    }

    /// Nil for a run in which nobody was answered.
    private static func latency(_ run: RunRecord) -> Chart? {
        func rate(_ count: Int) -> String { grouped(decimals(Double(count) / max(run.seconds, 0.001), 0)) }
        let deliveries = run.deliveries > 0 ? " and \(rate(run.deliveries)) deliveries" : ""
        return latency(
            of: run.histograms, title: "Latency: \(run.name)",
            remark: "\(rate(run.pings)) pings\(deliveries) a second; from the intended time of each ping")
    }

    /// Latency by percentile, a line a histogram. Nil where none has counted enough.
    static func latency(of histograms: [HistogramRecord], title: String, remark: String) -> Chart? {
        let names = ["ack": "ping to acknowledgement", "viewer": "ping to viewer", "row": "ping to row in Postgres"]
        // The generator's own delay is nobody's latency.
        let generator: Set = ["lag", "generator late"]
        let series = histograms.compactMap { histogram -> Chart.Series? in
            let name = names[histogram.name] ?? histogram.name
            guard !generator.contains(name), histogram.count > 0 else { return nil }
            // Beyond one in `count` there is nothing but the largest value.
            let end = 100 - 100 / Double(histogram.count)
            let points = zip(histogram.percentiles, histogram.milliseconds)
                .filter { $0.0 >= 50 && $0.0 <= min(99.999, end) }
                .map { Curve.Point(x: $0, y: max($1, 0.001)) }
            return points.count < 2 ? nil : Chart.Series(name: name, points: points)
        }
        guard !series.isEmpty else { return nil }
        return Chart(
            title: title, remark: remark, xLabel: "percentile", yLabel: "milliseconds", xScale: .percentile,
            series: series)
    }

    /// Lower case, words joined by hyphens.
    private static func fileName(_ name: String) -> String {
        name.lowercased().replacing("×", with: "x").split { !$0.isASCII || !($0.isLetter || $0.isNumber) }
            .joined(separator: "-")
    }
}
