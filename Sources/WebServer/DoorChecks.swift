/// What libwebsockets 4.1.6 lets through and a strict server must not: every check of ours at the door, in one place.
///
/// The measurements behind it are of Debian 12's package. An unmasked client frame is the one gap that cannot be seen
/// from outside the library.
import CLibwebsockets

/// A request that goes no further.
struct DoorRefusal {
    let status: Int
    let code: String
    let detail: String
    var headers: [(String, String)] = []
}

/// The checks.
enum DoorChecks {
    /// What every HTTP request must satisfy before its body is read. `contentLength` is set where a body follows.
    static func request(
        _ reader: HeaderReader, method: HTTPMethod, maximumBody: Int
    ) -> (refusal: DoorRefusal?, contentLength: Int) {
        if let refusal = host(reader) { return (refusal, 0) }
        if reader.has(WSI_TOKEN_HTTP_TRANSFER_ENCODING) {
            // The library hands chunked bodies over undecoded, and a length beside them smuggles requests.
            let detail = "send the body with a Content-Length; transfer encodings are not read here"
            return (DoorRefusal(status: 411, code: "length_required", detail: detail), 0)
        }
        guard let text = reader.value(WSI_TOKEN_HTTP_CONTENT_LENGTH) else {
            let needsBody = method == .post || method == .put || method == .patch
            let refusal = DoorRefusal(
                status: 411, code: "length_required", detail: "\(method.rawValue) needs a Content-Length")
            return (needsBody ? refusal : nil, 0)
        }
        guard !reader.isRepeated(WSI_TOKEN_HTTP_CONTENT_LENGTH), text.utf8.allSatisfy({ (48...57).contains($0) })
        else {
            return (DoorRefusal(status: 400, code: "bad_request", detail: "Content-Length is not one number"), 0)
        }
        guard let length = Int(text), length <= maximumBody else {
            let detail = "the body is larger than \(maximumBody) bytes"
            return (DoorRefusal(status: 413, code: "too_large", detail: detail), 0)
        }
        return (nil, length)
    }

    /// What a request that asks for an upgrade must satisfy (RFC 6455 section 4.2.1).
    static func upgrade(_ reader: HeaderReader, method: HTTPMethod) -> DoorRefusal? {
        // CVE-2025-11677: on a kept-alive connection the library may have freed the headers by now and would go on to
        // read them. Asked through its API, the header is gone then, and the connection ends here. Only `websocket`
        // passes, so `h2c` is refused as well.
        guard let upgrade = reader.value(WSI_TOKEN_UPGRADE), upgrade.lowercased() == "websocket" else {
            return DoorRefusal(
                status: 426, code: "upgrade_required", detail: "the only upgrade here is websocket",
                headers: [("Upgrade", "websocket")])
        }
        if let refusal = host(reader) { return refusal }
        guard method == .get else {
            return DoorRefusal(
                status: 405, code: "method_not_allowed", detail: "a WebSocket opens with GET",
                headers: [("Allow", "GET")])
        }
        guard reader.value(WSI_TOKEN_HTTP) == "HTTP/1.1" else {
            return DoorRefusal(
                status: 505, code: "http_version", detail: "a WebSocket opens with HTTP/1.1")
        }
        let connection = reader.value(WSI_TOKEN_CONNECTION)?.lowercased() ?? ""
        guard connection.split(separator: ",").contains(where: { $0.filter { $0 != " " } == "upgrade" }) else {
            return DoorRefusal(status: 400, code: "bad_request", detail: "Connection does not say Upgrade")
        }
        guard reader.value(WSI_TOKEN_VERSION) == "13" else {
            return DoorRefusal(
                status: 426, code: "upgrade_required", detail: "the WebSocket version here is 13",
                headers: [("Sec-WebSocket-Version", "13")])
        }
        guard let key = reader.value(WSI_TOKEN_KEY), isSixteenBytes(key) else {
            return DoorRefusal(status: 400, code: "bad_request", detail: "Sec-WebSocket-Key is not 16 bytes in base64")
        }
        return nil
    }

    private static func host(_ reader: HeaderReader) -> DoorRefusal? {
        guard reader.has(WSI_TOKEN_HOST), !reader.isRepeated(WSI_TOKEN_HOST) else {
            return DoorRefusal(status: 400, code: "bad_request", detail: "one Host header is required")
        }
        return nil
    }

    /// Base64 of sixteen bytes: 22 characters and `==`.
    private static func isSixteenBytes(_ key: String) -> Bool {
        let bytes = Array(key.utf8)
        guard bytes.count == 24, bytes[22] == UInt8(ascii: "="), bytes[23] == UInt8(ascii: "=") else { return false }
        return bytes[..<22].allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                true
            default: false
            }
        }
    }
}
