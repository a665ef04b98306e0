/// A sample as a document: `{"timestamp","metric_type","value","unit","tags","source"}`, the shape in which platforms keep
/// metrics of all their parts in one collection.
import Tracking

/// One sample.
struct MetricsRecord {
    /// Who measured.
    private static let source = "drover"

    /// The document and the end of its line; empty where the value is no number that JSON can hold.
    let line: String

    /// `labels` are in Prometheus' form; `value` is a number's text.
    init(_ name: String, _ labels: String, _ value: String, _ timestamp: String) {
        guard let number = Double(value), number.isFinite else {
            line = ""
            return
        }
        var writer = JSONWriter()
        writer.raw("{\"timestamp\":\"\(timestamp)\",\"metric_type\":\"\(name)\",\"value\":\(value)")
        writer.raw(",\"unit\":\"\(Self.unit(of: name))\",\"tags\":{")
        for (index, (name, value)) in Self.tags(labels).enumerated() {
            if index > 0 { writer.raw(",") }
            writer.string(name)
            writer.raw(":")
            writer.string(value)
        }
        writer.raw("},\"source\":\"\(Self.source)\"}\n")
        line = String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Prometheus' rule: the base unit stands at a name's end, before the suffix of a total or a histogram's series.
    static func unit(of name: String) -> String {
        // Buckets and counts count observations, whatever was observed.
        if name.hasSuffix("_bucket") || name.hasSuffix("_count") { return "count" }
        var base = Substring(name)
        for suffix in ["_total", "_sum"] where base.hasSuffix(suffix) { base = base.dropLast(suffix.count) }
        if base.hasSuffix("_seconds") { return "s" }
        return base.hasSuffix("_bytes") ? "bytes" : "count"
    }

    /// The pairs of `name="value",…`, with the escapes of the exposition format resolved.
    static func tags(_ labels: String) -> [(name: String, value: String)] {
        var tags: [(String, String)] = []
        var rest = Substring(labels)
        while let equals = rest.firstIndex(of: "="), rest[equals...].dropFirst().first == "\"" {
            let name = rest[..<equals].drop { $0 == "," || $0 == " " }
            var value = ""
            rest = rest[equals...].dropFirst(2)
            while let character = rest.popFirst(), character != "\"" {
                guard character == "\\" else {
                    value.append(character)
                    continue
                }
                let escaped = rest.popFirst() ?? "\\"
                value.append(escaped == "n" ? "\n" : escaped)
            }
            tags.append((String(name), value))
        }
        return tags
    }
}
