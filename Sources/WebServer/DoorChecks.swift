/// What a strict server must not let through, in one place: rules on what a request says of itself. They judge the first
/// request of a connection before libwebsockets sees it (`FrontDoor`), and every later one from its header table.
///
/// The measurements behind them are of Debian 12's libwebsockets 4.1.6, which lets all of this pass or hangs up silently.
import CLibwebsockets

/// A request that goes no further.
struct DoorRefusal {
    let status: Int
    let code: String
    let detail: String
    var headers: [(String, String)] = []

    static func badRequest(_ detail: String) -> DoorRefusal {
        DoorRefusal(status: 400, code: "bad_request", detail: detail)
    }
}

/// What the rules look at. Values are without the blanks around them.
struct RequestFacts {
    /// As sent.
    var method = ""
    var isHTTP11 = true
    var hosts = 0
    /// Each Content-Length.
    var lengths: [String] = []
    var hasTransferEncoding = false
    var upgrade: String?
    var connection = ""
    var webSocketVersion: String?
    var webSocketKeys: [String] = []
    /// The length of the list of subprotocols.
    var subprotocolBytes = 0
}

/// The checks.
enum DoorChecks {
    /// Methods of RFC 9110 and RFC 5789 that any path here may take.
    static let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
    /// libwebsockets keeps the list of subprotocols in 128 bytes, its end included.
    static let maximumSubprotocolBytes = 127

    /// The first rule that the request breaks; nil where it breaks none.
    static func refusal(_ facts: RequestFacts, maximumBody: Int) -> DoorRefusal? {
        guard methods.contains(facts.method) else {
            let detail =
                facts.method == "CONNECT" ? "this is not a proxy" : "the methods here are those that Allow names"
            return DoorRefusal(
                status: 405, code: "method_not_allowed", detail: detail,
                headers: [("Allow", methods.joined(separator: ", "))])
        }
        guard facts.hosts == 1 else { return .badRequest("one Host header is required") }
        if facts.upgrade != nil, let refusal = upgrade(facts) { return refusal }
        return length(facts, maximumBody: maximumBody).refusal
    }

    /// What a request's length must satisfy (RFC 9112 section 6). `contentLength` is set where a body follows.
    static func length(_ facts: RequestFacts, maximumBody: Int) -> (refusal: DoorRefusal?, contentLength: Int) {
        if facts.hasTransferEncoding {
            guard facts.lengths.isEmpty else {
                // Two ends for one body: the classical way to smuggle a request past a proxy.
                return (.badRequest("Content-Length and Transfer-Encoding exclude each other"), 0)
            }
            // The library hands chunked bodies over undecoded.
            let detail = "send the body with a Content-Length; transfer encodings are not read here"
            return (DoorRefusal(status: 411, code: "length_required", detail: detail), 0)
        }
        guard let text = facts.lengths.first else {
            let needsBody = ["POST", "PUT", "PATCH"].contains(facts.method)
            let refusal = DoorRefusal(
                status: 411, code: "length_required", detail: "\(facts.method) needs a Content-Length")
            return (needsBody ? refusal : nil, 0)
        }
        guard facts.lengths.count == 1, !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else {
            return (.badRequest("Content-Length is not one number"), 0)
        }
        guard let length = Int(text), length <= maximumBody else {
            let detail = "the body is larger than \(maximumBody) bytes"
            return (DoorRefusal(status: 413, code: "too_large", detail: detail), 0)
        }
        return (nil, length)
    }

    /// What a request that asks for an upgrade must satisfy (RFC 6455 section 4.2.1).
    static func upgrade(_ facts: RequestFacts) -> DoorRefusal? {
        // CVE-2025-11677: on a kept-alive connection the library may have freed the headers by now and would go on to
        // read them. Asked through its API, the header is gone then, and the connection ends here. Only `websocket`
        // passes, so `h2c` is refused as well.
        guard let upgrade = facts.upgrade, upgrade.lowercased() == "websocket" else {
            return DoorRefusal(
                status: 426, code: "upgrade_required", detail: "the only upgrade here is websocket",
                headers: [("Upgrade", "websocket")])
        }
        guard facts.hosts == 1 else { return .badRequest("one Host header is required") }
        guard facts.method == "GET" else {
            return DoorRefusal(
                status: 405, code: "method_not_allowed", detail: "a WebSocket opens with GET",
                headers: [("Allow", "GET")])
        }
        guard facts.isHTTP11 else {
            return DoorRefusal(status: 505, code: "http_version", detail: "a WebSocket opens with HTTP/1.1")
        }
        let tokens = facts.connection.lowercased().split(separator: ",")
        guard tokens.contains(where: { $0.filter { $0 != " " && $0 != "\t" } == "upgrade" }) else {
            return .badRequest("Connection does not say Upgrade")
        }
        guard facts.webSocketVersion == "13" else {
            return DoorRefusal(
                status: 426, code: "upgrade_required", detail: "the WebSocket version here is 13",
                headers: [("Sec-WebSocket-Version", "13")])
        }
        guard facts.webSocketKeys.count == 1, isSixteenBytes(facts.webSocketKeys[0]) else {
            return .badRequest("Sec-WebSocket-Key is not 16 bytes in base64")
        }
        guard facts.subprotocolBytes <= maximumSubprotocolBytes else {
            return .badRequest(
                "Sec-WebSocket-Protocol is longer than \(maximumSubprotocolBytes) characters; "
                    + "send a long token in the first frame instead")
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

extension RequestFacts {
    /// From the library's table, for a request that it has read.
    init(_ reader: HeaderReader, method: HTTPMethod) {
        self.method = method.rawValue
        isHTTP11 = reader.value(WSI_TOKEN_HTTP) == "HTTP/1.1"
        hosts = reader.has(WSI_TOKEN_HOST) ? (reader.isRepeated(WSI_TOKEN_HOST) ? 2 : 1) : 0
        if let length = reader.value(WSI_TOKEN_HTTP_CONTENT_LENGTH) {
            lengths = reader.isRepeated(WSI_TOKEN_HTTP_CONTENT_LENGTH) ? [length, length] : [length]
        }
        hasTransferEncoding = reader.has(WSI_TOKEN_HTTP_TRANSFER_ENCODING)
        upgrade = reader.value(WSI_TOKEN_UPGRADE)
        connection = reader.value(WSI_TOKEN_CONNECTION) ?? ""
        webSocketVersion = reader.value(WSI_TOKEN_VERSION)
        webSocketKeys = reader.value(WSI_TOKEN_KEY).map { [$0] } ?? []
        subprotocolBytes = reader.value(WSI_TOKEN_PROTOCOL)?.utf8.count ?? 0
    }
}
