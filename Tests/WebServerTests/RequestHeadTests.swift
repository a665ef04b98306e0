// The first request's head, byte by byte: every rule, and that no prefix of a good one is refused.

import Testing

@testable import WebServer

@Suite("Request head")
struct RequestHeadTests {
    private func judge(_ text: String) -> String {
        judge(Array(text.utf8)[...])
    }

    private func judge(_ slice: ArraySlice<UInt8>) -> String {
        let bytes = Array(slice)
        switch RequestHead.judge(bytes.span, maximumBody: 1_000) {
        case .incomplete: return "incomplete"
        case .admit(let count): return "admit \(count)"
        case .refuse(let refusal): return "\(refusal.status)"
        case .drop(let stranger): return "\(stranger)"
        }
    }

    private static let webSocket =
        "GET /a?b=%20 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://a\r\n\r\n"
    private static let post = "POST /v1/pings HTTP/1.1\nhost:a\nContent-Length:  2\t\n\n"

    @Test(arguments: [webSocket, post, "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "OPTIONS /%2F HTTP/1.1\r\nHost: a\r\n\r\n"])
    func `a good head is admitted when it is whole, and not before`(head: String) {
        for count in 1..<head.utf8.count {
            #expect(judge(Array(head.utf8).prefix(count)) == "incomplete", "\(count)")
        }
        #expect(judge(head) == "admit \(head.utf8.count)")
        #expect(judge(head + "\u{1}\u{2}anything") == "admit \(head.utf8.count)")
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", "400"), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"), ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"), ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", "400"), ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n", "400"), ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"), ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"), ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /\r\nHost: a\r\n\r\n", "400"), ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
        ("GET / HTTQ/1.1\r\nHost: a\r\n\r\n", "400"), ("\r\n\r\n", "400"), (" GET", "400"), ("\u{16}\u{5}", "400"),
        ("\u{16}", "incomplete"), ("\u{16}\u{3}\u{1}", "tls"), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "400"), ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", "405"), ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", "411"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", "413"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "411"),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "426"),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n\r\n", "400"),
    ])
    func `a bad head is refused for what is wrong`(head: String, verdict: String) {
        #expect(judge(head) == verdict)
    }

    @Test func `every limit has its answer, at the limit and beyond it`() {
        func head(target: Int = 1, header: Int = 0, headers: Int = 0) -> String {
            "GET /" + String(repeating: "a", count: target - 1) + " HTTP/1.1\r\nHost: a\r\n"
                + (header > 0 ? "X:" + String(repeating: "x", count: header - 2) + "\r\n" : "")
                + String(repeating: "Y: z\r\n", count: headers) + "\r\n"
        }
        #expect(judge(head(target: 8_192)).hasPrefix("admit"))
        #expect(judge(head(target: 8_193)) == "414")
        #expect(judge(head(target: 40_000)) == "414")
        #expect(judge(head(header: 8_192)).hasPrefix("admit"))
        #expect(judge(head(header: 8_193)) == "431")
        #expect(judge(head(header: 40_000)) == "431")
        #expect(judge(head(headers: 99)).hasPrefix("admit"))
        #expect(judge(head(headers: 100)) == "431")
        let most = head(target: 8_192, header: 8_164)
        #expect(most.utf8.count == RequestHead.maximumBytes)
        #expect(judge(most) == "admit \(RequestHead.maximumBytes)")
        #expect(judge(head(target: 8_192, header: 8_165)) == "431")
        let long = Self.webSocket.replacing(
            "Origin", with: "Sec-WebSocket-Protocol: " + String(repeating: "p", count: 128) + "\r\nOrigin")
        #expect(judge(long) == "400")
    }
}
