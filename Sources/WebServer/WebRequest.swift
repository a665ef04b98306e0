/// An HTTP request as the application sees it: copied out of the library's buffers once, before anything is decided.

/// The methods Drover knows.
public enum HTTPMethod: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case delete = "DELETE"
    case options = "OPTIONS"
    case patch = "PATCH"
    case connect = "CONNECT"
}

/// A request, or the HTTP part of a WebSocket's handshake.
public struct WebRequest: Sendable {
    /// The method.
    public var method: HTTPMethod
    /// The path, percent-decoded, beginning with `/`.
    public var path: String
    /// The query's `name=value` pairs in order, percent-decoded.
    public var query: [(name: String, value: String)]
    /// The credential-bearing and negotiating headers that Drover reads, by lower-case name.
    public var headers: [String: String]
    /// The subprotocols that a WebSocket handshake offers, in order.
    public var subprotocols: [String] = []
    /// The body, complete.
    public var body: [UInt8] = []
    /// The client's address, without port: the socket's other end, or whom a trusted proxy says that it speaks for.
    public var peer: String

    /// The first value of a query parameter.
    public func query(_ name: String) -> String? {
        query.first { $0.name == name }?.value
    }
}

/// A reply.
public struct WebResponse: Sendable {
    /// The HTTP status.
    public var status: Int
    /// The headers beside `Content-Length`, which is added.
    public var headers: [(String, String)]
    /// The body.
    public var body: [UInt8]
    /// Ends the connection after the reply.
    public var closes = false

    /// A reply from bytes.
    public init(status: Int, headers: [(String, String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// A reply of one media type.
    public init(status: Int = 200, type: String, body: [UInt8], headers: [(String, String)] = []) {
        self.init(status: status, headers: [("Content-Type", type)] + headers, body: body)
    }

    /// The bytes on the wire. `includesBody` is false for HEAD.
    func serialized(includesBody: Bool) -> [UInt8] {
        let hasLength = status != 204 && status != 304
        var bytes = head(framing: hasLength ? [("Content-Length", String(body.count))] : [])
        if includesBody { bytes.append(contentsOf: body) }
        return bytes
    }

    /// The bytes before the body. `framing` are the headers that tell where the body ends.
    func head(framing: [(String, String)]) -> [UInt8] {
        var head = "HTTP/1.1 \(status) \(Self.reason(status))\r\n"
        for (name, value) in headers + framing { head += "\(name): \(value)\r\n" }
        if closes { head += "Connection: close\r\n" }
        return Array((head + "\r\n").utf8)
    }

    /// RFC 9110's reason phrases for the statuses that Drover sends.
    public static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 426: "Upgrade Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}
