// A web server with an application of the test's own, and a plain socket to it, both on the test's thread.

import EventLoop
import Glibc
import Testing
import WebServer

/// A server on a loop that turns only while a test waits for something.
final class ServerFixture {
    let loop = EventLoop()
    let server: WebServer

    init(
        _ application: WebApplication, _ configure: (inout WebServerConfiguration) -> Void = { _ in }
    ) throws {
        var configuration = WebServerConfiguration()
        configuration.port = 0
        configure(&configuration)
        server = try WebServer(loop: loop, configuration: configuration, application: application)
    }

    /// Turns the loop until `condition` holds; a failure of the test where that does not come within ten seconds.
    func run(until condition: () -> Bool, sourceLocation: SourceLocation = #_sourceLocation) {
        let deadline = ContinuousClock.now + .seconds(10)
        let alarm = LoopTimer(loop: loop) {}
        alarm.start(afterMilliseconds: 20, everyMilliseconds: 20)
        defer { alarm.close() }
        while !condition() {
            guard ContinuousClock.now < deadline else {
                Issue.record("the condition did not come about", sourceLocation: sourceLocation)
                return
            }
            loop.runOnce()
        }
    }

    /// Ends everything on the loop.
    func stop() {
        server.shutDown(withinMilliseconds: 200)
        run { server.isShutDown }
        // The library closes its handles in turns of their own.
        for _ in 0..<8 { loop.runReady() }
        server.finish()
    }
}

/// A client's socket that never blocks.
final class ClientSocket {
    private let descriptor: Int32
    private(set) var received: [UInt8] = []
    private(set) var hasEnded = false

    init(port: UInt16, receiveBytes: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if var receiveBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    deinit { Glibc.close(descriptor) }

    /// Sends no more and takes no more.
    func close() {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Takes at most so many bytes of what is there.
    func take(atMost count: Int) {
        var piece = [UInt8](repeating: 0, count: count)
        let taken = recv(descriptor, &piece, count, 0)
        if taken > 0 { received.append(contentsOf: piece.prefix(taken)) }
    }

    /// Takes what is there, and gives everything so far.
    func text() -> String {
        drain()
        return String(decoding: received, as: UTF8.self)
    }

    /// Takes what is there.
    func drain() {
        var piece = [UInt8](repeating: 0, count: 65_536)
        while !hasEnded {
            let count = recv(descriptor, &piece, piece.count, 0)
            if count > 0 { received.append(contentsOf: piece.prefix(count)) }
            if count == 0 || (count < 0 && errno != EAGAIN) { hasEnded = true }
            if count <= 0 { break }
        }
    }
}
