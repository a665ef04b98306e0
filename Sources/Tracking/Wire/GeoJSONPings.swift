/// Pings as GeoJSON (RFC 7946): what platforms with a spatial store have at hand.
///
/// A Feature is a ping: its geometry is a Point, `[longitude, latitude]` or with the altitude behind, its properties are
/// the native members (`recorded_at`, `accuracy`, …), and its `id` is the driver where no `driver_id` stands among them.
/// What a document says twice, or leaves out, has the same consequences as in a native ping.

/// Decodes features.
public enum GeoJSONPings {
    /// Replaces the contents of `batch` by the pings in `input`: a Feature, a FeatureCollection, or an array of Features.
    /// On an error `batch` holds nothing; `notPings` is JSON that is none of the three.
    public static func decode(
        _ input: Span<UInt8>, into batch: inout PingBatch, maximumPings: Int
    ) throws(PingDecodingError) {
        batch.removeAll()
        var reader = FeatureReader(maximumPings: maximumPings)
        do {
            try reader.document(input, into: &batch)
        } catch {
            batch.removeAll()
            switch error {
            case .syntax(let offset): throw .notJSON(offset: offset)
            case .tooDeep(let offset): throw .tooDeep(offset: offset)
            }
        }
        guard reader.isOfFeatures else {
            batch.removeAll()
            throw .notPings
        }
        guard !reader.hasTooMany else {
            batch.removeAll()
            throw .tooMany(limit: maximumPings)
        }
    }
}

/// One walk over a document. What makes it useless as a whole is noted and told at the end, so that text which is no JSON
/// is called that first.
private struct FeatureReader {
    /// What a GeoJSON object says that it is.
    private enum Kind {
        case feature, collection, other
    }

    /// Members that may not stand twice.
    private static let names: Set = ["type", "geometry", "properties", "id", "features"]

    let maximumPings: Int
    private var scanner = JSONScanner()
    /// Every object that should be a Feature or a FeatureCollection is one.
    private(set) var isOfFeatures = true
    private(set) var hasTooMany = false

    init(maximumPings: Int) {
        self.maximumPings = maximumPings
    }

    mutating func document(_ input: Span<UInt8>, into batch: inout PingBatch) throws(JSONError) {
        switch scanner.peek(input) {
        case UInt8(ascii: "{"):
            var ping = DecodedPing()
            var hasFeatures = false
            let kind = try object(input, &ping, features: &batch, isOutermost: true, &hasFeatures)
            switch kind {
            case .feature where !hasFeatures: append(ping, to: &batch)
            case .collection where hasFeatures: break
            default: isOfFeatures = false
            }
        case UInt8(ascii: "["): try features(input, into: &batch)
        default:
            try scanner.skipValue(input)
            isOfFeatures = false
        }
        try scanner.expectEnd(input)
    }

    private mutating func append(_ ping: DecodedPing, to batch: inout PingBatch) {
        guard batch.pings.count < maximumPings else {
            hasTooMany = true
            return
        }
        batch.pings.append(ping)
    }

    /// An array of Features.
    private mutating func features(_ input: Span<UInt8>, into batch: inout PingBatch) throws(JSONError) {
        try scanner.expect(UInt8(ascii: "["), input)
        if scanner.consume(UInt8(ascii: "]"), input) { return }
        repeat {
            var ping = DecodedPing()
            if scanner.peek(input) == UInt8(ascii: "{") {
                var hasFeatures = false
                let kind = try object(input, &ping, features: &batch, isOutermost: false, &hasFeatures)
                if kind != .feature { ping.defect = .notAFeature }
            } else {
                try scanner.skipValue(input)
                ping.defect = .notAFeature
            }
            append(ping, to: &batch)
        } while scanner.consume(UInt8(ascii: ","), input)
        try scanner.expect(UInt8(ascii: "]"), input)
    }

    /// A GeoJSON object: a Feature's ping into `ping`, the Features of a collection, which only the outermost object can
    /// be, into `features`.
    private mutating func object(
        _ input: Span<UInt8>, _ ping: inout DecodedPing, features batch: inout PingBatch, isOutermost: Bool,
        _ hasFeatures: inout Bool
    ) throws(JSONError) -> Kind {
        var kind = Kind.other
        var id: DriverID?
        var members = MemberRegister()
        var seen: [String] = []
        try scanner.expect(UInt8(ascii: "{"), input)
        if !scanner.consume(UInt8(ascii: "}"), input) {
            repeat {
                let name = try scanner.memberName(input)
                let isTwice = seen.contains(name)
                if isTwice, Self.names.contains(name) { ping.defect = ping.defect ?? .twice(nil) }
                seen.append(name)
                switch name {
                case "type":
                    let text = try scanner.shortText(input)
                    kind = text == "Feature" ? .feature : text == "FeatureCollection" ? .collection : .other
                case "geometry": try scanner.point(input, &ping, &members)
                case "properties":
                    if scanner.peek(input) == UInt8(ascii: "{") {
                        try scanner.nativeMembers(input, &ping, &members)
                    } else {
                        try scanner.skipValue(input)
                    }
                case "id": id = try scanner.shortText(input).flatMap { DriverID($0) }
                case "features" where isOutermost && !isTwice && scanner.peek(input) == UInt8(ascii: "["):
                    hasFeatures = true
                    try features(input, into: &batch)
                default: try scanner.skipValue(input)
                }
            } while scanner.consume(UInt8(ascii: ","), input)
            try scanner.expect(UInt8(ascii: "}"), input)
        }
        members.complete(&ping)
        ping.driver = ping.driver ?? id
        return kind
    }
}

extension JSONScanner {
    /// A member's name and its colon; empty where it is longer than any of ours.
    fileprivate mutating func memberName(_ input: Span<UInt8>) throws(JSONError) -> String {
        skipSpace(input)
        let token = try string(input)
        try expect(UInt8(ascii: ":"), input)
        return Self.text(token, input)?.string ?? ""
    }

    /// A value; its text where it is a short string.
    fileprivate mutating func shortText(_ input: Span<UInt8>) throws(JSONError) -> String? {
        guard peek(input) == UInt8(ascii: "\"") else {
            try skipValue(input)
            return nil
        }
        return Self.text(try string(input), input)?.string
    }

    /// A Feature's properties: a native ping's members.
    fileprivate mutating func nativeMembers(
        _ input: Span<UInt8>, _ ping: inout DecodedPing, _ members: inout MemberRegister
    ) throws(JSONError) {
        try expect(UInt8(ascii: "{"), input)
        if consume(UInt8(ascii: "}"), input) { return }
        repeat {
            skipSpace(input)
            try member(try MemberKey(&self, input), of: &ping, &members, input)
        } while consume(UInt8(ascii: ","), input)
        try expect(UInt8(ascii: "}"), input)
    }

    /// A Feature's geometry; what is no Point is a defect.
    fileprivate mutating func point(
        _ input: Span<UInt8>, _ ping: inout DecodedPing, _ members: inout MemberRegister
    ) throws(JSONError) {
        guard peek(input) == UInt8(ascii: "{") else {
            try skipValue(input)
            ping.defect = ping.defect ?? .notAPoint
            return
        }
        var isPoint = false
        var coordinates: [JSONNumber] = []
        var isOfNumbers = true
        position += 1
        if !consume(UInt8(ascii: "}"), input) {
            repeat {
                switch try memberName(input) {
                case "type": isPoint = try shortText(input) == "Point"
                case "coordinates" where coordinates.isEmpty: isOfNumbers = try numbers(input, into: &coordinates)
                case "coordinates":
                    isOfNumbers = false
                    try skipValue(input)
                default: try skipValue(input)
                }
            } while consume(UInt8(ascii: ","), input)
            try expect(UInt8(ascii: "}"), input)
        }
        // More than three numbers have no meaning that is agreed on (section 3.1.1).
        guard isPoint, isOfNumbers, (2...3).contains(coordinates.count) else {
            ping.defect = ping.defect ?? .notAPoint
            return
        }
        ping.ping.longitude = Int32(clamping: coordinates[0].scaled(by: 7))
        ping.ping.latitude = Int32(clamping: coordinates[1].scaled(by: 7))
        var isTwice = !members.note(.longitude)
        if !members.note(.latitude) { isTwice = true }
        if coordinates.count == 3 {
            ping.ping.altitude = Unit.altitude(coordinates[2].double)
            if !members.note(.altitude) { isTwice = true }
        }
        if isTwice { ping.defect = ping.defect ?? .twice(.latitude) }
    }

    /// A value; whether it is an array of numbers, which then are in `numbers`.
    private mutating func numbers(
        _ input: Span<UInt8>, into numbers: inout [JSONNumber]
    ) throws(JSONError) -> Bool {
        guard peek(input) == UInt8(ascii: "[") else {
            try skipValue(input)
            return false
        }
        position += 1
        if consume(UInt8(ascii: "]"), input) { return false }
        var isOfNumbers = true
        repeat {
            switch peek(input) {
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                let number = try number(input)
                if numbers.count < 4 { numbers.append(number) }
            default:
                try skipValue(input)
                isOfNumbers = false
            }
        } while consume(UInt8(ascii: ","), input)
        try expect(UInt8(ascii: "]"), input)
        return isOfNumbers
    }
}
