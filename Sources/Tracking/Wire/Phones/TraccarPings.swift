/// Traccar Client 9: JSON with one record of Transistorsoft's library, metres a second, ISO 8601. Versions 8 and 10 send
/// names and values instead, see `OsmAndPings`.
/// Source: traccar-client e75baaa (9.7.20), lib/preferences.dart; traccar 9e5c458, OsmAndProtocolDecoder.java.

/// Decodes such documents.
public enum TraccarPings {
    private enum Member: String, CaseIterable, Sendable {
        case location
        case deviceID = "device_id"
    }

    private static let names = MemberNames<Member>()

    /// Replaces the contents of `batch` by the position in `{"location":{…},"device_id":"…"}`, or by the positions where
    /// `location` is an array. A record without a place is a heartbeat, which leaves the batch empty. `assumedAccuracy`, in
    /// metres, stands for an accuracy that the phone does not know. On an error `batch` holds nothing; `notPings` is JSON
    /// without a `location`.
    public static func decode(
        _ input: Span<UInt8>, into batch: inout PingBatch, maximumPings: Int, assumedAccuracy: Float
    ) throws(PingDecodingError) {
        var hasLocation = false
        try PhoneDocument.read(input, into: &batch, maximumPings: maximumPings) { (scanner, batch) throws(JSONError) in
            var label: DriverID?
            try scanner.members(names, input) { (scanner, member) throws(JSONError) in
                switch member {
                case .deviceID: label = try scanner.anyText(input).flatMap { DriverID($0) }
                case .location where scanner.peek(input) == UInt8(ascii: "["):
                    hasLocation = true
                    try scanner.elements(input) { (scanner) throws(JSONError) in
                        try record(&scanner, input, &batch, assumedAccuracy)
                    }
                case .location:
                    hasLocation = true
                    try record(&scanner, input, &batch, assumedAccuracy)
                }
            }
            for index in batch.pings.indices { batch.pings[index].driver = label }
        }
        guard hasLocation else {
            batch.removeAll()
            throw .notPings
        }
    }

    private static func record(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ batch: inout PingBatch, _ assumedAccuracy: Float
    ) throws(JSONError) {
        var record = CoordsRecord()
        try record.read(&scanner, input)
        if !record.isSample { _ = record.fix.append(to: &batch, assumedAccuracy: assumedAccuracy) }
    }
}
