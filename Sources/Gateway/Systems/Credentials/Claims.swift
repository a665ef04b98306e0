/// What a platform says of a credential, by the platform's own names: the columns of a row, the members of a Redis session,
/// the claims of a JWT. Everything that Drover takes from them is read here, whatever form the platform gave it.
import Tracking

/// Claims, asked for by Drover's names or the platform's.
struct Claims: Equatable {
    /// The platform's name by Drover's, where they differ.
    private let names: [String: String]
    private var values: [String: JSONDocument]

    init(_ values: [String: JSONDocument], names: [String: String]) {
        self.names = names
        self.values = values
    }

    /// More of them, such as the columns of a check; of two with one name the new one counts.
    mutating func join(_ more: Claims) {
        values.merge(more.values) { _, new in new }
    }

    /// A claim by Drover's name for it, or the platform's; a name such as `data.user.id` leads into objects. Nil where it
    /// is missing or null.
    subscript(name: String) -> JSONDocument? {
        let own = names[name] ?? name
        var value = values[own]
        if value == nil, own.contains(".") {
            let steps = own.split(separator: ".").map(String.init)
            value = steps.dropFirst().reduce(values[steps[0]]) { $0?[$1] }
        }
        return value == .null ? nil : value
    }

    /// A text, or a whole number or truth value as text; nil of anything else, and of the empty text.
    func text(_ name: String) -> String? {
        switch self[name] {
        case .string(let text): text.isEmpty ? nil : text
        // Beyond 2^53 neighbours are the same `Double`: such an id would be somebody else's.
        case .number(let number): number.rounded() == number && abs(number) < 0x1p53 ? String(Int64(number)) : nil
        case .boolean(let flag): flag ? "true" : "false"
        case .object, .array, .null, nil: nil
        }
    }

    /// Whether it is true: `true`, or `true`, `t`, `yes`, `1` as text or number, as Postgres and PHP, Ruby, Python write it.
    func isTrue(_ name: String) -> Bool {
        text(name).map { ["true", "t", "yes", "y", "1"].contains($0.lowercased()) } ?? false
    }

    /// A list: an array, or a text that is a JSON array, an array as Postgres prints it, or words between spaces, as OAuth's
    /// `scope` has them (RFC 6749 section 3.3). Nil where it is missing or holds something else than texts.
    func texts(_ name: String) -> [String]? {
        switch self[name] {
        case .array(let elements): return JSONDocument.array(elements).strings
        case .string(let text):
            if text.hasPrefix("["), let document = JSONDocument(text) { return document.strings }
            if text.hasPrefix("{"), text.hasSuffix("}") { return Self.elements(ofPostgresArray: text) }
            return text.split(whereSeparator: \.isWhitespace).map(String.init)
        case .number, .boolean, .object, .null, nil: return nil
        }
    }

    /// An instant in wall microseconds; see `ClaimTime`. Nil where it is missing or none.
    func instant(_ name: String) -> Microseconds? {
        switch self[name] {
        case .number(let number): ClaimTime.instant(number)
        case .string(let text): ClaimTime.instant(text)
        case .boolean, .object, .array, .null, nil: nil
        }
    }

    /// `{"requests":1000,"period":900000}`, the period in milliseconds, as an object or as text of one.
    func quota(_ name: String) -> RequestQuota? {
        guard var value = self[name] else { return nil }
        if case .string(let text) = value, let document = JSONDocument(text) { value = document }
        guard let requests = value["requests"]?.number.flatMap({ Int64(exactly: $0) }),
            let period = value["period"]?.number.flatMap({ Int64(exactly: $0) })
        else { return nil }
        return RequestQuota(requests: requests, periodMilliseconds: period)
    }

    /// The elements of `{a,"b c",NULL}` (PostgreSQL manual, section 8.15.6) of one dimension; nil where it is no such text.
    private static func elements(ofPostgresArray text: String) -> [String]? {
        var elements: [String] = []
        var element = ""
        var isQuoted = false
        var wasQuoted = false
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            if isEscaped {
                element.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
                wasQuoted = true
            } else if character == ",", !isQuoted {
                if wasQuoted || element != "NULL" { elements.append(element) }
                (element, wasQuoted) = ("", false)
            } else if character == "{" || character == "}", !isQuoted {
                return nil
            } else {
                element.append(character)
            }
        }
        guard !isQuoted, !isEscaped else { return nil }
        if wasQuoted || !(element.isEmpty || element == "NULL") { elements.append(element) }
        return elements
    }
}

extension JSONDocument {
    /// A document from its text; nil where it is none.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(bytes.span)
    }
}
