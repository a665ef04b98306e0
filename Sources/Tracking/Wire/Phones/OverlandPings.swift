/// Overland (iOS and Android), and what speaks its language: GPSLogger's Dawarich sender.
/// Source: Overland-iOS 5f2a5be, GPSLogger/GLManager.m; Overland_android 26bf721, App.js; gpslogger 32994bf,
/// senders/dawarich.

/// Decodes batches of GeoJSON Features.
public enum OverlandPings {
    /// Replaces the contents of `batch` by the positions in `{"locations":[Feature…],"current":Feature,"trip":…}`. `current`
    /// stands first, so that a phone with a backlog is on the map before that is judged. Features that are no fixes (trips,
    /// visits, what the app did) are left out. `assumedAccuracy`, in metres, stands for an accuracy that the phone does not
    /// know. On an error `batch` holds nothing; `notPings` is JSON without `locations` and `current`.
    public static func decode(
        _ input: Span<UInt8>, into batch: inout PingBatch, maximumPings: Int, assumedAccuracy: Float
    ) throws(PingDecodingError) {
        var reader = OverlandReader(assumedAccuracy: assumedAccuracy)
        try PhoneDocument.read(input, into: &batch, maximumPings: maximumPings) { (scanner, batch) throws(JSONError) in
            try reader.document(&scanner, input, &batch)
        }
        guard reader.isOfOverland else {
            batch.removeAll()
            throw .notPings
        }
    }
}

/// One walk over a document.
private struct OverlandReader {
    private enum Member: String, CaseIterable, Sendable {
        case locations, current
    }

    private enum FeatureMember: String, CaseIterable, Sendable {
        case geometry, properties
    }

    private enum GeometryMember: String, CaseIterable, Sendable {
        case coordinates
    }

    private enum Property: String, CaseIterable, Sendable {
        case timestamp, altitude, speed, course
        case accuracy = "horizontal_accuracy"
        case battery = "battery_level"
        case trip = "trip_id"
        case device = "device_id"
        case unique = "unique_id"
        case type, action
    }

    private static let names = MemberNames<Member>()
    private static let featureNames = MemberNames<FeatureMember>()
    private static let geometryNames = MemberNames<GeometryMember>()
    private static let properties = MemberNames<Property>()

    let assumedAccuracy: Float
    /// Whether the document has one of the members that make it Overland's.
    private(set) var isOfOverland = false

    init(assumedAccuracy: Float) {
        self.assumedAccuracy = assumedAccuracy
    }

    mutating func document(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ batch: inout PingBatch
    ) throws(JSONError) {
        var current: Int?
        try scanner.members(Self.names, input) { (scanner, member) throws(JSONError) in
            isOfOverland = true
            switch member {
            case .locations:
                try scanner.elements(input) { (scanner) throws(JSONError) in
                    try feature(&scanner, input, &batch)
                }
            case .current:
                let count = batch.pings.count
                try feature(&scanner, input, &batch)
                if batch.pings.count > count { current = count }
            }
        }
        if let current { batch.pings.insert(batch.pings.remove(at: current), at: 0) }
    }

    /// A Feature: appended where it is a fix.
    private func feature(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ batch: inout PingBatch
    ) throws(JSONError) {
        var fix = PhoneFix()
        var isFix = true
        try scanner.members(Self.featureNames, input) { (scanner, member) throws(JSONError) in
            switch member {
            case .geometry:
                try scanner.members(Self.geometryNames, input) { (scanner, _) throws(JSONError) in
                    try coordinates(&scanner, input, &fix)
                }
            case .properties:
                try scanner.members(Self.properties, input) { (scanner, property) throws(JSONError) in
                    try value(of: property, &scanner, input, &fix, &isFix)
                }
            }
        }
        if isFix { _ = fix.append(to: &batch, assumedAccuracy: assumedAccuracy) }
    }

    /// `[longitude, latitude]`; what follows has no agreed meaning.
    private func coordinates(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ fix: inout PhoneFix
    ) throws(JSONError) {
        var index = 0
        try scanner.elements(input) { (scanner) throws(JSONError) in
            switch index {
            case 0: fix.longitude = try scanner.anyDegrees(input)
            case 1: fix.latitude = try scanner.anyDegrees(input)
            default: try scanner.skipValue(input)
            }
            index += 1
        }
    }

    private func value(
        of property: Property, _ scanner: inout JSONScanner, _ input: Span<UInt8>, _ fix: inout PhoneFix,
        _ isFix: inout Bool
    ) throws(JSONError) {
        switch property {
        case .timestamp: fix.recordedAt = try scanner.anyInstant(input)
        case .altitude: fix.altitude(try scanner.anyNumber(input))
        case .speed: fix.speed(try scanner.anyNumber(input), .metresPerSecond)
        case .course: fix.heading(try scanner.anyNumber(input))
        case .accuracy: fix.accuracy(try scanner.anyNumber(input))
        case .battery:
            // Overland sends a share, the Dawarich sender percent; 1 is the share, of a phone that is full.
            let level = try scanner.anyNumber(input)
            if let level, level > 1 { fix.battery(percent: level) } else { fix.battery(share: level) }
        case .trip:
            if let label = try scanner.anyText(input), label.isPrintable { fix.ping.sessionID = label }
        case .device: fix.label = try label(&scanner, input) ?? fix.label
        case .unique:
            let unique = try label(&scanner, input)
            fix.label = fix.label ?? unique
        case .type: if try scanner.anyText(input) == Self.trip { isFix = false }
        case .action: if let action = try scanner.anyText(input), !action.isEmpty { isFix = false }
        }
    }

    private static let trip = ShortText("trip")
    /// What Overland for Android writes where it has no id.
    private static let undefined = ShortText("undefined")

    private func label(_ scanner: inout JSONScanner, _ input: Span<UInt8>) throws(JSONError) -> DriverID? {
        let text = try scanner.anyText(input)
        return text == Self.undefined ? nil : text.flatMap { DriverID($0) }
    }
}

extension ShortText {
    /// Whether it has no control characters, which have no place in a label; U+0000 Postgres refuses in text (SQLSTATE
    /// 22021).
    var isPrintable: Bool {
        for index in 0..<count where self[index] < 0x20 || self[index] == 0x7F { return false }
        return true
    }
}
