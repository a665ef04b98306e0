/// A driver's past as OwnTracks' Recorder writes it out (its API.md, "locations"), a point at a time.

/// The formats of `/api/0/locations`.
public enum OwnTracksTrackFormat: String, Sendable, CaseIterable {
    /// `{"data":[…],"count":…,"status":200}`, which the Recorder's own front end asks for.
    case json
    /// A FeatureCollection of points, each with the location's members.
    case geojson
    /// A Feature with one line.
    case linestring
    /// RFC 4180, with a line of names.
    case csv
    /// `<owntracks>` with a `<point>` each.
    case xml
    /// GPX 1.1.
    case gpx

    /// The media type of a reply.
    public var mediaType: String {
        switch self {
        case .json: "application/json; charset=utf-8"
        case .geojson, .linestring: "application/geo+json"
        case .csv: "text/csv; charset=utf-8; header=present"
        case .xml: "application/xml; charset=utf-8"
        case .gpx: "application/gpx+xml"
        }
    }
}

/// An export that is being written. The bytes go to whoever holds them.
public struct OwnTracksTrackEncoder: Sendable {
    private static let columns = [
        "tst", "isotst", "lat", "lon", "acc", "alt", "vel", "cog", "tid", "topic", "username", "device",
    ]

    private let format: OwnTracksTrackFormat
    private let driver: DriverID
    private let version: String
    private let fields: Set<String>?
    private var gpx: TrackEncoder
    private var count = 0
    /// A line has two ends: its first point waits for the second.
    private var first: TrackPoint?

    /// `version` is said in JSON. `fields` are the members that are wanted of each location; nil is all.
    public init(_ format: OwnTracksTrackFormat, of driver: DriverID, version: String, fields: Set<String>?) {
        self.format = format
        self.driver = driver
        self.version = version
        self.fields = fields
        gpx = TrackEncoder(.gpx, of: driver)
    }

    /// What stands before the first point. Call once, first.
    public func begin(_ writer: inout JSONWriter) {
        switch format {
        case .json: writer.raw("{\"data\":[")
        case .geojson: writer.raw("{\"type\":\"FeatureCollection\",\"features\":[")
        case .linestring: writer.raw("{\"type\":\"Feature\",\"geometry\":")
        case .csv: writer.raw(wantedColumns.joined(separator: ",") + "\r\n")
        case .xml: writer.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<owntracks>")
        case .gpx: gpx.begin(&writer)
        }
    }

    /// The next point.
    public mutating func append(_ point: TrackPoint, _ writer: inout JSONWriter) {
        let location = OwnTracksLocation(point, of: driver)
        switch format {
        case .json:
            writer.raw(count == 0 ? "\n" : ",\n")
            location.append(to: &writer, .recorder, fields: fields)
        case .geojson:
            writer.raw(count == 0 ? "\n" : ",\n")
            writer.raw("{\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":")
            Self.appendPlace(point, &writer)
            writer.raw("},\"properties\":")
            location.append(to: &writer, .recorder, fields: fields)
            writer.raw("}")
        case .linestring: appendToLine(point, &writer)
        case .csv: appendRow(location, &writer)
        case .xml: appendElement(location, &writer)
        case .gpx: gpx.append(point, &writer)
        }
        count += 1
    }

    /// What stands behind the last point.
    public func end(_ writer: inout JSONWriter) {
        switch format {
        case .json:
            writer.raw("\n],\"count\":\(count),\"status\":200,\"version\":")
            writer.string(version)
            writer.raw("}\n")
        case .geojson: writer.raw("\n]}\n")
        case .linestring:
            writer.raw(count > 1 ? "]}" : "null")
            writer.raw(",\"properties\":{\"tid\":")
            writer.string(OwnTracksLocation.trackerID(of: driver))
            writer.raw(",\"topic\":")
            writer.string(OwnTracksLocation.topic(of: driver))
            writer.raw("}}\n")
        case .csv: break
        case .xml: writer.raw("\n</owntracks>\n")
        case .gpx: gpx.end(next: nil, &writer)
        }
    }

    private var wantedColumns: [String] { Self.columns.filter { fields?.contains($0) ?? true } }

    private static func appendPlace(_ point: TrackPoint, _ writer: inout JSONWriter) {
        writer.raw("[")
        writer.degrees(point.longitude)
        writer.raw(",")
        writer.degrees(point.latitude)
        writer.raw("]")
    }

    private mutating func appendToLine(_ point: TrackPoint, _ writer: inout JSONWriter) {
        guard count > 0 else {
            first = point
            return
        }
        if let first {
            writer.raw("{\"type\":\"LineString\",\"coordinates\":[\n")
            Self.appendPlace(first, &writer)
        }
        first = nil
        writer.raw(",\n")
        Self.appendPlace(point, &writer)
    }

    private func appendRow(_ location: OwnTracksLocation, _ writer: inout JSONWriter) {
        var values: [String: OwnTracksLocation.Value] = [:]
        location.forEachMember(.recorder) { values[$0] = $1 }
        for (index, column) in wantedColumns.enumerated() {
            if index > 0 { writer.raw(",") }
            values[column]?.appendPlain(to: &writer)
        }
        writer.raw("\r\n")
    }

    private func appendElement(_ location: OwnTracksLocation, _ writer: inout JSONWriter) {
        writer.raw("\n<point>")
        location.forEachMember(.recorder) { name, value in
            guard name != "_type", fields?.contains(name) ?? true else { return }
            writer.raw("<\(name)>")
            value.appendPlain(to: &writer)
            writer.raw("</\(name)>")
        }
        writer.raw("</point>")
    }
}

extension OwnTracksLocation.Value {
    /// Without quotes: the texts of a location are ids and times, whose characters mean nothing in CSV or XML.
    fileprivate func appendPlain(to writer: inout JSONWriter) {
        if case .text(let text) = self { writer.raw(text) } else { append(to: &writer) }
    }
}
