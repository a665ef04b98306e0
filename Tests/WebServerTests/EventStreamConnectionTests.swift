// An event stream over a real connection: its head, its events, its room, its end.

import EventLoop
import Foundation
import Testing

@testable import WebServer

@Suite("Event stream connection", .serialized)
struct EventStreamConnectionTests {
    private final class Session: WebSession {
        var isClosed = false
        var timesWritable = 0
        override func writable() { timesWritable += 1 }
        override func closed() { isClosed = true }
    }

    private final class Application: WebApplication {
        var session: Session?
        override func receive(_ request: WebRequest, on connection: WebConnection) {
            let session = Session(connection, serial: 1)
            self.session = session
            #expect(connection.openEventStream(session: session, headers: [("X-Extra", "1")]))
        }
    }

    private func frame(_ text: String) -> [UInt8] {
        WebConnection.header(opcode: 0x81, length: text.utf8.count) + Array(text.utf8)
    }

    private func open(
        _ request: String = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", receiveBytes: Int32? = nil
    ) throws -> (fixture: ServerFixture, client: ClientSocket, session: Session, application: Application) {
        let application = Application()
        let fixture = try ServerFixture(application) { $0.heartbeatSeconds = 1 }
        let client = try ClientSocket(port: fixture.server.port, receiveBytes: receiveBytes)
        client.send(request)
        fixture.run { client.text().contains("\r\n\r\n") }
        return (fixture, client, try #require(application.session), application)
    }

    @Test(arguments: ["GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"])
    func `frames become events, quiet becomes comments, and the end says why`(request: String) throws {
        let (fixture, client, session, application) = try open(request)
        let head = client.text()
        #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
        for line in [
            "Content-Type: text/event-stream", "Cache-Control: no-store", "X-Accel-Buffering: no",
            "Connection: close", "X-Extra: 1",
        ] { #expect(head.contains("\r\n\(line)\r\n")) }
        #expect(!head.lowercased().contains("content-length"))
        session.connection.sendQueued(text: Array("{\"hello\":1}".utf8))
        #expect(session.connection.send(frames: frame("{\"positions\":[],\"cursor\":\"a:1\"}").span) == .taken)
        fixture.run { client.text().hasSuffix("\n\n:\n\n") }
        let body = client.text().components(after: "\r\n\r\n")
        #expect(
            body == "event: message\ndata: {\"hello\":1}\n\n"
                + "event: positions\nid: a:1\ndata: {\"positions\":[],\"cursor\":\"a:1\"}\n\n:\n\n")
        session.connection.close(code: 4401, reason: "expired")
        fixture.run {
            _ = client.text(); return client.hasEnded
        }
        #expect(client.text().hasSuffix("event: close\ndata: {\"code\":4401,\"reason\":\"expired\"}\n\n"))
        #expect(session.isClosed)
        #expect(fixture.server.connectionCount == 0)
        fixture.stop()
        _ = application
    }

    @Test func `a slow reader makes it busy, and room is told`() throws {
        let (fixture, client, session, application) = try open(receiveBytes: 4_096)
        let frames = frame("{\"left\":\"" + String(repeating: "x", count: 50_000) + "\"}")
        var sent = 0
        while session.connection.send(frames: frames.span) == .taken, sent < 10_000 { sent += 1 }
        #expect(sent > 0 && sent < 10_000)
        fixture.run {
            _ = client.text(); return session.timesWritable > 0
        }
        #expect(session.connection.send(frames: frame("{}").span) == .taken)
        fixture.run { client.text().hasSuffix("event: message\ndata: {}\n\n") }
        #expect(client.text().components(separatedAt: "event: left\n") == sent + 1)
        fixture.stop()
        _ = application
    }

    @Test func `what a client sends ends nothing and is not kept, and its going is noticed`() throws {
        let (fixture, client, session, application) = try open()
        func send(_ piece: String) {
            client.send(piece)
            fixture.loop.runReady()
        }
        let piece = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n" + String(repeating: "x", count: 2_000)
        for _ in 0..<500 { send(piece) }
        let before = try residentKiB()
        for _ in 0..<20_000 { send(piece) }
        #expect(try residentKiB() - before < 10_000, "40 MB were sent")
        #expect(!session.isClosed)
        client.close()
        fixture.run { session.isClosed }
        fixture.stop()
        _ = application
    }
}
/// The process's resident memory.
private func residentKiB() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
    return try #require(Int(line.filter(\.isNumber)))
}

extension String {
    fileprivate func components(after separator: String) -> String {
        guard let found = firstRange(of: separator) else { return "" }
        return String(self[found.upperBound...])
    }

    fileprivate func components(separatedAt separator: String) -> Int {
        var count = 1
        var rest = self[...]
        while let found = rest.firstRange(of: separator) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }
}
