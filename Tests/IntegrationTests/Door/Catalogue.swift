// How the catalogue of bad input is written down: a number, what is sent, what must come back.

import DroverClient
import Testing

/// A row whose input is the first request of a connection.
struct RequestRow: CustomTestStringConvertible, Sendable {
    let number: Int
    let name: String
    /// The request's line and headers; sent as they are where `isRaw`.
    let text: String
    /// Nil: the connection ends without a reply.
    let status: Int?
    let code: String?
    /// A header that the reply must have.
    let header: (name: String, value: String)?

    var testDescription: String { "#\(number) \(name)" }

    init(
        _ number: Int, _ name: String, _ lines: [String], _ status: Int?, _ code: String? = nil,
        header: (String, String)? = nil, body: String = ""
    ) {
        self.init(
            number, name, raw: (lines + [""]).map { $0 + "\r\n" }.joined() + body, status, code, header: header)
    }

    init(
        _ number: Int, _ name: String, raw: String, _ status: Int?, _ code: String? = nil,
        header: (String, String)? = nil
    ) {
        self.number = number
        self.name = name
        text = raw
        self.status = status
        self.code = code
        self.header = header.map { (name: $0.0, value: $0.1) }
    }

    /// Sends it and looks at the answer. An error ends the connection, save for those that the router gives.
    func expect(from gateway: RunningGateway) throws {
        let stream = try ByteStream(port: gateway.port)
        stream.send(text)
        let reply = try stream.takeReply()
        #expect(reply?.status == status, "\(String(describing: reply))")
        guard let reply else { return }
        if let header { #expect(reply.headers[header.name] == header.value, "\(reply)") }
        if reply.status >= 400 {
            #expect(reply.headers["content-type"] == "application/problem+json")
            #expect(reply.headers["x-content-type-options"] == "nosniff")
            #expect(reply.headers["cache-control"] == "no-store")
            let problem = try JSON(parsing: reply.body)
            #expect(problem["code"].string == code, "\(reply)")
            #expect(problem["status"].integer == Int64(reply.status))
            if reply.headers["connection"] == "close" { #expect(try stream.ends()) }
        }
        #expect(try gateway.http("GET", "/healthz").status == 200, "others are served")
    }
}

/// The lines of a sound WebSocket handshake, and of others made from it.
enum Handshake {
    static let lines = [
        "GET /v1/track HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]

    static func without(_ name: String, with line: String? = nil) -> [String] {
        lines.filter { !$0.hasPrefix(name + ":") } + (line.map { [$0] } ?? [])
    }
}
