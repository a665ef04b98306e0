/// How a platform's webhook is read as a ping: `system.incoming.NAME` of its file, checked once at the start.
import Crypto
import Foundation
import Tracking

/// One webhook's translation.
struct WebhookTranslation {
    /// A way into a JSON document, such as `delivery.driver.location.lat`; numbers count into arrays.
    struct Path {
        let parts: [String]

        func find(in document: JSONDocument) -> JSONDocument? {
            var found: JSONDocument? = document
            for part in parts {
                if case .array(let elements) = found {
                    found = Int(part).flatMap { elements.indices.contains($0) ? elements[$0] : nil }
                } else {
                    found = found?[part]
                }
            }
            if case .null = found { return nil }
            return found
        }

        /// A text, or a whole number as text: ids come as either.
        func text(in document: JSONDocument) -> String? {
            switch find(in: document) {
            case .string(let text): text
            case .number(let number): Int64(exactly: number).map(String.init)
            default: nil
            }
        }
    }

    /// A fixed text or a path to one.
    enum Text {
        case constant(String)
        case path(Path)

        func find(in document: JSONDocument) -> String? {
            switch self {
            case .constant(let text): text
            case .path(let path): path.text(in: document)
            }
        }
    }

    /// A number's place and what one of its units is in Drover's.
    struct Measure {
        let path: Path
        let factor: Double
    }

    /// How the sender signs its bodies.
    struct Signature {
        /// The header, in small letters.
        let header: String
        let secret: [UInt8]

        /// Whether `value` is the HMAC-SHA256 of the body, in hexadecimal or Base64, perhaps behind `sha256=` or `v1,`.
        func isOf(_ body: [UInt8], _ value: String) -> Bool {
            var text = value[...]
            for prefix in ["sha256=", "v1,", "v1="] where text.hasPrefix(prefix) { text = text.dropFirst(prefix.count) }
            guard let code = Self.hexadecimal(text) ?? Data(base64Encoded: String(text)) else { return false }
            return HMAC<SHA256>.isValidAuthenticationCode(
                code, authenticating: body, using: SymmetricKey(data: secret))
        }

        private static func hexadecimal(_ text: Substring) -> Data? {
            guard text.utf8.count == 64 else { return nil }
            let digits = text.compactMap(\.hexDigitValue)
            guard digits.count == 64 else { return nil }
            return Data((0..<32).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) })
        }
    }

    let driver: Path
    /// A statement that gives the driver, of what stands at `driver` and the platform; nil: it is the driver.
    let driverStatement: String?
    let latitude: Path
    let longitude: Path
    let recordedAt: Measure
    let accuracy: Path?
    /// Metres; what the accuracy is taken for where there is none.
    let defaultAccuracy: Double?
    let speed: Measure?
    let heading: Path?
    let altitude: Path?
    let source: PingSource?
    let event: Path
    let platform: Text?
    /// Of the key that remembers an event, what stands before, between and behind what varies.
    let key: String
    /// How long an event is remembered, in seconds.
    let lifeSeconds: Int
    let signature: Signature?

    /// The event's key; nil where its id is missing or longer than a key should be.
    func key(of document: JSONDocument) -> String? {
        guard let event = event.text(in: document), (1...200).contains(event.utf8.count) else { return nil }
        let platform = platform?.find(in: document) ?? ""
        guard platform.utf8.count <= 100 else { return nil }
        return key.replacingOccurrences(of: "{platform}", with: platform)
            .replacingOccurrences(of: "{event}", with: event)
    }

    /// The body as a native ping (API.md, "A native ping") of `driver`. What is missing stays missing: the judge names it.
    func ping(_ document: JSONDocument, of driver: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.raw("{\"driver_id\":")
        writer.string(driver)
        switch recordedAt.path.find(in: document) {
        case .string(let text):
            writer.raw(",\"recorded_at\":")
            writer.string(text)
        case .number(let number) where abs(number) < 1e15:
            writer.raw(",\"recorded_at\":\(Int64((number * recordedAt.factor).rounded()))")
        default: break
        }
        writer.number("lat", latitude.find(in: document)?.number)
        writer.number("lng", longitude.find(in: document)?.number)
        writer.number("accuracy", accuracy?.find(in: document)?.number ?? defaultAccuracy)
        writer.number(
            "speed", speed.flatMap { speed in speed.path.find(in: document)?.number.map { $0 * speed.factor } })
        writer.number("heading", heading?.find(in: document)?.number)
        writer.number("altitude", altitude?.find(in: document)?.number)
        if let source { writer.raw(",\"source\":\"\(source.name)\"") }
        writer.raw("}")
        return writer.bytes
    }
}

extension JSONWriter {
    /// `,"name":value` where it is known.
    fileprivate mutating func number(_ name: String, _ value: Double?) {
        guard let value, value.isFinite else { return }
        raw(",\"\(name)\":\(value)")
    }
}
