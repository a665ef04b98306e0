/// What `/metrics` says, in one of two forms of the same samples.
import Journal
import WebServer

/// How the samples are written.
enum MetricsFormat {
    /// Prometheus' text exposition format, version 0.0.4.
    case text
    /// A JSON object a line, for systems that keep samples as documents (see `MetricsRecord`).
    case ndjson
    /// The text with a comment on how a metric of several processes becomes one (see `MergedMetrics`); between workers.
    case exchange

    /// `format=text|ndjson`, else what `Accept` names; nil where `format` names another.
    init?(_ request: WebRequest) {
        switch request.query("format") {
        case "text": self = .text
        case "ndjson": self = .ndjson
        case nil:
            let accepted = request.headers["accept"]?.lowercased() ?? ""
            self = accepted.contains("application/x-ndjson") ? .ndjson : .text
        default: return nil
        }
    }

    var mediaType: String {
        switch self {
        case .text, .exchange: "text/plain; version=0.0.4; charset=utf-8"
        case .ndjson: "application/x-ndjson"
        }
    }
}

/// A page that grows line by line.
struct MetricsPage {
    private(set) var text = ""
    private let format: MetricsFormat
    /// RFC 3339.
    private let timestamp: String

    init(_ format: MetricsFormat, timestamp: String) {
        self.format = format
        self.timestamp = timestamp
    }

    /// HELP and TYPE of a metric whose samples follow.
    mutating func begin(_ name: String, _ type: String, _ help: String, merge: MetricsRule = .sum) {
        if format == .ndjson { return }
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        if format == .exchange, merge != .sum { text += "# MERGE \(name) \(merge.rawValue)\n" }
    }

    /// One line; labels such as `job="drop",le="0.1"`.
    mutating func sample(_ name: String, _ labels: String, _ value: some CustomStringConvertible) {
        switch format {
        case .text, .exchange: text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
        case .ndjson: text += MetricsRecord(name, labels, "\(value)", timestamp).line
        }
    }

    mutating func counter(_ name: String, _ help: String, _ value: Int) {
        begin(name, "counter", help)
        sample(name, "", value)
    }

    mutating func gauge(
        _ name: String, _ help: String, _ value: some CustomStringConvertible, merge: MetricsRule = .sum
    ) {
        begin(name, "gauge", help, merge: merge)
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

    /// A page of `MetricsFormat.exchange` as it is shown.
    static func shown(_ exchange: String, as format: MetricsFormat, timestamp: String) -> String {
        var page = MetricsPage(format, timestamp: timestamp)
        for line in exchange.split(separator: "\n") {
            if line.hasPrefix("#") {
                if format == .text, !line.hasPrefix("# MERGE ") { page.text += "\(line)\n" }
            } else if let space = line.lastIndex(of: " ") {
                let key = line[..<space]
                let name = key.prefix { $0 != "{" }
                page.sample(String(name), String(key.dropFirst(name.count + 1).dropLast()), line[space...].dropFirst())
            }
        }
        return page.text
    }
}
