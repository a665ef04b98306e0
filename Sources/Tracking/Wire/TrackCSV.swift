/// A track as CSV (RFC 4180) with the columns, the texts and the line ends of an archived day, so that whoever reads the
/// one reads the other. Only a session label can need quotes.

/// The lines of the document.
enum TrackCSV {
    static func begin(_ writer: inout JSONWriter) {
        writer.raw(CopyRow.columns.filter { $0 != " " } + "\n")
    }

    static func append(_ point: TrackPoint, of driver: DriverID, _ writer: inout JSONWriter) {
        writer.raw(driver.string)
        writer.raw(",")
        writer.instant(point.recordedAt)
        writer.raw(",")
        writer.degrees(point.latitude)
        writer.raw(",")
        writer.degrees(point.longitude)
        for value in [point.speed, point.heading, point.accuracy, point.altitude] {
            writer.raw(",")
            if let value { writer.real(value) }
        }
        writer.raw(",")
        if let source = point.source { writer.label(source.name) }
        writer.raw(",")
        if !point.sessionID.isEmpty { field(point.sessionID.string, &writer) }
        writer.raw(",")
        writer.integer(Int64(point.flags.rawValue))
        writer.raw(",")
        writer.instant(point.receivedAt)
        writer.raw("\n")
    }

    private static func field(_ text: String, _ writer: inout JSONWriter) {
        let quoted = [UInt8](",\"\r\n".utf8)
        guard text.utf8.contains(where: quoted.contains) else { return writer.raw(text) }
        writer.raw("\"")
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") { writer.bytes.append(byte) }
            writer.bytes.append(byte)
        }
        writer.raw("\"")
    }
}
