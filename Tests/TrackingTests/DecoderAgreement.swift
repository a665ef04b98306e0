// Compares PingDecoder with Foundation's JSON parser, which knows nothing of pings. Shared by the property test and the
// fuzz target.

import Foundation
import Tracking

/// Decodes a document in both ways and says where they differ.
///
/// Foundation is laxer than RFC 8259 in two ways, and only these may explain that Drover refuses what it takes: it
/// guesses UTF-16 and UTF-32 and skips a byte order mark, and it takes a comma before a closing bracket. It is narrower
/// in two: it refuses numbers beyond `Double`, and nesting deeper than 512. It also drops a byte order mark at the
/// start of a string, so with one in the document only acceptance is compared.
struct DecoderAgreement {
    private var batch = PingBatch()
    private var scratch = PingBatch()

    /// Nil where both agree, otherwise what differs.
    mutating func difference(on input: [UInt8], maximumPings: Int, allowsEnvelope: Bool) -> String? {
        let general: Result<Any, any Error> = Result {
            try JSONSerialization.jsonObject(with: Data(input), options: [.fragmentsAllowed])
        }
        do throws(PingDecodingError) {
            try PingDecoder.decode(
                input.span, into: &batch, maximumPings: maximumPings, allowsEnvelope: allowsEnvelope)
        } catch {
            guard batch.pings.isEmpty else { return "refused, but the batch holds \(batch.pings.count) pings" }
            return refusal(error, general, input, allowsEnvelope)
        }
        switch general {
        case .failure(let error): return isBeyondFoundation(error) ? nil : "accepted, but Foundation: \(error)"
        case .success(let value):
            return hasByteOrderMark(input) ? nil : comparePings(with: value, input, allowsEnvelope)
        }
    }

    private func hasByteOrderMark(_ input: [UInt8]) -> Bool {
        input.indices.dropLast(2).contains { input[$0] == 0xEF && input[$0 + 1] == 0xBB && input[$0 + 2] == 0xBF }
    }

    // MARK: Refusals

    private mutating func refusal(
        _ error: PingDecodingError, _ general: Result<Any, any Error>, _ input: [UInt8], _ allowsEnvelope: Bool
    ) -> String? {
        switch (error, general) {
        case (.notJSON(let offset), _) where !(0...input.count).contains(offset):
            return "the offset \(offset) is outside the document"
        case (.notJSON, .failure): return nil
        case (.notJSON(let offset), .success):
            return isExplained(input) ? nil : "not JSON at byte \(offset), but Foundation takes it"
        case (.notPings, .failure(let error)):
            return isBeyondFoundation(error) ? nil : "JSON but no pings, yet Foundation: \(error)"
        case (.notPings, .success(let value)):
            if value is [Any] { return "an array is a list of pings" }
            guard let object = value as? [String: Any] else { return nil }
            return allowsEnvelope && object["pings"] != nil ? nil : "an object is a ping"
        case (.tooDeep, _):
            let brackets = input.count { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }
            return brackets > 32 ? nil : "too deep with \(brackets) brackets"
        case (.tooMany(let limit), _):
            let commas = input.count { $0 == UInt8(ascii: ",") }
            return commas >= limit ? nil : "more than \(limit) pings with \(commas) commas"
        }
    }

    private func isBeyondFoundation(_ error: any Error) -> Bool {
        let text = "\(error)"
        return text.contains("is not representable") || text.contains("Too many nested")
    }

    private mutating func isExplained(_ input: [UInt8]) -> Bool {
        let head = input.prefix(4)
        if head.contains(0) || head.starts(with: [0xEF, 0xBB, 0xBF]) || head.starts(with: [0xFE, 0xFF])
            || head.starts(with: [0xFF, 0xFE])
        {
            return true
        }
        let strict = Self.withoutTrailingCommas(input)
        guard strict.count < input.count else { return false }
        do throws(PingDecodingError) {
            try PingDecoder.decode(strict.span, into: &scratch, maximumPings: .max, allowsEnvelope: true)
        } catch {
            if case .notJSON = error { return false }
        }
        return true
    }

    /// The document without each comma, outside strings, after which only white space stands before `]` or `}`.
    private static func withoutTrailingCommas(_ input: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var isInString = false
        var isEscaped = false
        for (index, byte) in input.enumerated() {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte == UInt8(ascii: ",") {
                let next = input[(index + 1)...].first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
                if next == UInt8(ascii: "]") || next == UInt8(ascii: "}") { continue }
            }
            output.append(byte)
        }
        return output
    }

    // MARK: Values

    private func comparePings(with value: Any, _ input: [UInt8], _ allowsEnvelope: Bool) -> String? {
        let elements: [Any]
        if let list = value as? [Any] {
            elements = list
        } else if let object = value as? [String: Any] {
            elements = allowsEnvelope ? object["pings"] as? [Any] ?? [object] : [object]
        } else {
            return "accepted, though it is neither an object nor an array"
        }
        guard elements.count == batch.pings.count else {
            return "\(batch.pings.count) pings instead of \(elements.count)"
        }
        for (index, element) in elements.enumerated() {
            if let difference = GeneralPing(element, input).difference(from: batch.pings[index]) {
                return "ping \(index): \(difference)"
            }
        }
        return nil
    }
}

/// A ping as Foundation sees it: of a member that stands twice it keeps one.
private struct GeneralPing {
    let members: [String: Any]?
    let input: [UInt8]

    init(_ element: Any, _ input: [UInt8]) {
        members = element as? [String: Any]
        self.input = input
    }

    func difference(from decoded: DecodedPing) -> String? {
        guard let members else { return decoded.defect == .notAnObject ? nil : "not an object, but taken as one" }
        switch decoded.defect {
        case nil: break
        case .notAnObject: return "an object, but not taken as one"
        case .notAFeature, .notAPoint: return "a native ping, but read as GeoJSON"
        case .missing(let field):
            return value(field) == nil || mayStandTwice(field) ? nil : "\(field) is there, but called missing"
        case .invalid(let field):
            return value(field).map { !isValid($0, field) } ?? false || mayStandTwice(field)
                ? nil : "\(field) is valid, but called invalid"
        case .twice(let field?): return mayStandTwice(field) ? nil : "\(field) stands once, but is called twice"
        case .twice(nil), .tooManyMembers:
            return input.count { $0 == UInt8(ascii: ":") } > min(members.count, 48) ? nil : "no member too many"
        }
        for field in PingField.allCases {
            if let value = value(field) {
                guard isValid(value, field) else { return "\(field) is invalid, but was taken: \(value)" }
            } else if field.rawValue < 4 {
                return "\(field) is missing, but the ping was taken"
            }
            guard agrees(decoded, field) else {
                return "\(field): \(members[field.text] ?? "absent") became \(decoded)"
            }
        }
        return nil
    }

    /// The member, unless absent or null.
    private func value(_ field: PingField) -> Any? {
        guard let value = members?[field.text], !(value is NSNull) else { return nil }
        return value
    }

    /// Whether the document could name the member more than once, as far as its bytes tell.
    private func mayStandTwice(_ field: PingField) -> Bool {
        let text = String(decoding: input, as: UTF8.self)
        return text.components(separatedBy: "\"\(field.text)\"").count > 2 || text.contains("\\u")
    }

    private func isValid(_ value: Any, _ field: PingField) -> Bool {
        switch field {
        case .recordedAt:
            number(value) != nil || (value as? String).flatMap { ShortText($0) }.flatMap(Timestamp.parse) != nil
        case .latitude, .longitude, .accuracy, .speed, .heading, .altitude, .battery: number(value) != nil
        case .sequence: sequence(value) != nil
        case .source: (value as? String).map { text in PingSource.allCases.contains { "\($0.name)" == text } } ?? false
        case .sessionID:
            (value as? String).map { text in
                text.utf8.count <= 64 && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
            } ?? false
        case .mock: isBoolean(value)
        case .driverID: (value as? String).map { DriverID($0) != nil } ?? false
        }
    }

    private func agrees(_ decoded: DecodedPing, _ field: PingField) -> Bool {
        let ping = decoded.ping
        let value = value(field)
        let number = value.flatMap(number)
        switch field {
        case .recordedAt: return number.map { isNear(ping.recordedAt, $0 * 1e3, bound: 0x1p60) } ?? (value is String)
        case .latitude: return isNear(Int64(ping.latitude), number! * 1e7, bound: Double(Int32.max))
        case .longitude: return isNear(Int64(ping.longitude), number! * 1e7, bound: Double(Int32.max))
        case .accuracy: return isNear(ping.accuracy, number) { $0 }
        case .speed: return isNear(ping.speed, number) { $0 >= 0 && $0.isFinite ? $0 : nil }
        case .heading: return isNear(ping.heading, number) { $0 == 360 ? 0 : $0 >= 0 && $0 < 360 ? $0 : nil }
        case .altitude: return isNear(ping.altitude, number) { $0 >= -12_000 && $0 <= 100_000 ? $0 : nil }
        case .battery: return isNear(ping.battery, number) { $0 >= 0 && $0 <= 1 ? $0 : nil }
        case .sequence: return ping.sequence == value.flatMap(sequence)
        case .source: return ping.source.map { "\($0.name)" } == value as? String
        case .sessionID: return ping.sessionID.string == value as? String ?? ""
        case .mock: return ping.isMock == (value as? Bool ?? false)
        case .driverID: return decoded.driver?.string == value as? String
        }
    }

    // MARK: Kinds of values

    private func isBoolean(_ value: Any) -> Bool {
        guard let number = value as? NSNumber else { return false }
        let kind = String(cString: number.objCType)
        return kind == "c" || kind == "B"
    }

    private func number(_ value: Any) -> Double? {
        isBoolean(value) ? nil : (value as? NSNumber)?.doubleValue
    }

    /// A number written without fraction or exponent that an `Int64` holds.
    private func sequence(_ value: Any) -> Int64? {
        guard let number = value as? NSNumber, !isBoolean(value), String(cString: number.objCType) != "d" else {
            return nil
        }
        return Int64(exactly: number).flatMap { $0 >= 0 ? $0 : nil }
    }

    /// Whether `ours` is `exact` rounded, or saturated beyond `bound`. `exact` has gone through `Double`.
    private func isNear(_ ours: Int64, _ exact: Double, bound: Double) -> Bool {
        let bounded = max(-bound, min(exact, bound))
        return abs(Double(ours) - bounded) <= 0.5 + abs(bounded) * 0x1p-50 + (abs(bounded) == bound ? 1 : 0)
    }

    /// Whether `ours` is what `rule` makes of `exact` or of one of its neighbours a few units in the last place away.
    private func isNear(_ ours: Float?, _ exact: Double?, _ rule: (Float) -> Float?) -> Bool {
        guard let exact else { return ours == nil }
        return [exact, exact * (1 + 0x1p-49), exact * (1 - 0x1p-49)].contains { rule(Float($0)) == ours }
    }
}

extension PingField {
    fileprivate var text: String { "\(name)" }
}
