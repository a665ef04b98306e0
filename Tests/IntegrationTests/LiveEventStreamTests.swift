// `GET /v1/track/events` from outside: what a WebSocket's viewer is told, as Server-Sent Events.

import DroverClient
import Testing

extension Integration {
    @Suite("GET /v1/track/events")
    struct LiveEventStream {
        @Test func `an event stream tells what a WebSocket tells, and resumes where it was cut`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            let vans = MovingDrivers(["sse-1", "sse-2"], of: shared.gateway, key: key)
            try vans.report()
            try shared.gateway.assign("orders/sse", ["sse-1"], key: key)
            let socket = try ScreenedViewer(shared.gateway, key)
            try socket.subscribe(["order:sse"])
            var stream: EventReader? = try EventReader(shared.gateway, "subject=order:sse", token: key)
            let reply = try #require(stream?.reply)
            #expect(reply.status == 200 && reply.headers["content-type"] == "text/event-stream", "\(reply)")
            #expect(try stream?.next("subscribed").data["subscribed"]["order:sse"]["recovered"].flag == false)
            let snapshot = try #require(try stream?.next("positions"))
            #expect(snapshot.data["positions"][0]["driver_id"].string == "sse-1")
            #expect(snapshot.id?.isEmpty == false && snapshot.id == snapshot.data["cursor"].string)
            // The same payloads, but for the moment they were made at.
            let moved = try vans.report(["sse-1"])
            let event = try #require(try stream?.next("positions"))
            try socket.read("the same") { $0.newest("sse-1") == moved }
            #expect(event.data["positions"][0]["recorded_at"].integer == moved)
            #expect(event.data["positions"][0]["subjects"].array.map(\.string) == ["order:sse"])
            try shared.gateway.assign("orders/sse", ["sse-2"], key: key)
            let left = try #require(try stream?.next("left")).data["left"][0]
            #expect(left["driver_id"].string == "sse-1" && left["subject"].string == "order:sse")
            #expect(try stream?.next("status").data["status"][0]["state"].string == "live")
            let shown = try #require(try stream?.next("positions"))
            #expect(shown.data["positions"][0]["driver_id"].string == "sse-2")
            // Cut, and back with the id that a browser sends by itself.
            stream = nil
            let missed = try (0..<5).map { _ in try vans.report(["sse-2"]) }
            let returned = try EventReader(
                shared.gateway, "subject=order:sse", token: key, headers: ["Last-Event-ID: \(shown.id ?? "")"])
            #expect(try returned.next("subscribed").data["subscribed"]["order:sse"]["recovered"].flag == true)
            let replay = try returned.next("positions").data["positions"].array
            #expect(replay.map(\.["recorded_at"].integer) == missed)
        }

        @Test func `an event stream ends with its session, by an event`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            let session = try shared.gateway.session(["driver:sse-9"], by: key, seconds: 2)
            let stream = try EventReader(shared.gateway, "subject=driver:sse-9&token=\(session.token)", token: nil)
            #expect(try stream.next("expiring").data["expiring"]["in_s"].integer.map { $0 <= 2 } == true)
            let ended = try stream.next("events").data["events"][0]
            #expect(ended["type"].string == "ended" && ended["subject"].string == "driver:sse-9")
            #expect(try stream.next("close").data["code"].integer == 4401)
            #expect(now() >= session.expiresAt)
            #expect(try stream.ends())
        }

        @Test func `what cannot be streamed is refused before the stream begins`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            let token = try shared.gateway.session(["driver:sse-1"], by: key).token
            for (query, token, status, code) in [
                ("", token, 400, "bad_subject"), ("?subject=van-1", token, 400, "bad_subject"),
                ("?subject=driver:sse-1&max_rate_hz=often", token, 400, "bad_request"),
                ("?subject=driver:sse-1&max_rate_hz=nan", token, 400, "bad_request"),
                ("?subject=driver:sse-2", token, 403, "forbidden"),
                ("?subject=driver:sse-1", "drt_no", 401, "unauthenticated"),
            ] {
                let response = try shared.gateway.http("GET", "/v1/track/events" + query, token: token)
                #expect(response.status == status, "\(query): \(response.text)")
                #expect(try JSON(parsing: response.text)["code"].string == code, "\(query)")
            }
        }

        @Test func `a revoked session's event stream ends, by an event`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            let session = try shared.gateway.session(["driver:sse-1"], by: key)
            let stream = try EventReader(shared.gateway, "subject=driver:sse-1", token: session.token)
            _ = try stream.next("subscribed")
            let response = try shared.gateway.http("DELETE", "/v1/tracking-sessions/\(session.id)", token: key)
            #expect((200...204).contains(response.status))
            #expect(try stream.next("close").data["code"].integer == 4403)
            #expect(try stream.ends())
        }
    }
}

/// An event stream, read as the standard says.
private final class EventReader {
    struct Event {
        var name = "message"
        var id: String?
        var data: JSON
    }

    private let stream: ByteStream
    let reply: RawReply

    init(_ gateway: RunningGateway, _ query: String, token: String?, headers: [String] = []) throws {
        stream = try ByteStream(port: gateway.port)
        var lines = ["GET /v1/track/events?\(query) HTTP/1.1", "Host: 127.0.0.1"] + headers
        if let token { lines.append("Authorization: Bearer \(token)") }
        stream.send(lines.map { $0 + "\r\n" }.joined() + "\r\n")
        reply = try #require(try stream.takeReply())
        try #require(reply.status == 200, "\(reply)")
    }

    /// The next event of a name; others before it are dropped.
    func next(_ name: String) throws -> Event {
        while true {
            let event = try next()
            if event.name == name { return event }
        }
    }

    private func next() throws -> Event {
        var event = Event(data: JSON(nil))
        while let line = try stream.takeLine() {
            if line.isEmpty {
                if !event.data.isNull { return event }
            } else if line.hasPrefix("event: ") {
                event.name = String(line.dropFirst(7))
            } else if line.hasPrefix("id: ") {
                event.id = String(line.dropFirst(4))
            } else if line.hasPrefix("data: ") {
                event.data = try JSON(parsing: String(line.dropFirst(6)))
            } else {
                try #require(line.hasPrefix(":"), "\(line)")
            }
        }
        throw StreamEnded(description: "the event stream has ended")
    }

    func ends() throws -> Bool { try stream.ends() }
}
