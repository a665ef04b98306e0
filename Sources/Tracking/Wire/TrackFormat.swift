/// The formats in which a driver's past is given out, and how a client chooses one.

/// A format of an export.
public enum TrackFormat: String, Sendable, CaseIterable {
    /// A FeatureCollection of points (RFC 7946).
    case geojson
    /// A track (GPX 1.1, topografix.com).
    case gpx
    /// The columns of the table, as `drover partitions archive` writes them.
    case csv
    /// A JSON object a line (ndjson.org).
    case ndjson

    /// What `Content-Type` says.
    public var mediaType: String {
        switch self {
        case .geojson: "application/geo+json"
        case .gpx: "application/gpx+xml"
        case .csv: "text/csv; charset=utf-8; header=present"
        case .ndjson: "application/x-ndjson"
        }
    }

    /// What `Accept` may name it by.
    private var acceptedTypes: [String] {
        switch self {
        case .geojson: ["application/geo+json", "application/json"]
        case .gpx: ["application/gpx+xml"]
        case .csv: ["text/csv"]
        case .ndjson: ["application/x-ndjson", "application/ndjson", "application/jsonl"]
        }
    }

    /// What an `Accept` header asks for: the named format of the highest weight, of equals the first (RFC 9110 section
    /// 12.5.1). Nil where it names none of ours: any reply is then better than none.
    public init?(accept: String) {
        var best: (format: TrackFormat, weight: Double)?
        for range in accept.lowercased().split(separator: ",") {
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
            guard let type = parts.first,
                let format = Self.allCases.first(where: { $0.acceptedTypes.contains(type) })
            else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            if weight > best?.weight ?? 0 { best = (format, weight) }
        }
        guard let best else { return nil }
        self = best.format
    }
}
