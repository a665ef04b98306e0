/// The members of a native ping: their names, their types, and what each value becomes inside.

/// A member's name, packed so that comparing it costs two integer comparisons.
struct MemberKey {
    private var low: UInt64 = 0
    private var high: UInt64 = 0
    /// No field's name: longer than two words, or holding U+0000, which packing cannot tell from its padding.
    private var isForeign = false
    private let token: JSONString

    /// Reads the name and the colon after it.
    @inline(__always)
    init(_ scanner: inout JSONScanner, _ input: Span<UInt8>) throws(JSONError) {
        try scanner.expect(UInt8(ascii: "\""), input)
        let start = scanner.position
        // Every name of ours is plain and short: read and packed in one go. What is not so is read again with all rules.
        var index = start
        while index < input.count, JSONScanner.isPlain(input[index]), index - start < 16 {
            let bits = UInt64(input[index]) &<< UInt64(truncatingIfNeeded: (index &- start) &<< 3)
            if index &- start < 8 { low |= bits } else { high |= bits }
            index &+= 1
        }
        if index < input.count, input[index] == UInt8(ascii: "\"") {
            scanner.position = index &+ 1
            token = JSONString(start: start, end: index, hasEscapes: false)
        } else {
            token = try scanner.stringContents(input)
            low = 0
            high = 0
            var count = 0
            _ = JSONScanner.unescape(token, input) { byte in
                if byte == 0 || count >= 16 { isForeign = true }
                let bits = UInt64(byte) &<< UInt64(truncatingIfNeeded: count &<< 3)
                if count < 8 { low |= bits } else if count < 16 { high |= bits }
                count &+= 1
                return true
            }
        }
        try scanner.expect(UInt8(ascii: ":"), input)
    }

    /// FNV-1a over the decoded name: tells unknown members apart.
    func hash(_ input: Span<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        _ = JSONScanner.unescape(token, input) { byte in
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
            return true
        }
        return hash
    }

    /// The name is `pings`.
    var isPings: Bool { low == 0x73_676E_6970 && high == 0 && !isForeign }

    /// The field it names; nil for one that is ignored. The constants are the names' bytes, little-endian.
    var field: PingField? {
        if isForeign { return nil }
        switch (low, high) {
        case (0x6465_6472_6F63_6572, 0x74_615F): return .recordedAt
        case (0x74_616C, 0): return .latitude
        case (0x67_6E6C, 0): return .longitude
        case (0x7963_6172_7563_6361, 0): return .accuracy
        case (0x64_6565_7073, 0): return .speed
        case (0x67_6E69_6461_6568, 0): return .heading
        case (0x6564_7574_6974_6C61, 0): return .altitude
        case (0x6563_7275_6F73, 0): return .source
        case (0x71_6573, 0): return .sequence
        case (0x5F6E_6F69_7373_6573, 0x6469): return .sessionID
        case (0x79_7265_7474_6162, 0): return .battery
        case (0x6B63_6F6D, 0): return .mock
        case (0x695F_7265_7669_7264, 0x64): return .driverID
        default: return nil
        }
    }
}

/// Which members a ping has had: none may stand twice, four must stand.
struct MemberRegister {
    private var seen: UInt16 = 0
    private var unknown = InlineArray<48, UInt64>(repeating: 0)
    private var unknownCount = 0

    /// Notes a known member; false where it stood before.
    @inline(__always)
    mutating func note(_ field: PingField) -> Bool {
        let bit = UInt16(1) << UInt16(field.rawValue)
        defer { seen |= bit }
        return seen & bit == 0
    }

    /// Notes a member that is ignored.
    mutating func noteUnknown(_ hash: UInt64) -> PingDefect? {
        for index in 0..<unknownCount where unknown[index] == hash { return .twice(nil) }
        guard unknownCount < PingDecoder.maximumMembers else { return .tooManyMembers }
        unknown[unknownCount] = hash
        unknownCount += 1
        return nil
    }

    /// Members that were null count as absent.
    @inline(__always)
    mutating func noteNull(_ field: PingField) {
        nulls |= UInt16(1) << UInt16(field.rawValue)
    }

    private var nulls: UInt16 = 0

    /// Finds what is missing once all members are read.
    @inline(__always)
    func complete(_ ping: inout DecodedPing) {
        // The four required fields are the first four of `PingField`.
        if ping.defect == nil, seen & ~nulls & 0b1111 != 0b1111 { ping.defect = missing }
    }

    private var missing: PingDefect? {
        for field in PingField.allCases.prefix(4) where seen & ~nulls & (1 << UInt16(field.rawValue)) == 0 {
            return .missing(field)
        }
        return nil
    }
}

extension JSONScanner {
    /// Reads a member, name and value, into `ping`, if its name is a usual one; takes nothing otherwise.
    @inline(__always)
    mutating func usualMember(
        of ping: inout DecodedPing, _ members: inout MemberRegister, _ input: Span<UInt8>
    ) throws(JSONError) -> Bool {
        skipSpace(input)
        guard let field = usualName(input) else { return false }
        try value(of: field, &ping, &members, input)
        return true
    }

    /// The field whose name stands next, quoted and with its colon, as devices write it: compared with the names whose
    /// first letter it has, a word at a time. Nil, with nothing taken, where `MemberKey` has to look.
    @inline(__always)
    private mutating func usualName(_ input: Span<UInt8>) -> PingField? {
        guard position + 1 < input.count else { return nil }
        let start = position
        var field: PingField?
        // The words are the quoted names' bytes, little-endian, eight at a time, the rest with the colon.
        switch input[position + 1] {
        case UInt8(ascii: "r"):
            if spells(input, 0x6564_726F_6365_7222, 8), spells(input, 0x3A_2274_615F_64, 6) { field = .recordedAt }
        case UInt8(ascii: "l"):
            if spells(input, 0x3A_2274_616C_22, 6) {
                field = .latitude
            } else if spells(input, 0x3A_2267_6E6C_22, 6) {
                field = .longitude
            }
        case UInt8(ascii: "a"):
            if spells(input, 0x6361_7275_6363_6122, 8), spells(input, 0x3A22_79, 3) { field = .accuracy }
        case UInt8(ascii: "s"):
            if spells(input, 0x3A22_6465_6570_7322, 8) {
                field = .speed
            } else if spells(input, 0x3A_2271_6573_22, 6) {
                field = .sequence
            }
        case UInt8(ascii: "h"):
            if spells(input, 0x676E_6964_6165_6822, 8), spells(input, 0x3A22, 2) { field = .heading }
        case UInt8(ascii: "d"):
            if spells(input, 0x5F72_6576_6972_6422, 8), spells(input, 0x3A22_6469, 4) { field = .driverID }
        default: break
        }
        if field == nil { position = start }
        return field
    }

    /// Reads the value of `key` into `ping`, or steps over it where no field has that name.
    @inline(__always)
    mutating func member(
        _ key: MemberKey, of ping: inout DecodedPing, _ members: inout MemberRegister, _ input: Span<UInt8>
    ) throws(JSONError) {
        guard let field = key.field else {
            if let defect = members.noteUnknown(key.hash(input)) { ping.defect = ping.defect ?? defect }
            return try skipValue(input)
        }
        try value(of: field, &ping, &members, input)
    }

    /// Reads a value; on one of the wrong kind notes the defect and steps over it.
    @inline(__always)
    private mutating func value(
        of field: PingField, _ ping: inout DecodedPing, _ members: inout MemberRegister, _ input: Span<UInt8>
    ) throws(JSONError) {
        if !members.note(field) { ping.defect = ping.defect ?? .twice(field) }
        switch peek(input) {
        case UInt8(ascii: "n"):
            _ = try literal(input)
            members.noteNull(field)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let number = try number(input)
            if !field.set(number, &ping) { ping.defect = ping.defect ?? .invalid(field) }
        case UInt8(ascii: "\""):
            let token = try string(input)
            if field == .driverID, !token.hasEscapes {
                ping.driver = DriverID(input.extracting(token.start..<token.end))
                if ping.driver == nil { ping.defect = ping.defect ?? .invalid(field) }
            } else if !field.set(JSONScanner.text(token, input), &ping) {
                ping.defect = ping.defect ?? .invalid(field)
            }
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            let word = try literal(input)
            if field == .mock {
                ping.ping.isMock = word == .true
            } else {
                ping.defect = ping.defect ?? .invalid(field)
            }
        default:
            // An array, an object, or no JSON at all, which skipValue tells.
            try skipValue(input)
            ping.defect = ping.defect ?? .invalid(field)
        }
    }
}

extension PingField {
    /// Takes a number; false where the field wants something else.
    @inline(__always)
    fileprivate func set(_ number: JSONNumber, _ decoded: inout DecodedPing) -> Bool {
        switch self {
        case .recordedAt: decoded.ping.recordedAt = number.scaled(by: 3)
        case .latitude: decoded.ping.latitude = Int32(clamping: number.scaled(by: 7))
        case .longitude: decoded.ping.longitude = Int32(clamping: number.scaled(by: 7))
        case .accuracy: decoded.ping.accuracy = Float(number.double)
        case .speed: decoded.ping.speed = Unit.speed(number.double)
        case .heading: decoded.ping.heading = Unit.heading(number.double)
        case .altitude: decoded.ping.altitude = Unit.altitude(number.double)
        case .battery: decoded.ping.battery = Unit.battery(number.double)
        case .sequence:
            guard let value = number.exactInteger, value >= 0 else { return false }
            decoded.ping.sequence = value
        case .source, .sessionID, .mock, .driverID: return false
        }
        return true
    }

    /// Takes a text (nil where it was longer than a `ShortText`); false where the field wants something else.
    fileprivate func set(_ text: ShortText?, _ decoded: inout DecodedPing) -> Bool {
        guard let text else { return false }
        switch self {
        case .recordedAt:
            guard let instant = Timestamp.parse(text) else { return false }
            decoded.ping.recordedAt = instant
        case .source:
            guard let source = PingSource(text) else { return false }
            decoded.ping.source = source
        case .sessionID:
            // Control characters have no place in a label, and Postgres refuses U+0000 in text (SQLSTATE 22021).
            for index in 0..<text.count where text[index] < 0x20 || text[index] == 0x7F { return false }
            decoded.ping.sessionID = text
        case .driverID:
            guard let driver = DriverID(text) else { return false }
            decoded.driver = driver
        default: return false
        }
        return true
    }
}

extension PingSource {
    /// The source of that name.
    init?(_ text: ShortText) {
        guard text.count <= 7 else { return nil }
        var packed: UInt64 = 0
        for index in 0..<text.count {
            // U+0000 looks like the packing's padding.
            guard text[index] != 0 else { return nil }
            packed |= UInt64(text[index]) << UInt64(8 * index)
        }
        switch packed {
        case 0x73_7067: self = .gps
        case 0x6B_726F_7774_656E: self = .network
        case 0x64_6573_7566: self = .fused
        case 0x6C61_756E_616D: self = .manual
        default: return nil
        }
    }
}
