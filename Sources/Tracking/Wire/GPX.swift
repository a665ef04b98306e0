/// A track as GPX 1.1 (http://www.topografix.com/GPX/1/1/): what navigation devices and route planners read.

/// The parts of the document. The schema gives a point's elements their order: `ele`, `time`, `src`, `extensions`. Speed and
/// course are those of Garmin's TrackPointExtension, version 2, in its order; the accuracy has no element there and gets
/// one of our own namespace.
enum GPX {
    static func begin(_ driver: DriverID, _ writer: inout JSONWriter) {
        writer.raw(
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <gpx version="1.1" creator="Drover" xmlns="http://www.topografix.com/GPX/1/1" \
            xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2" xmlns:drover="urn:drover:gpx:1">
            <trk><name>
            """)
        // An id's characters have no meaning in XML.
        writer.raw(driver.string)
        writer.raw("</name>")
    }

    static func append(_ point: TrackPoint, isFirst: Bool, _ writer: inout JSONWriter) {
        if isFirst {
            writer.raw("<trkseg>")
        } else if point.followsSilence {
            writer.raw("\n</trkseg><trkseg>")
        }
        writer.raw("\n<trkpt lat=\"")
        writer.degrees(point.latitude)
        writer.raw("\" lon=\"")
        // The schema's longitudes end before 180°, which is the same meridian as -180°.
        writer.degrees(point.longitude == 1_800_000_000 ? -1_800_000_000 : point.longitude)
        writer.raw("\">")
        if let altitude = point.altitude {
            writer.raw("<ele>")
            writer.real(altitude)
            writer.raw("</ele>")
        }
        writer.raw("<time>")
        writer.instant(point.recordedAt)
        writer.raw("</time>")
        if let source = point.source {
            writer.raw("<src>")
            writer.label(source.name)
            writer.raw("</src>")
        }
        writer.raw("<extensions>")
        if point.speed != nil || point.heading != nil {
            writer.raw("<gpxtpx:TrackPointExtension>")
            if let speed = point.speed {
                writer.raw("<gpxtpx:speed>")
                writer.real(speed)
                writer.raw("</gpxtpx:speed>")
            }
            if let heading = point.heading {
                writer.raw("<gpxtpx:course>")
                writer.real(heading)
                writer.raw("</gpxtpx:course>")
            }
            writer.raw("</gpxtpx:TrackPointExtension>")
        }
        writer.raw("<drover:accuracy>")
        writer.real(point.accuracy)
        writer.raw("</drover:accuracy></extensions></trkpt>")
    }

    static func end(isEmpty: Bool, _ writer: inout JSONWriter) {
        if !isEmpty { writer.raw("\n</trkseg>") }
        writer.raw("</trk>\n</gpx>\n")
    }
}
