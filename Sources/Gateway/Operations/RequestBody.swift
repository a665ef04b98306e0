/// What a backend sends to steer: a JSON object, read strictly, each refusal saying which member is wrong.
import Tracking
import WebServer

/// A request that is answered with a problem.
struct RequestRefusal: Error {
    let response: WebResponse

    /// 400 `bad_request`.
    static func badRequest(_ detail: String) -> RequestRefusal {
        RequestRefusal(response: Problem.response(400, "bad_request", detail))
    }

    /// 400 `bad_subject`.
    static func badSubject(_ detail: String) -> RequestRefusal {
        RequestRefusal(response: Problem.response(400, "bad_subject", detail))
    }
}

/// The object in a request's body. Members that are null count as absent, those it is not asked for are ignored.
struct RequestBody {
    private let object: JSONDocument

    /// Throws 415 for another media type, 400 for what is not a JSON object or has a member twice.
    init(_ request: WebRequest) throws(RequestRefusal) {
        if let encoding = request.headers["content-encoding"], encoding.lowercased() != "identity" {
            throw RequestRefusal(
                response: Problem.response(415, "media_type", "bodies are not decompressed here; send them as they are")
            )
        }
        let type = request.headers["content-type"]?.split(separator: ";").first?.lowercased() ?? "application/json"
        guard type.filter({ $0 != " " }) == "application/json" else {
            throw RequestRefusal(response: Problem.response(415, "media_type", "send this as application/json"))
        }
        guard let document = JSONDocument(request.body.span) else {
            throw RequestRefusal(
                response: Problem.response(400, "malformed_json", "the body is not JSON, or has a member twice"))
        }
        guard case .object = document else { throw .badRequest("the body is a JSON object") }
        object = document
    }

    private init(_ object: JSONDocument) {
        self.object = object
    }

    private func member(_ name: String) -> JSONDocument? {
        switch object[name] {
        case .null, nil: nil
        case let value: value
        }
    }

    /// Whether there is such a member, null included.
    func has(_ name: String) -> Bool { object[name] != nil }

    /// An object within; nil where there is none.
    func nested(_ name: String) throws(RequestRefusal) -> RequestBody? {
        guard let value = member(name) else { return nil }
        guard case .object = value else { throw .badRequest("\(name) is an object, or null") }
        return RequestBody(value)
    }

    /// A number within `range`; nil where there is none.
    func number(_ name: String, in range: ClosedRange<Double>) throws(RequestRefusal) -> Double? {
        guard let value = member(name) else { return nil }
        guard let number = value.number, range.contains(number) else {
            throw .badRequest("\(name) is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A whole number within `range`; nil where there is none.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(RequestRefusal) -> Int? {
        guard let value = member(name) else { return nil }
        guard let number = value.number.flatMap({ Int(exactly: $0) }), range.contains(number) else {
            throw .badRequest("\(name) is a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// `true` or `false`; nil where there is neither.
    func flag(_ name: String) throws(RequestRefusal) -> Bool? {
        switch member(name) {
        case nil: return nil
        case .boolean(let value): return value
        default: throw .badRequest("\(name) is true or false")
        }
    }

    /// A text of 1 to `limit` characters without control characters; nil where there is none.
    func text(_ name: String, atMost limit: Int) throws(RequestRefusal) -> String? {
        guard let value = member(name) else { return nil }
        guard let text = value.string, (1...limit).contains(text.count), text.utf8.count <= limit * 4,
            text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else { throw .badRequest("\(name) is a text of 1 to \(limit) characters, none of them a control character") }
        return text
    }

    /// A list of texts, each once and in the order of their first appearance.
    func texts(_ name: String, _ count: ClosedRange<Int>) throws(RequestRefusal) -> [String] {
        guard let list = member(name)?.strings else { throw .badRequest("\(name) is a list of texts") }
        var seen: Set<String> = []
        let unique = list.filter { seen.insert($0).inserted }
        guard count.contains(unique.count) else {
            throw .badRequest("\(name) has \(count.lowerBound) to \(count.upperBound) entries")
        }
        return unique
    }
}
