/// Pings as the OwnTracks apps send them (https://owntracks.org/booklet/tech/json/): one JSON object a request, whose
/// `_type` says what it is. Beside locations there are a dozen others, which are no pings and are taken all the same, since
/// an app sends again, or deletes, what was not.

/// Decodes OwnTracks' messages.
public enum OwnTracksPings {
    /// What of a message is read. `vac`, `m`, `p`, region names, pictures and Queclink's extras are stepped over.
    private enum Member: String, CaseIterable {
        case type = "_type"
        case latitude = "lat"
        case longitude = "lon"
        case time = "tst"
        case accuracy = "acc"
        case altitude = "alt"
        case speed = "vel"
        case heading = "cog"
        case battery = "batt"
        case trackerID = "tid"
        case source, topic, locations
    }

    private static let names = MemberNames<Member>()
    private static let location = ShortText("location")
    private static let sources: [(name: ShortText?, source: PingSource)] = [
        (ShortText("gps"), .gps), (ShortText("network"), .network), (ShortText("fused"), .fused),
    ]
    /// From 1970 to 2001, which Overland counts from in its OwnTracks mode (its `timeIntervalSinceReferenceDate`).
    private static let referenceDate: Microseconds = 978_307_200_000_000
    /// Times before September 2001 are counted from 2001, where no tracker id says that OwnTracks itself wrote them.
    private static let firstPlausible: Microseconds = 1_000_000_000_000_000

    /// Replaces the contents of `batch` by the positions in `input`: a message, or, as other senders of the format have it,
    /// an array of them or `{"locations":[…]}`. A message of another type is no ping. `notPings` is what has no `_type`.
    /// `driver` is the request's own label, which goes before the one in the message.
    public static func decode(
        _ input: Span<UInt8>, into batch: inout PingBatch, maximumPings: Int, assumedAccuracy: Float,
        driver: DriverID? = nil
    ) throws(PingDecodingError) {
        let sender = Sender(assumedAccuracy: assumedAccuracy, driver: driver)
        let isOwnTracks = try PhoneDocument.read(input, into: &batch, maximumPings: maximumPings) {
            (scanner, batch) throws(JSONError) -> Bool in
            if scanner.peek(input) == UInt8(ascii: "[") { return try messages(&scanner, input, sender, &batch) }
            return try message(&scanner, input, sender, &batch, isOutermost: true)
        }
        guard isOwnTracks else {
            batch.removeAll()
            throw .notPings
        }
    }

    /// What the request says beside its body.
    private struct Sender {
        let assumedAccuracy: Float
        let driver: DriverID?
    }

    /// Reads an array of messages; whether each of them is one.
    private static func messages(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ sender: Sender, _ batch: inout PingBatch
    ) throws(JSONError) -> Bool {
        guard scanner.peek(input) == UInt8(ascii: "[") else {
            try scanner.skipValue(input)
            return false
        }
        var areMessages = true
        try scanner.elements(input) { (scanner) throws(JSONError) in
            if try !message(&scanner, input, sender, &batch, isOutermost: false) { areMessages = false }
        }
        return areMessages
    }

    /// Reads a value; whether it is a message. `_type` may stand behind everything else.
    private static func message(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ sender: Sender, _ batch: inout PingBatch,
        isOutermost: Bool
    ) throws(JSONError) -> Bool {
        var fix = PhoneFix()
        var type: ShortText?
        var hasTrackerID = false
        var isList = false
        try scanner.members(names, input) { (scanner, name) throws(JSONError) in
            switch name {
            case .type: type = try scanner.anyText(input)
            case .latitude: fix.latitude = try scanner.anyDegrees(input)
            case .longitude: fix.longitude = try scanner.anyDegrees(input)
            case .time: fix.recordedAt = try scanner.anyInstant(input)
            case .accuracy: fix.accuracy(try scanner.anyNumber(input))
            case .altitude: fix.altitude(try scanner.anyNumber(input))
            case .speed: fix.speed(try scanner.anyNumber(input), .kilometresPerHour)
            case .heading: fix.heading(try scanner.anyNumber(input))
            case .battery: fix.battery(percent: try scanner.anyNumber(input))
            case .trackerID:
                try scanner.skipValue(input)
                hasTrackerID = true
            case .source: fix.ping.source = source(try scanner.anyText(input))
            case .topic: fix.label = try scanner.device(input)
            case .locations where isOutermost: isList = try messages(&scanner, input, sender, &batch)
            case .locations: try scanner.skipValue(input)
            }
        }
        guard let type else { return isList }
        guard type == location else { return true }
        if let time = fix.recordedAt {
            if time < firstPlausible, !hasTrackerID { fix.recordedAt = time + referenceDate }
            // Android's serializer leaves out what is exactly 0: the equator, or the meridian of Greenwich.
            if fix.hasPlace {
                fix.latitude = fix.latitude ?? 0
                fix.longitude = fix.longitude ?? 0
            }
        }
        fix.label = sender.driver ?? fix.label
        _ = fix.append(to: &batch, assumedAccuracy: sender.assumedAccuracy)
        return true
    }

    private static func source(_ text: ShortText?) -> PingSource? {
        guard let text else { return nil }
        for entry in sources where entry.name == text { return entry.source }
        return nil
    }
}

extension JSONScanner {
    /// The last part of a topic such as `owntracks/jane/phone`; nil where that cannot be a driver's id.
    fileprivate mutating func device(_ input: Span<UInt8>) throws(JSONError) -> DriverID? {
        guard peek(input) == UInt8(ascii: "\"") else {
            try skipValue(input)
            return nil
        }
        let token = try string(input)
        var part = ShortText()
        // iOS writes each slash with a backslash before it.
        let isShort = Self.unescape(token, input) { byte in
            guard byte == UInt8(ascii: "/") else { return part.append(byte) }
            part = ShortText()
            return true
        }
        return isShort ? DriverID(part) : nil
    }
}
