import EventLoop
import Glibc
import Testing

@Suite struct LoopPollTests {
    /// The other side's last bytes and its reset arrive together: a reader that takes the bytes first must still be told
    /// of the reset.
    @Test func `a descriptor with an error is reported until its owner has met the error`() throws {
        let (ours, theirs) = try connectedPair()
        let loop = EventLoop()
        var received = 0
        var failure: Int32 = 0
        let poll = try LoopPoll(loop: loop, descriptor: ours) { _ in
            var byte: UInt8 = 0
            let count = read(ours, &byte, 1)
            if count > 0 { received += count }
            if count <= 0 { failure = count == 0 ? -1 : errno }
        }
        poll.watch(.readable)
        // Bytes that the peer has not read make its close a reset.
        #expect(send(ours, "unread", 6, Int32(MSG_NOSIGNAL)) == 6)
        #expect(send(theirs, "last", 4, Int32(MSG_NOSIGNAL)) == 4)
        close(theirs)
        let deadline = SystemClock.monotonicMicroseconds() + 5_000_000
        while failure == 0, SystemClock.monotonicMicroseconds() < deadline { loop.runReady() }
        #expect(failure == ECONNRESET)
        #expect(received <= 4)
        poll.close()
        loop.run()
        close(ours)
    }

    /// Two ends of a loopback TCP connection.
    private func connectedPair() throws -> (Int32, Int32) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let ours = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let isConnected = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &length) == 0
                    && connect(ours, $0, length) == 0
            }
        }
        try #require(isConnected)
        let theirs = accept(listener, nil, nil)
        try #require(theirs >= 0)
        _ = fcntl(ours, F_SETFL, O_NONBLOCK)
        return (ours, theirs)
    }
}
