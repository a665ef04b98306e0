// Posting to a real server on a socket: what is sent, what counts as taken, and that nothing waits longer than it may.
import Glibc
import LocalServers
import Testing

@testable import WebhookClient

@Suite struct WebhookClientTests {
    private func request(
        _ url: String, _ body: String = "{}", headers: [(name: String, value: String)] = [], milliseconds: Int = 10_000
    ) -> WebhookRequest {
        WebhookRequest(
            url: url, headers: [("Content-Type", "application/json")] + headers, body: Array(body.utf8),
            timeoutMilliseconds: milliseconds)
    }

    @Test func `a post arrives with its headers and body as they were given`() throws {
        let receiver = try LocalReceiver { _, _ in .status(204) }
        defer { receiver.stop() }
        let body = "{\"text\":\"ça va\",\"zero\":\"\\u0000\"}"
        let client = WebhookClient()
        let outcomes = client.post([
            request(receiver.url + "/hooks?a=1", body, headers: [("Webhook-Id", "evt_1"), ("X-Empty", "")])
        ])
        #expect(outcomes == [.taken])
        let post = try #require(receiver.posts.first)
        #expect(receiver.posts.count == 1)
        #expect(post.target == "/hooks?a=1")
        #expect(post.body == Array(body.utf8))
        #expect(post.headers["webhook-id"] == "evt_1")
        #expect(post.headers["content-type"] == "application/json")
        #expect(post.headers["expect"] == nil)
    }

    @Test func `only 2xx is taken, and the receiver's first words tell why not`() throws {
        let receiver = try LocalReceiver { post, _ in
            switch post.target {
            case "/moved": .status(302, headers: ["Location: /there"])
            case "/gone": .status(410, body: "no\nlonger")
            case "/long": .status(500, body: String(repeating: "x", count: 300_000))
            case "/hangup": .hangUp
            default: .status(201)
            }
        }
        defer { receiver.stop() }
        let paths = ["/moved", "/gone", "/made", "/hangup"]
        let outcomes = WebhookClient().post(paths.map { request(receiver.url + $0) })
        #expect(outcomes[0] == .refused(status: 302, text: ""))
        #expect(outcomes[1] == .refused(status: 410, text: "no longer"))
        #expect(outcomes[2] == .taken)
        guard case .unreachable = outcomes[3] else {
            Issue.record("\(outcomes[3])")
            return
        }
        #expect(!receiver.posts.contains { $0.target == "/there" }, "no redirect is followed")
        guard case .refused(500, let text) = WebhookClient().post([request(receiver.url + "/long")])[0] else {
            Issue.record("a long answer is a refusal like another")
            return
        }
        #expect(text == String(repeating: "x", count: 200))
    }

    @Test func `who does not answer is given up in time, beside others that are answered`() throws {
        let receiver = try LocalReceiver { post, _ in post.target == "/mute" ? .silence : .status(200) }
        defer { receiver.stop() }
        let outcomes = WebhookClient().post([
            request(receiver.url + "/mute", milliseconds: 200), request(receiver.url + "/well"),
        ])
        guard case .unreachable(let reason) = outcomes[0] else {
            Issue.record("\(outcomes[0])")
            return
        }
        #expect(reason.contains("timed out"))
        #expect(outcomes[1] == .taken)
    }

    @Test func `nobody there, no such address and no such protocol are unreachable`() throws {
        let receiver = try LocalReceiver { _, _ in .status(200) }
        let url = receiver.url
        receiver.stop()
        // The port is closed once the server's thread has seen it.
        while true {
            let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(probe) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = receiver.port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let status = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(probe, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if status != 0 { break }
        }
        for outcome in WebhookClient().post([request(url), request("file:///etc/hostname"), request("nonsense:")]) {
            guard case .unreachable(let reason) = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(!reason.isEmpty)
        }
    }

    @Test func `a cancelled client says so, at once and ever after`() throws {
        let client = WebhookClient()
        let receiver = try LocalReceiver { post, _ in
            if post.target == "/mute" { client.cancel() }
            return .silence
        }
        defer { receiver.stop() }
        #expect(client.post([request(receiver.url + "/mute", milliseconds: 60_000)]) == [.cancelled])
        #expect(client.post([request(receiver.url + "/later", milliseconds: 60_000)]) == [.cancelled])
    }
}
