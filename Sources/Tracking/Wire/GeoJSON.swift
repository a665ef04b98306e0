/// A track as GeoJSON (RFC 7946): a FeatureCollection of points, which every map library reads.

/// The parts of the document. Longitude stands first (section 3.1.1), then latitude, then the altitude where it is known.
enum GeoJSON {
    static func begin(_ driver: DriverID, _ writer: inout JSONWriter) {
        // Members that the format does not define are foreign members (section 6.1).
        writer.raw("{\"type\":\"FeatureCollection\",\"driver_id\":")
        writer.id(driver)
        writer.raw(",\"features\":[")
    }

    static func append(_ point: TrackPoint, isFirst: Bool, _ writer: inout JSONWriter) {
        writer.raw(isFirst ? "\n" : ",\n")
        writer.raw("{\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[")
        writer.degrees(point.longitude)
        writer.raw(",")
        writer.degrees(point.latitude)
        if let altitude = point.altitude {
            writer.raw(",")
            writer.real(altitude)
        }
        writer.raw("]},\"properties\":{")
        writer.properties(of: point)
        writer.raw("}}")
    }

    static func end(next: Microseconds?, _ writer: inout JSONWriter) {
        writer.raw("\n]")
        if let next {
            writer.raw(",\"next\":\"")
            writer.instant(next)
            writer.raw("\"")
        }
        writer.raw("}\n")
    }
}
