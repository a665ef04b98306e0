/// Writes a track in one of the formats, a point at a time, so that no more of it has to be in memory.

/// An export that is being written. The bytes go to whoever holds them; only the state between two points is kept here.
public struct TrackEncoder: Sendable {
    private let format: TrackFormat
    private let driver: DriverID
    private var isEmpty = true

    /// An export of a driver's track.
    public init(_ format: TrackFormat, of driver: DriverID) {
        self.format = format
        self.driver = driver
    }

    /// What stands before the first point. Call once, first.
    public func begin(_ writer: inout JSONWriter) {
        switch format {
        case .geojson: GeoJSON.begin(driver, &writer)
        case .gpx: GPX.begin(driver, &writer)
        case .csv: TrackCSV.begin(&writer)
        case .ndjson: break
        }
    }

    /// The next point.
    public mutating func append(_ point: TrackPoint, _ writer: inout JSONWriter) {
        switch format {
        case .geojson: GeoJSON.append(point, isFirst: isEmpty, &writer)
        case .gpx: GPX.append(point, isFirst: isEmpty, &writer)
        case .csv: TrackCSV.append(point, of: driver, &writer)
        case .ndjson:
            writer.raw("{\"driver_id\":")
            writer.id(driver)
            writer.raw(",")
            writer.raw("\"lat\":")
            writer.degrees(point.latitude)
            writer.raw(",\"lng\":")
            writer.degrees(point.longitude)
            if let altitude = point.altitude {
                writer.raw(",\"altitude\":")
                writer.real(altitude)
            }
            writer.raw(",")
            writer.properties(of: point)
            writer.raw("}\n")
        }
        isEmpty = false
    }

    /// What stands behind the last point. `next` is the fix time of the last point where a limit has cut the track there.
    public func end(next: Microseconds?, _ writer: inout JSONWriter) {
        switch format {
        case .geojson: GeoJSON.end(next: next, &writer)
        case .gpx: GPX.end(isEmpty: isEmpty, &writer)
        case .csv, .ndjson: break
        }
    }
}
