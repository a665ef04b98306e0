/// A layout as a hash in Redis: written from the newest position without an allocation, and read back after a restart.
import RedisClient
import Tracking

/// Writes a driver's hash: what never changes was put into the protocol's own bytes once.
struct HashLayout {
    private struct Field {
        /// The name, and the value too where it is constant.
        let bytes: [UInt8]
        /// For HDEL.
        let name: [UInt8]
        let value: FieldLayout.Value?
        let unit: FieldLayout.Unit?
    }

    /// The field that says when the fix was made, by which two positions are compared.
    struct GuardField {
        let name: String
        /// Whether its values are compared as text: ISO 8601 in one fixed form. Else they are numbers.
        let isText: Bool
    }

    /// Nil where the layout has none.
    let guardField: GuardField?
    private let guardUnit: FieldLayout.Unit?
    private let fields: [Field]
    /// How many fields are always known.
    private let alwaysKnown: Int
    private let hasSpeed: Int
    private let hasHeading: Int
    /// HSET of so many optional fields.
    private let hset: [[UInt8]]

    private static let pointBegin = Array("{\"type\":\"Point\",\"coordinates\":[".utf8)
    private static let pointEnd = Array("]}".utf8)
    private static let wktBegin = Array("POINT(".utf8)

    init(_ layout: FieldLayout) {
        fields = layout.fields.map { field in
            let name = RedisCommands.template([field.name], of: 0)
            switch field.content {
            case .constant(let text):
                return Field(
                    bytes: RedisCommands.template([field.name, text], of: 0), name: name, value: nil, unit: nil)
            case .value(let value, let unit): return Field(bytes: name, name: name, value: value, unit: unit)
            }
        }
        var found: (name: String, unit: FieldLayout.Unit?)?
        for field in layout.fields {
            if case .value(.recordedAt, let unit) = field.content, found == nil { found = (field.name, unit) }
        }
        guardField = found.map { GuardField(name: $0.name, isText: $0.unit == .iso) }
        guardUnit = found?.unit
        hasSpeed = fields.count { $0.value == .speed }
        hasHeading = fields.count { $0.value == .heading }
        let count = fields.count
        let optional = hasSpeed + hasHeading
        alwaysKnown = count - optional
        hset = (0...optional).map { RedisCommands.template(["HSET"], of: 2 + 2 * (count - optional + $0)) }
    }

    /// Appends the HSET of what is known and the HDEL of what is not: what became unknown must not stay behind as if it
    /// were known. `latitude` and `longitude` are the position's own.
    func append(
        _ id: DriverID, _ position: Position, _ latitude: DecimalText, _ longitude: DecimalText, at key: KeyTemplate,
        to commands: inout RedisCommands
    ) {
        let known = (position.speed == nil ? 0 : hasSpeed) + (position.heading == nil ? 0 : hasHeading)
        let unknown = hasSpeed + hasHeading - known
        // A layout of optional fields alone may leave nothing to set.
        if alwaysKnown + known > 0 {
            commands.begin(template: hset[known])
            key.append(id, to: &commands)
            for index in fields.indices { append(index, id, position, latitude, longitude, &commands) }
        }
        guard unknown > 0 else { return }
        commands.begin(arguments: 2 + unknown)
        commands.argument("HDEL")
        key.append(id, to: &commands)
        appendUnknown(position, to: &commands)
    }

    /// Appends a hash's part of a guarded call: the fix time as it is compared, the life, and what is set and dropped with
    /// their numbers. Returns how many arguments that are.
    func appendGuarded(
        _ id: DriverID, _ position: Position, _ latitude: DecimalText, _ longitude: DecimalText,
        _ lifeMilliseconds: Int64, to commands: inout RedisCommands
    ) -> Int {
        let known = (position.speed == nil ? 0 : hasSpeed) + (position.heading == nil ? 0 : hasHeading)
        let sets = 2 * (alwaysKnown + known)
        let drops = hasSpeed + hasHeading - known
        commands.instant(position.recordedAt, guardUnit)
        commands.number(DecimalText(lifeMilliseconds))
        commands.number(DecimalText(Int64(sets)))
        commands.number(DecimalText(Int64(drops)))
        for index in fields.indices { append(index, id, position, latitude, longitude, &commands) }
        if drops > 0 { appendUnknown(position, to: &commands) }
        return 4 + sets + drops
    }

    /// Appends the names of what is not known.
    private func appendUnknown(_ position: Position, to commands: inout RedisCommands) {
        for index in fields.indices {
            switch fields[index].value {
            case .speed: if position.speed == nil { commands.constant(fields[index].name) }
            case .heading: if position.heading == nil { commands.constant(fields[index].name) }
            default: break
            }
        }
    }

    @inline(__always)
    private func append(
        _ index: Int, _ id: DriverID, _ position: Position, _ latitude: DecimalText, _ longitude: DecimalText,
        _ commands: inout RedisCommands
    ) {
        switch fields[index].value {
        case .speed: if position.speed == nil { return }
        case .heading: if position.heading == nil { return }
        default: break
        }
        commands.constant(fields[index].bytes)
        let unit = fields[index].unit
        switch fields[index].value {
        case .latitude: commands.number(latitude)
        case .longitude: commands.number(longitude)
        case .accuracy: commands.number(DecimalText(thousandths: position.accuracy))
        case .speed:
            let speed = position.speed ?? 0
            commands.number(
                DecimalText(thousandths: unit == .mps ? speed : Float(Double(speed) * (unit?.factor ?? 1))))
        case .heading:
            let heading = position.heading ?? 0
            // 359.9996° would print as 360, which is out of range: north is 0.
            commands.number(DecimalText(thousandths: heading >= 359.9995 ? 0 : heading))
        case .recordedAt: commands.instant(position.recordedAt, unit)
        case .receivedAt: commands.instant(position.receivedAt, unit)
        case .driver: commands.argument(count: id.text.count) { id.text.append(to: &$0) }
        case .point:
            switch unit {
            case .wkt: commands.pair(Self.wktBegin, longitude, UInt8(ascii: " "), latitude, [UInt8(ascii: ")")])
            case .latlng: commands.pair([], latitude, UInt8(ascii: ","), longitude, [])
            default: commands.pair(Self.pointBegin, longitude, UInt8(ascii: ","), latitude, Self.pointEnd)
            }
        case nil: break
        case .order, .user, .age, .id, .type, .status, .at, .notes, .eta, .confidence, .distance:
            // `FieldLayout.init` has refused them for hashes.
            commands.argument("")
        }
    }
}

extension RedisCommands {
    @inline(__always)
    fileprivate mutating func number(_ value: DecimalText) {
        argument(count: value.count) { value.append(to: &$0) }
    }

    @inline(__always)
    fileprivate mutating func instant(_ instant: Microseconds, _ unit: FieldLayout.Unit?) {
        switch unit {
        case .iso: argument(count: Timestamp.textBytes) { Timestamp.append(instant, to: &$0) }
        case .s: number(DecimalText(DecimalText.milliseconds(instant), decimals: 3))
        default: number(DecimalText(DecimalText.milliseconds(instant)))
        }
    }

    @inline(__always)
    fileprivate mutating func pair(
        _ begin: [UInt8], _ first: DecimalText, _ separator: UInt8, _ second: DecimalText, _ end: [UInt8]
    ) {
        argument(count: begin.count + first.count + 1 + second.count + end.count) { output in
            for byte in begin { output.append(byte) }
            first.append(to: &output)
            output.append(separator)
            second.append(to: &output)
            for byte in end { output.append(byte) }
        }
    }
}

/// Reads a hash that was written by a layout.
struct HashReader {
    /// The fields to ask for, in the order in which their values are read.
    let names: [String]
    private let contents: [(FieldLayout.Value, FieldLayout.Unit?)]
    private let hasAccuracy: Bool
    private let accuracyLimit: Float

    /// - Parameter accuracyLimit: metres; what a position is taken for where the layout holds no accuracy: the worst that
    ///   the judge lets pass.
    init(_ layout: FieldLayout, accuracyLimit: Double) {
        var names: [String] = []
        var contents: [(FieldLayout.Value, FieldLayout.Unit?)] = []
        for field in layout.fields {
            guard case .value(let value, let unit) = field.content, value != .driver else { continue }
            names.append(field.name)
            contents.append((value, unit))
        }
        self.names = names
        self.contents = contents
        hasAccuracy = contents.contains { $0.0 == .accuracy }
        self.accuracyLimit = Float(accuracyLimit)
        let hasPlace =
            contents.contains { $0.0 == .point }
            || contents.contains { $0.0 == .latitude } && contents.contains { $0.0 == .longitude }
        isReadable = hasPlace && contents.contains { $0.0 == .recordedAt }
    }

    /// Whether the hash says where and when: without that nothing can be recalled from it, and history has to do.
    let isReadable: Bool

    /// The position in the values of `names`; nil where the hash is missing or not whole.
    func position(_ values: [String?]) -> Position? {
        guard isReadable, values.count == contents.count else { return nil }
        var latitude: Double?
        var longitude: Double?
        var accuracy: Float?
        var speed: Float?
        var heading: Float?
        var recordedAt: Microseconds?
        var receivedAt: Microseconds?
        for (index, (value, unit)) in contents.enumerated() {
            guard let text = values[index] else { continue }
            switch value {
            case .latitude: latitude = Double(text) ?? latitude
            case .longitude: longitude = Double(text) ?? longitude
            case .point:
                guard let point = Self.point(text, unit) else { break }
                latitude = latitude ?? point.latitude
                longitude = longitude ?? point.longitude
            case .accuracy: accuracy = Float(text)
            case .speed: speed = Double(text).flatMap { Unit.speed($0 / (unit?.factor ?? 1)) }
            case .heading: heading = Double(text).flatMap(Unit.heading)
            case .recordedAt: recordedAt = recordedAt ?? Self.instant(text, unit)
            case .receivedAt: receivedAt = receivedAt ?? Self.instant(text, unit)
            default: break
            }
        }
        if !hasAccuracy { accuracy = accuracyLimit }
        guard let latitude, let longitude, let accuracy, let recordedAt, abs(latitude) <= 90, abs(longitude) <= 180,
            accuracy > 0
        else { return nil }
        return Position(
            recordedAt: recordedAt, receivedAt: receivedAt ?? recordedAt,
            latitude: Int32((latitude * 1e7).rounded()), longitude: Int32((longitude * 1e7).rounded()),
            accuracy: accuracy, speed: speed, heading: heading)
    }

    private static func instant(_ text: String, _ unit: FieldLayout.Unit?) -> Microseconds? {
        switch unit {
        case .iso: return ShortText(text).flatMap(Timestamp.parse)
        case .s:
            guard let seconds = Double(text), abs(seconds) < 1e12 else { return nil }
            return Int64((seconds * 1_000).rounded()) * 1_000
        default:
            guard let milliseconds = Int64(text), milliseconds.magnitude < 1 << 50 else { return nil }
            return milliseconds * 1_000
        }
    }

    /// The two numbers of a point; where they stand is what the unit says.
    private static func point(_ text: String, _ unit: FieldLayout.Unit?) -> (latitude: Double, longitude: Double)? {
        let numbers = text.split { !($0.isNumber || $0 == "-" || $0 == "." || $0 == "+") }.compactMap { Double($0) }
        guard numbers.count == 2 else { return nil }
        return unit == .latlng ? (numbers[0], numbers[1]) : (numbers[1], numbers[0])
    }
}
