// Listening sockets that several processes share.
import Glibc
import Testing

@testable import WebServer

@Suite struct ListeningSocketsTests {
    @Test(arguments: ["127.0.0.1", "::1"])
    func `several sockets share a port, which is refused to everybody else`(address: String) throws {
        let sockets = try ListeningSockets(address: address, port: 0, count: 3)
        defer { for descriptor in sockets.descriptors { close(descriptor) } }
        #expect(Set(sockets.descriptors).count == 3)
        #expect(sockets.port != 0)
        for descriptor in sockets.descriptors { #expect(ListeningSockets.port(of: descriptor) == sockets.port) }
        for count in [1, 2] {
            let error = #expect(throws: WebServerError.self) {
                try ListeningSockets(address: address, port: sockets.port, count: count)
            }
            #expect(error?.description.contains("Address already in use") == true)
        }
    }

    @Test func `a port that one serves alone is refused to several`() throws {
        let one = try ListeningSockets(address: "127.0.0.1", port: 0)
        defer { close(one.descriptors[0]) }
        #expect(throws: WebServerError.self) {
            try ListeningSockets(address: "127.0.0.1", port: one.port, count: 2)
        }
    }

    @Test func `what is no socket has no port`() {
        #expect(ListeningSockets.port(of: -1) == 0)
    }
}
