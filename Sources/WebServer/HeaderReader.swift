/// libwebsockets' header table, read into Swift values while a callback holds it.
import CLibwebsockets

/// Reads one request's headers. Valid only inside the callback that made it.
struct HeaderReader {
    let wsi: OpaquePointer

    /// Whether the header was sent.
    func has(_ token: lws_token_indexes) -> Bool {
        lws_hdr_total_length(wsi, token) > 0
    }

    /// Whether the header was sent more than once.
    func isRepeated(_ token: lws_token_indexes) -> Bool {
        lws_hdr_fragment_length(wsi, token, 1) > 0
    }

    /// The header's value; nil where it was not sent.
    func value(_ token: lws_token_indexes) -> String? {
        let length = lws_hdr_total_length(wsi, token)
        guard length > 0 else { return nil }
        return Self.text(capacity: Int(length) + 1) { lws_hdr_copy(wsi, $0, $1, token) }
    }

    /// Whether a header was sent that the library has no token for; `name` as in `custom`.
    func has(_ name: String) -> Bool {
        lws_hdr_custom_length(wsi, name, Int32(name.utf8.count)) > 0
    }

    /// A header that the library has no token for; `name` is lower case and ends with a colon.
    func custom(_ name: String) -> String? {
        let length = lws_hdr_custom_length(wsi, name, Int32(name.utf8.count))
        guard length > 0 else { return nil }
        return Self.text(capacity: Int(length) + 1) {
            lws_hdr_custom_copy(wsi, $0, $1, name, Int32(name.utf8.count))
        }
    }

    /// The query's parts between `&`, percent-decoded by the library.
    func queryParts() -> [String] {
        var parts: [String] = []
        while true {
            let length = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, Int32(parts.count))
            guard length > 0 else { return parts }
            let index = Int32(parts.count)
            let part = Self.text(capacity: Int(length) + 1) {
                lws_hdr_copy_fragment(wsi, $0, $1, WSI_TOKEN_HTTP_URI_ARGS, index)
            }
            guard let part else { return parts }
            parts.append(part)
        }
    }

    private static func text(
        capacity: Int, _ copy: (UnsafeMutablePointer<CChar>, Int32) -> Int32
    ) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let length = copy(base, Int32(capacity))
            guard length >= 0 else { return nil }
            let bytes = UnsafeRawBufferPointer(start: base, count: Int(length))
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

extension WebRequest {
    /// Each method's token holds the path of a request of that method.
    private static let methods: [(lws_token_indexes, HTTPMethod)] = [
        (WSI_TOKEN_GET_URI, .get), (WSI_TOKEN_POST_URI, .post), (WSI_TOKEN_PUT_URI, .put),
        (WSI_TOKEN_DELETE_URI, .delete), (WSI_TOKEN_HEAD_URI, .head), (WSI_TOKEN_OPTIONS_URI, .options),
        (WSI_TOKEN_PATCH_URI, .patch),
    ]

    private static let headerTokens: [(lws_token_indexes, String)] = [
        (WSI_TOKEN_HTTP_AUTHORIZATION, "authorization"), (WSI_TOKEN_HTTP_CONTENT_TYPE, "content-type"),
        (WSI_TOKEN_HTTP_CONTENT_ENCODING, "content-encoding"), (WSI_TOKEN_ORIGIN, "origin"),
        (WSI_TOKEN_HOST, "host"), (WSI_TOKEN_X_FORWARDED_FOR, "x-forwarded-for"),
        (WSI_TOKEN_HTTP_IF_NONE_MATCH, "if-none-match"), (WSI_TOKEN_HTTP_ACCEPT, "accept"),
        (WSI_TOKEN_HTTP_IF_MODIFIED_SINCE, "if-modified-since"),
        (WSI_TOKEN_HTTP_USER_AGENT, "user-agent"),
    ]
    private static let customHeaders = [
        "x-api-key", "last-event-id", "x-limit-u", "x-limit-d", "x-limit-user", "x-limit-device",
    ]

    /// What the library holds of the request; nil where it names no method.
    init?(_ reader: HeaderReader, peer: String, furtherHeaders: [String] = []) {
        guard let (token, method) = Self.methods.first(where: { reader.has($0.0) }),
            let path = reader.value(token)
        else { return nil }
        self.method = method
        self.path = path
        self.peer = peer
        query = reader.queryParts().map { part in
            guard let separator = part.firstIndex(of: "=") else { return (part, "") }
            return (String(part[..<separator]), String(part[part.index(after: separator)...]))
        }
        headers = [:]
        for (token, name) in Self.headerTokens {
            if let value = reader.value(token) { headers[name] = value }
        }
        for name in Self.customHeaders {
            if let value = reader.custom(name + ":") { headers[name] = value }
        }
        for name in furtherHeaders {
            if let value = reader.custom(name + ":") { headers[name] = value }
        }
        if let offered = reader.value(WSI_TOKEN_PROTOCOL) {
            subprotocols = offered.split(separator: ",").map { item in
                String(item.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
        }
    }
}
