// JSON as the tests read it: parsed by Foundation, so that the gateway's own writer is checked by somebody else.

import Foundation
import Testing

/// A value of a JSON document; what is not there is `null`.
struct JSON: CustomStringConvertible {
    private let value: Any?

    init(_ value: Any?) {
        self.value = value is NSNull ? nil : value
    }

    /// Parses a document.
    init(parsing text: String) throws {
        do {
            self.init(try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed))
        } catch {
            throw OutOfTime(description: "not JSON: \(text)")
        }
    }

    subscript(name: String) -> JSON { JSON((value as? [String: Any])?[name]) }
    subscript(index: Int) -> JSON { JSON((value as? [Any]).flatMap { $0.indices.contains(index) ? $0[index] : nil }) }

    var isNull: Bool { value == nil }
    var string: String? { value as? String }
    var integer: Int64? { (value as? NSNumber)?.int64Value }
    var number: Double? { (value as? NSNumber)?.doubleValue }
    var flag: Bool? { value as? Bool }
    var array: [JSON] { (value as? [Any])?.map { JSON($0) } ?? [] }
    var names: [String] { (value as? [String: Any])?.keys.sorted() ?? [] }

    var description: String {
        guard let value, let data = try? JSONSerialization.data(withJSONObject: value, options: .fragmentsAllowed)
        else { return "null" }
        return String(decoding: data, as: UTF8.self)
    }
}
