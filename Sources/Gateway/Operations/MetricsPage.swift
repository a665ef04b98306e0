/// Prometheus' text exposition format, version 0.0.4.
import Journal

/// A page that grows line by line.
struct MetricsPage {
    private(set) var text = ""

    /// HELP and TYPE of a metric whose samples follow.
    mutating func begin(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    /// One line.
    mutating func sample(_ name: String, _ labels: String, _ value: some CustomStringConvertible) {
        text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }

    mutating func counter(_ name: String, _ help: String, _ value: Int) {
        begin(name, "counter", help)
        sample(name, "", value)
    }

    mutating func gauge(_ name: String, _ help: String, _ value: some CustomStringConvertible) {
        begin(name, "gauge", help)
        sample(name, "", value)
    }

    mutating func histogram(_ name: String, _ help: String, _ histogram: LatencyHistogram) {
        begin(name, "histogram", help)
        var total = 0
        for (index, bound) in LatencyHistogram.bounds.enumerated() {
            total += histogram.counts[index]
            sample("\(name)_bucket", "le=\"\(Double(bound) / 1e6)\"", total)
        }
        sample("\(name)_bucket", "le=\"+Inf\"", histogram.count)
        sample("\(name)_sum", "", Double(histogram.sum) / 1e6)
        sample("\(name)_count", "", histogram.count)
    }

    /// `scale` turns the histogram's unit into the metric's.
    mutating func histogram(_ name: String, _ help: String, _ histogram: JournalHistogram, scale: Double) {
        begin(name, "histogram", help)
        var total: UInt64 = 0
        for (index, bound) in histogram.bounds.enumerated() {
            total += histogram.counts[index]
            sample("\(name)_bucket", "le=\"\(Double(bound) / scale)\"", total)
        }
        total += histogram.counts[histogram.bounds.count...].reduce(0, +)
        sample("\(name)_bucket", "le=\"+Inf\"", total)
        sample("\(name)_sum", "", Double(histogram.sum) / scale)
        sample("\(name)_count", "", total)
    }
}
