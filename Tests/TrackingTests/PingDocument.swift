// Random native pings, spelled in every way that JSON allows, with what each must decode to.

@testable import Tracking

/// What an element of a generated document must become.
struct ExpectedPing {
    var decoded = DecodedPing()
    /// Measurements spelled with more digits than a `Double` holds may come out as a neighbour.
    var isInexact = false

    /// Nil where `other` is what was meant.
    func difference(from other: DecodedPing) -> String? {
        guard other.defect == decoded.defect else { return "defect \(String(describing: other.defect))" }
        guard decoded.defect == nil else { return nil }
        let (mine, theirs) = (decoded.ping, other.ping)
        let isSame =
            theirs.recordedAt == mine.recordedAt && theirs.latitude == mine.latitude
            && theirs.longitude == mine.longitude && isSame(theirs.accuracy, mine.accuracy)
            && isSame(theirs.speed, mine.speed) && isSame(theirs.heading, mine.heading)
            && isSame(theirs.altitude, mine.altitude) && isSame(theirs.battery, mine.battery)
            && theirs.sequence == mine.sequence && theirs.source == mine.source && theirs.isMock == mine.isMock
            && theirs.sessionID == mine.sessionID && other.driver == decoded.driver
        return isSame ? nil : "\(other) instead of \(decoded)"
    }

    private func isSame(_ ours: Float?, _ expected: Float?) -> Bool {
        if ours == expected { return true }
        guard isInexact, let ours, let expected else { return false }
        return ours == expected.nextUp || ours == expected.nextDown
    }
}

/// A generated document.
struct PingDocument {
    private(set) var bytes: [UInt8] = []
    private(set) var pings: [ExpectedPing] = []

    init(_ random: inout SeededGenerator) {
        space(&random)
        switch random.int(0...3) {
        case 0: object(&random)
        case 1, 2: array(&random)
        default:
            var members = ["\"\(random.oneIn(2) ? "pings" : #"p\u0069ngs"#)\""]
            while random.oneIn(2) { members.append("\"extra\(members.count)\"") }
            members.shuffle(using: &random)
            list(members, in: "{}", &random) { document, member, random in
                document.put(member)
                document.space(&random)
                document.put(":")
                document.space(&random)
                if member.contains("ngs") { document.array(&random) } else { document.anything(&random, depth: 3) }
            }
        }
        space(&random)
    }

    /// The bytes with one to four of them changed, removed, doubled or cut off, or with a piece put elsewhere.
    func damaged(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<random.int(1...4) where !bytes.isEmpty {
            let index = random.int(0...bytes.count - 1)
            switch random.int(0...6) {
            case 0: bytes[index] ^= 1 << UInt8(random.int(0...7))
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(UInt8(random.int(0...255)), at: index)
            case 3: bytes.insert(random.pick(Array("{}[]\",:\\eE+-.0919ntfu \u{0}".utf8)), at: index)
            case 4: bytes.removeSubrange(index...)
            case 5:
                let end = random.int(index...min(index + 12, bytes.count - 1))
                bytes.insert(contentsOf: bytes[index...end], at: random.int(0...bytes.count))
            default: bytes[index] = random.pick(Array("{}[]\",:\\eE+-.0919ntfu \u{0}".utf8))
            }
        }
        return bytes
    }

    // MARK: Structure

    private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func space(_ random: inout SeededGenerator) {
        while random.oneIn(4) { put(random.pick([" ", "\n", "\t", "\r"])) }
    }

    private mutating func list<Item>(
        _ items: [Item], in brackets: String, _ random: inout SeededGenerator,
        _ write: (inout PingDocument, Item, inout SeededGenerator) -> Void
    ) {
        put(String(brackets.first!))
        space(&random)
        for (index, item) in items.enumerated() {
            if index > 0 { put(",") }
            space(&random)
            write(&self, item, &random)
            space(&random)
        }
        put(String(brackets.last!))
    }

    private mutating func array(_ random: inout SeededGenerator) {
        list(Array(0..<random.int(0...4)), in: "[]", &random) { document, _, random in
            if random.oneIn(12) {
                var expected = ExpectedPing()
                expected.decoded.defect = .notAnObject
                document.pings.append(expected)
                document.put(random.pick(["1", "null", "true", "\"x\"", "[]", "[{}]", "-0.5e-3"]))
            } else {
                document.object(&random)
            }
        }
    }

    /// A value of any kind, at most `depth` levels deep.
    private mutating func anything(_ random: inout SeededGenerator, depth: Int) {
        switch random.int(0...(depth > 0 ? 7 : 5)) {
        case 0: put(random.pick(["true", "false", "null"]))
        case 1: put(Self.spelled("12", decimals: random.int(0...3), &random))
        case 2, 3: put("\"\(Self.spelled(random.pick(["", "lat", "ÄÖ", "😀\n", "a\u{0}b", "\\\"/"]), &random))\"")
        case 4: put("\"}],{[\"")
        case 5: put("-0")
        case 6:
            list(Array(0..<random.int(0...3)), in: "[]", &random) { $0.anything(&$2, depth: depth - 1) }
        default:
            list(Array(0..<random.int(0...3)), in: "{}", &random) { document, index, random in
                document.put("\"lat\":")
                document.anything(&random, depth: depth - 1)
            }
        }
    }

    // MARK: A ping

    private mutating func object(_ random: inout SeededGenerator) {
        var ping = GeneratedPing(&random)
        pings.append(ping.expected)
        ping.members.shuffle(using: &random)
        list(ping.members, in: "{}", &random) { document, member, random in
            document.put("\"\(Self.spelled(member.name, &random))\"")
            document.space(&random)
            document.put(":")
            document.space(&random)
            if let value = member.value { document.put(value) } else { document.anything(&random, depth: 3) }
        }
    }

    // MARK: Spelling

    /// `text` with some characters written as escapes, those that must be always.
    static func spelled(_ text: String, _ random: inout SeededGenerator) -> String {
        var result = ""
        let isPlain = random.oneIn(2)
        for unit in text.unicodeScalars {
            let mustEscape = unit.value < 0x20 || unit == "\"" || unit == "\\"
            if mustEscape || (!isPlain && random.oneIn(4)) {
                switch unit {
                case "\n" where random.oneIn(2): result += "\\n"
                case "\"" where random.oneIn(2), "\\" where random.oneIn(2), "/" where random.oneIn(2):
                    result += "\\\(unit)"
                default:
                    for code in String(unit).utf16 {
                        let digits = String(code, radix: 16, uppercase: random.oneIn(2))
                        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }
                }
            } else {
                result.unicodeScalars.append(unit)
            }
        }
        return result
    }

    /// The number `digits` × 10^-`decimals`, with the point moved, zeros added, an exponent.
    static func spelled(
        negative: Bool = false, _ digits: String, decimals: Int, _ random: inout SeededGenerator
    ) -> String {
        let shift = random.oneIn(3) ? random.int(-4...4) : 0
        let places = decimals + shift
        var text = digits
        if places > 0 {
            text = String(repeating: "0", count: max(0, places + 1 - text.count)) + text
            text.insert(".", at: text.index(text.endIndex, offsetBy: -places))
            while random.oneIn(4) { text += "0" }
        } else {
            text += String(repeating: "0", count: -places)
        }
        while text.count > 1, text.first == "0", text.dropFirst().first != "." { text.removeFirst() }
        if shift != 0 || random.oneIn(8) {
            // Written with `places` decimals the digits stand 10^shift too low.
            let sign = shift < 0 ? "-" : random.pick(["", "+"])
            text += random.pick(["e", "E"]) + sign + random.pick(["", "0", "00"]) + "\(abs(shift))"
        }
        return (negative ? "-" : "") + text
    }
}

/// One ping of a document: its members in text, and what they mean.
private struct GeneratedPing {
    /// A member; a nil value is any value at all.
    struct Member {
        var name: String
        var value: String?
    }

    var members: [Member] = []
    var expected = ExpectedPing()

    init(_ random: inout SeededGenerator) {
        required(&random)
        for field in [PingField.speed, .heading, .altitude, .battery] where random.oneIn(2) {
            measurement(field, &random)
        }
        labels(&random)
        for index in 0..<(random.oneIn(3) ? random.int(1...6) : 0) {
            // A name that begins like a known one, is longer than any, or hides U+0000.
            let name = random.pick([
                "la", "latt", "recorded_at_", "Lat", "lat\u{0}", "", "ß", String(repeating: "n", count: 70),
            ])
            members.append(Member(name: name + "\(index)", value: nil))
        }
        if random.oneIn(10) { damage(&random) }
    }

    private mutating func add(_ field: PingField, _ value: String) {
        members.append(Member(name: "\(field.name)", value: value))
    }

    private mutating func required(_ random: inout SeededGenerator) {
        expected.decoded.ping.latitude = fixed(.latitude, decimals: 7, bound: 910_000_000, &random) { Int32($0) }
        expected.decoded.ping.longitude = fixed(.longitude, decimals: 7, bound: 1_810_000_000, &random) { Int32($0) }
        if random.oneIn(3) {
            let instant = Int64(random.int(-1_000_000_000_000...4_000_000_000_000)) * 1_000
            expected.decoded.ping.recordedAt = instant
            add(.recordedAt, "\"\(PingDocument.spelled(Timestamp.string(instant), &random))\"")
        } else {
            expected.decoded.ping.recordedAt = fixed(
                .recordedAt, decimals: 3, bound: 2_000_000_000_000_000, &random
            ) { $0 }
        }
        measurement(.accuracy, &random)
    }

    /// A random multiple of 10^-`decimals`, perhaps with further digits that round it half away from zero.
    private mutating func fixed<Value>(
        _ field: PingField, decimals: Int, bound: Int, _ random: inout SeededGenerator, _ convert: (Int64) -> Value
    ) -> Value {
        let magnitude = random.oneIn(6) ? random.int(0...9) : random.int(0...bound)
        let isNegative = random.oneIn(2)
        var tail = ""
        if random.oneIn(3) { for _ in 0..<random.int(1...14) { tail += "\(random.pick([0, 4, 5, 9]))" } }
        let rounded = Int64(magnitude) + ((tail.first ?? "0") >= "5" ? 1 : 0)
        add(
            field,
            PingDocument.spelled(
                negative: isNegative, "\(magnitude)\(tail)", decimals: decimals + tail.count, &random))
        return convert(isNegative ? -rounded : rounded)
    }

    private mutating func measurement(_ field: PingField, _ random: inout SeededGenerator) {
        var digits = "\(random.int(0...random.pick([9, 400, 9_999, 999_999_999_999]))) "
        digits.removeLast()
        if random.oneIn(5) { digits += "\(random.int(100_000_000...999_999_999))" }
        let decimals = random.int(0...max(0, digits.count))
        let isNegative = random.oneIn(4)
        if digits.count > 14 { expected.isInexact = true }
        add(field, PingDocument.spelled(negative: isNegative, digits, decimals: decimals, &random))
        // The standard library's parser rounds exactly.
        let value = Float(Double("\(isNegative ? "-" : "")\(digits)e-\(decimals)")!)
        switch field {
        case .accuracy: expected.decoded.ping.accuracy = value
        case .speed: expected.decoded.ping.speed = value >= 0 ? value : nil
        case .heading: expected.decoded.ping.heading = value == 360 ? 0 : value >= 0 && value < 360 ? value : nil
        case .altitude: expected.decoded.ping.altitude = value >= -12_000 && value <= 100_000 ? value : nil
        default: expected.decoded.ping.battery = value >= 0 && value <= 1 ? value : nil
        }
    }

    private mutating func labels(_ random: inout SeededGenerator) {
        if random.oneIn(2) {
            let value = random.pick([0, 1, 42, 9_007_199_254_740_993, Int64.max])
            expected.decoded.ping.sequence = value
            add(.sequence, "\(value)")
        }
        if random.oneIn(2) {
            let source = random.pick(PingSource.allCases)
            expected.decoded.ping.source = source
            add(.source, "\"\(PingDocument.spelled("\(source.name)", &random))\"")
        }
        if random.oneIn(2) {
            let text = random.pick(["", "trip 7", "Fährt \"x\" \\ /", "😀😀", String(repeating: "s", count: 64)])
            expected.decoded.ping.sessionID = ShortText(text)!
            add(.sessionID, "\"\(PingDocument.spelled(text, &random))\"")
        }
        if random.oneIn(2) {
            let text = random.pick(["v", "van-1", "a.b:c_d", "5c2a8c9e-7a0b-4d1e-9f00-0123456789ab"])
            expected.decoded.driver = DriverID(text)!
            add(.driverID, "\"\(PingDocument.spelled(text, &random))\"")
        }
        if random.oneIn(2) {
            expected.decoded.ping.isMock = random.oneIn(2)
            add(.mock, "\(expected.decoded.ping.isMock)")
        }
        for field in [PingField.source, .battery, .mock] where random.oneIn(4) {
            if !members.contains(where: { $0.name == "\(field.name)" }) { add(field, "null") }
        }
    }

    /// Makes the ping malformed in one way.
    private mutating func damage(_ random: inout SeededGenerator) {
        let index = random.int(0...members.count - 1)
        let field = PingField.allCases.first { "\($0.name)" == members[index].name }
        switch random.int(0...2) {
        case 0:
            // Twice the same: any order of the two must find it.
            members.append(members[index])
            expected.decoded.defect = .twice(field)
        case 1:
            guard let field else { return }
            members[index].value = random.pick(["[]", "{}", "[1]", "{\"lat\":1}"])
            expected.decoded.defect = .invalid(field)
        default:
            guard let field, field.rawValue < 4 else { return }
            if random.oneIn(2) { members[index].value = "null" } else { members.remove(at: index) }
            expected.decoded.defect = .missing(field)
        }
    }
}
