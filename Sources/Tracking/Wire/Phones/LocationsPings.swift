/// `POST /locations`: what Transistorsoft's background-geolocation sends, in every shape that its settings can give the
/// document and its template can give a record, and a browser's `JSON.stringify(GeolocationPosition)`, one or an array.
///
/// The document is a record, an array of records, or an object in which a member of any name holds either
/// (`httpRootProperty`, `location` by default) beside the app's own parameters. A record is an object as `CoordsRecord`
/// reads it, a flat one under the usual names, or an array of values whose columns the address names.
/// Source: flutter_background_geolocation 5.1.2, lib/models/config/doc_templates.dart (`http`, `persistence`).

/// Decodes such documents.
public enum LocationsPings {
    /// Which value stands where in records that are arrays.
    public struct Columns: Sendable {
        fileprivate let members: [LocationRecord.Member?]

        /// The members' names with commas between them, such as `timestamp,lat,lng,accuracy`; what has no known name is
        /// stepped over.
        public init(_ names: String) {
            members = names.split(separator: ",", omittingEmptySubsequences: false).map {
                LocationRecord.Member(rawValue: String($0))
            }
        }

        /// Records are objects.
        public static let none = Columns(members: [])

        private init(members: [LocationRecord.Member?]) {
            self.members = members
        }
    }

    /// Replaces the contents of `batch` by the records of `input`; intermediate samples are left out. On an error it holds
    /// nothing. A document with no place at all is `notPings`, unless it says that it is empty: with a success the app
    /// would delete what a template of other names made unreadable.
    /// - Parameter assumedAccuracy: metres, for a record that says no accuracy.
    public static func decode(
        _ input: Span<UInt8>, into batch: inout PingBatch, columns: Columns, maximumPings: Int, assumedAccuracy: Float
    ) throws(PingDecodingError) {
        var reader = LocationsReader(columns: columns.members, assumedAccuracy: assumedAccuracy)
        try PhoneDocument.read(input, into: &batch, maximumPings: maximumPings) { (scanner, batch) throws(JSONError) in
            try reader.document(&scanner, input, &batch)
        }
        guard reader.isUnderstood else {
            batch.removeAll()
            throw .notPings
        }
    }
}

/// One walk over a document.
private struct LocationsReader {
    let columns: [LocationRecord.Member?]
    let assumedAccuracy: Float
    /// There was a record, or a list that has none.
    private(set) var isUnderstood = false

    init(columns: [LocationRecord.Member?], assumedAccuracy: Float) {
        self.columns = columns
        self.assumedAccuracy = assumedAccuracy
    }

    mutating func document(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ batch: inout PingBatch
    ) throws(JSONError) {
        if scanner.peek(input) == UInt8(ascii: "{") {
            try root(&scanner, input, &batch)
        } else {
            try records(&scanner, input, &batch)
        }
    }

    /// The outermost object. Whether it is a record or holds some is known at its end.
    private mutating func root(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ batch: inout PingBatch
    ) throws(JSONError) {
        var record = LocationRecord()
        try scanner.expect(UInt8(ascii: "{"), input)
        if scanner.consume(UInt8(ascii: "}"), input) { return }
        repeat {
            scanner.skipSpace(input)
            let token = try scanner.string(input)
            try scanner.expect(UInt8(ascii: ":"), input)
            if let text = JSONScanner.text(token, input), let member = LocationRecord.names.name(text) {
                try record.take(member, &scanner, input)
            } else {
                try records(&scanner, input, &batch)
            }
        } while scanner.consume(UInt8(ascii: ","), input)
        try scanner.expect(UInt8(ascii: "}"), input)
        if record.hasPlace {
            // What else it holds are parts of this record, such as the geofence that it is about.
            batch.removeAll()
            append(record, to: &batch)
        } else if let label = record.label {
            for index in batch.pings.indices where batch.pings[index].driver == nil {
                batch.pings[index].driver = label
            }
        }
    }

    /// A value that may be a record or an array of them.
    private mutating func records(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ batch: inout PingBatch
    ) throws(JSONError) {
        switch scanner.peek(input) {
        case UInt8(ascii: "{"): try object(&scanner, input, &batch)
        case UInt8(ascii: "["):
            switch Self.first(scanner, input) {
            case UInt8(ascii: "]"):
                isUnderstood = true
                try scanner.skipValue(input)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                try scanner.elements(input) { (scanner) throws(JSONError) in
                    if scanner.peek(input) == UInt8(ascii: "{") {
                        try object(&scanner, input, &batch)
                    } else {
                        try row(&scanner, input, &batch)
                    }
                }
            default: try row(&scanner, input, &batch)
            }
        default: try scanner.skipValue(input)
        }
    }

    /// The first byte within an array, which is next.
    private static func first(_ scanner: JSONScanner, _ input: Span<UInt8>) -> UInt8 {
        var ahead = scanner
        ahead.position += 1
        return ahead.peek(input)
    }

    /// A record that is an object.
    private mutating func object(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ batch: inout PingBatch
    ) throws(JSONError) {
        var record = LocationRecord()
        try scanner.members(LocationRecord.names, input) { (scanner, member) throws(JSONError) in
            try record.take(member, &scanner, input)
        }
        append(record, to: &batch)
    }

    /// A record that is an array of values.
    private mutating func row(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ batch: inout PingBatch
    ) throws(JSONError) {
        var record = LocationRecord()
        var column = 0
        try scanner.elements(input) { (scanner) throws(JSONError) in
            if column < columns.count, let member = columns[column] {
                try record.take(member, &scanner, input)
            } else {
                try scanner.skipValue(input)
            }
            column += 1
        }
        append(record, to: &batch)
    }

    private mutating func append(_ record: LocationRecord, to batch: inout PingBatch) {
        if record.isSample || record.fix.append(to: &batch, assumedAccuracy: assumedAccuracy) { isUnderstood = true }
    }
}
