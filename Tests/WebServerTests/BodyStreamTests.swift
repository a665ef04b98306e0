// A streamed body over a real connection: its pieces, its room, its end, and what it leaves behind.

import EventLoop
import Foundation
import Testing

@testable import WebServer

@Suite("Body stream", .serialized)
struct BodyStreamTests {
    /// Gives `pieces` at once, or holds back the one that a test gives by hand.
    private final class Source: BodySource {
        var pieces: [[UInt8]]
        var isManual: Bool
        var fails = false
        var wantedCount = 0
        var isCancelled = false
        var stream: BodyStream?

        init(_ pieces: [[UInt8]], isManual: Bool = false) {
            self.pieces = pieces
            self.isManual = isManual
        }

        override func wanted(by stream: BodyStream) {
            wantedCount += 1
            self.stream = stream
            if !isManual { give() }
        }

        override func cancelled() { isCancelled = true }

        func give() {
            if pieces.isEmpty { return fails ? stream!.fail() : stream!.finish() }
            stream?.send(pieces.removeFirst())
        }
    }

    private final class Application: WebApplication {
        var source: Source
        init(_ source: Source) { self.source = source }
        override func receive(_ request: WebRequest, on connection: WebConnection) {
            guard request.path == "/stream" else { return connection.respond(WebResponse(status: 204)) }
            connection.replyHeaders = [("X-Reply", "1")]
            #expect(connection.openBody(headers: [("Content-Type", "text/plain")], source: source))
        }
    }

    private func open(
        _ source: Source, _ request: String = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", receiveBytes: Int32? = nil,
        patience: Int = 60
    ) throws -> (fixture: ServerFixture, client: ClientSocket, application: Application) {
        let application = Application(source)
        let fixture = try ServerFixture(application) {
            $0.bodyPatienceSeconds = patience
            $0.allowedOrigins = try! AllowedOrigins("https://maps.example", setting: "test")
        }
        let client = try ClientSocket(port: fixture.server.port, receiveBytes: receiveBytes)
        client.send(request)
        return (fixture, client, application)
    }

    @Test func `pieces become chunks, and the connection ends behind the last`() throws {
        let source = Source([Array("one ".utf8), [], Array("two".utf8)])
        let (fixture, client, application) = try open(
            source, "GET /stream HTTP/1.1\r\nHost: a\r\nOrigin: https://maps.example\r\n\r\n")
        fixture.run { client.text().hasSuffix("\r\n0\r\n\r\n") }
        let text = client.text()
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
        for line in [
            "Transfer-Encoding: chunked", "Connection: close", "Content-Type: text/plain", "X-Reply: 1",
            "Access-Control-Allow-Origin: https://maps.example", "X-Content-Type-Options: nosniff",
        ] { #expect(text.contains("\r\n\(line)\r\n"), "\(line)") }
        #expect(!text.contains("Content-Length"))
        #expect(text.hasSuffix("\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"))
        fixture.run {
            client.drain()
            return client.hasEnded
        }
        #expect(!source.isCancelled)
        fixture.stop()
        _ = application
    }

    @Test func `what the client sends behind its request is dropped`() throws {
        let source = Source([Array("a".utf8)], isManual: true)
        let (fixture, client, application) = try open(source)
        fixture.run { source.wantedCount == 1 }
        client.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
        fixture.loop.runReady()
        source.give()
        fixture.run { source.wantedCount == 2 }
        source.give()
        fixture.run {
            client.drain()
            return client.hasEnded
        }
        #expect(client.text().hasSuffix("1\r\na\r\n0\r\n\r\n"))
        fixture.stop()
        _ = application
    }

    @Test func `HTTP 1 dot 0 gets it up to the connection's end`() throws {
        let source = Source([Array("one ".utf8), Array("two".utf8)])
        let (fixture, client, application) = try open(
            source, "GET /stream HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        fixture.run {
            client.drain()
            return client.hasEnded
        }
        #expect(client.text().hasSuffix("\r\n\r\none two"))
        #expect(client.text().contains("\r\nConnection: close\r\n"))
        #expect(!client.text().contains("chunked"))
        fixture.stop()
        _ = application
    }

    @Test func `HEAD gets the head alone, and nothing is asked of the source`() throws {
        let source = Source([Array("one".utf8)])
        let (fixture, client, application) = try open(source, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        fixture.run { client.text().hasSuffix("\r\n\r\n") }
        client.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
        fixture.run { client.text().contains("HTTP/1.1 204") }
        #expect(source.wantedCount == 0)
        #expect(client.text().contains("Content-Type: text/plain\r\n"))
        fixture.stop()
        _ = application
    }

    @Test func `a failure ends the connection without the last chunk`() throws {
        let source = Source([Array("one".utf8)])
        source.fails = true
        let (fixture, client, application) = try open(source)
        fixture.run {
            client.drain()
            return client.hasEnded
        }
        #expect(client.text().hasSuffix("3\r\none\r\n"))
        #expect(!source.isCancelled, "it knows")
        fixture.stop()
        _ = application
    }

    @Test func `nothing is asked of the source while a socket is full, and all arrives in the end`() throws {
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 100_000)
        let source = Source(Array(repeating: piece, count: 80))
        let (fixture, client, application) = try open(source, receiveBytes: 65_536)
        // Turns without a byte taken: the kernel's buffers are full long before 8 MB.
        var (before, still) = (-1, 0)
        fixture.run {
            still = source.wantedCount == before ? still + 1 : 0
            before = source.wantedCount
            return still == 20
        }
        #expect((1..<80).contains(source.wantedCount))
        #expect(try #require(source.stream).isOpen)
        for _ in 0..<10 where !client.hasEnded {
            let seen = client.received.count
            fixture.run(until: {
                client.drain()
                return client.hasEnded || client.received.count > seen + 1_000_000
            })
        }
        #expect(client.hasEnded)
        #expect(client.received.suffix(7) == Array("\r\n0\r\n\r\n".utf8))
        // "186a0", its line's end and another behind each piece.
        let head = try #require(client.text().firstRange(of: "\r\n\r\n"))
        let headBytes = client.text()[..<head.upperBound].utf8.count
        #expect(client.received.count - headBytes == 80 * (100_000 + 9) + 5)
        fixture.stop()
        _ = application
    }

    @Test func `a client that goes away cancels`() throws {
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 100_000)
        let source = Source(Array(repeating: piece, count: 150))
        let (fixture, client, application) = try open(source, receiveBytes: 4_096)
        fixture.run { source.wantedCount > 0 }
        client.close()
        fixture.run { source.isCancelled }
        #expect(try #require(source.stream).isOpen == false)
        fixture.run { fixture.server.connectionCount == 0 }
        // What still comes goes nowhere.
        source.stream?.send(piece)
        fixture.stop()
        _ = application
    }

    @Test func `a client that goes away while the source thinks cancels, too`() throws {
        let source = Source([Array("a".utf8)], isManual: true)
        let (fixture, client, application) = try open(source)
        fixture.run { source.wantedCount == 1 }
        client.close()
        fixture.run { source.isCancelled }
        source.give()
        fixture.stop()
        _ = application
    }

    @Test func `a reader that takes nothing is cut off, one that takes a little is not`() throws {
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 100_000)
        let source = Source(Array(repeating: piece, count: 150))
        let (fixture, client, application) = try open(source, receiveBytes: 4_096, patience: 1)
        // Three patiences long, a little at a time.
        let start = ContinuousClock.now
        fixture.run {
            client.take(atMost: 2_000)
            return ContinuousClock.now - start > .seconds(4)
        }
        #expect(!source.isCancelled)
        fixture.run { source.isCancelled }
        fixture.run { fixture.server.connectionCount == 0 }
        #expect(!client.text().hasSuffix("\r\n0\r\n\r\n"))
        fixture.stop()
        _ = application
    }

    @Test func `the server's end cuts it off`() throws {
        let source = Source([Array("a".utf8)], isManual: true)
        let (fixture, client, application) = try open(source)
        fixture.run { source.wantedCount == 1 }
        fixture.stop()
        #expect(source.isCancelled)
        #expect(!client.text().hasSuffix("0\r\n\r\n"))
        _ = application
    }
}
