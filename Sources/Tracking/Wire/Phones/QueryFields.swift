/// Names and values as apps put them into a URL's query or a form's body.

/// The fields of one request, in order.
public struct QueryFields: Sendable {
    /// The most fields that are looked at; GPSLogger's longest template has 25.
    static let maximumFields = 256

    private var fields: [(name: String, value: String)]

    /// Fields that are decoded already. What is empty says nothing.
    public init(_ fields: [(name: String, value: String)]) {
        self.fields = fields.prefix(Self.maximumFields).filter { !$0.value.isEmpty }
    }

    /// Adds those of an `application/x-www-form-urlencoded` body (https://url.spec.whatwg.org/#urlencoded-parsing).
    public mutating func add(form body: Span<UInt8>) {
        var start = 0
        while start < body.count, fields.count < Self.maximumFields {
            var end = start
            while end < body.count, body[end] != UInt8(ascii: "&") { end += 1 }
            var separator = start
            while separator < end, body[separator] != UInt8(ascii: "=") { separator += 1 }
            let value = separator < end ? Self.decoded(body, (separator + 1)..<end) : ""
            if !value.isEmpty { fields.append((Self.decoded(body, start..<separator), value)) }
            start = end + 1
        }
    }

    private static func decoded(_ body: Span<UInt8>, _ range: Range<Int>) -> String {
        var bytes: [UInt8] = []
        var index = range.lowerBound
        while index < range.upperBound {
            switch body[index] {
            case UInt8(ascii: "+"): bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard index + 2 < range.upperBound, let high = digit(body[index + 1]), let low = digit(body[index + 2])
                else { fallthrough }
                bytes.append(high << 4 | low)
                index += 2
            default: bytes.append(body[index])
            }
            index += 1
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// The value of the first of these names that the request has; the query goes before the body. Longer ones than 64
    /// bytes are none.
    func text(_ names: String...) -> ShortText? { first(names) }

    /// The same as a number.
    func number(_ names: String...) -> Double? { number(names) }

    /// The same as a number.
    func number(_ names: [String]) -> Double? { first(names).flatMap { PhoneText.number($0) }?.double }

    /// The same as a number, of apps that write 0 for what they do not know.
    func nonzero(_ names: [String]) -> Double? { number(names).flatMap { $0 == 0 ? nil : $0 } }

    /// The same in degrees, to 10⁻⁷.
    func degrees(_ names: String...) -> Degrees7? {
        first(names).flatMap { PhoneText.number($0) }.map { Int32(clamping: $0.scaled(by: 7)) }
    }

    /// The same as true or false.
    func flag(_ name: String) -> Bool? { first([name]).flatMap { PhoneText.flag($0) } }

    /// The same as a driver's id.
    func label(_ names: String...) -> DriverID? { first(names).flatMap { DriverID($0) } }

    private func first(_ names: [String]) -> ShortText? {
        for name in names {
            for field in fields where field.name == name { return ShortText(field.value) }
        }
        return nil
    }
}
