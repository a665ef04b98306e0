/// The HTTP client against bytes as servers send them.
import DroverClient
import EventLoop
import Testing

@Suite struct HTTPClientTests {
    let loop = EventLoop()
    let listener: TestListener
    let client: HTTPClient

    init() throws {
        listener = try TestListener(loop: loop)
        client = HTTPClient(network: ClientNetwork(loop: loop), endpoint: try Endpoint(listener.address))
    }

    func answer(_ reply: String) throws -> HTTPResponse {
        listener.onBytes = { connection, _ in
            connection.write(reply)
            if reply.contains("HTTP/1.0") { connection.drop() }
        }
        var outcome: HTTPClient.Outcome?
        client.request("GET", "/x") { outcome = $0 }
        listener.run { outcome != nil }
        client.close()
        listener.close()
        return try #require(outcome).get()
    }

    @Test func `a body with a length`() throws {
        let response = try answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello")
        #expect(response.status == 200 && response.text == "hello" && response.header("x-a") == "b")
    }

    @Test func `a body in chunks, with trailers`() throws {
        let reply =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"
        #expect(try answer(reply).text == "abc0123456789")
    }

    @Test func `a body until the end of the connection`() throws {
        #expect(try answer("HTTP/1.0 200 OK\r\n\r\nall of it").text == "all of it")
    }

    @Test func `an interim answer is passed over, and 204 has no body`() throws {
        #expect(try answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").status == 204)
    }

    @Test func `what is not HTTP is a typed error`() {
        #expect(throws: DroverClientError.self) { try answer("SSH-2.0-OpenSSH\r\n") }
    }

    @Test func `requests in a row share a connection, and a lost idle one is made anew`() throws {
        var accepted = 0
        var bodies: [String] = []
        listener.onConnect = { _ in accepted += 1 }
        listener.onBytes = { connection, bytes in
            bodies.append(String(String(decoding: bytes, as: UTF8.self).components("\r\n\r\n")[1]))
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        var statuses: [Int] = []
        for number in 1...3 {
            client.request("POST", "/v1/pings", body: Array("body \(number)".utf8)) {
                statuses.append((try? $0.get().status) ?? 0)
            }
        }
        listener.run { statuses.count == 3 }
        #expect(statuses == [200, 200, 200] && bodies == ["body 1", "body 2", "body 3"] && accepted == 1)
        listener.connections[0].drop()
        client.request("POST", "/v1/pings", body: Array("body 4".utf8)) { statuses.append((try? $0.get().status) ?? 0) }
        listener.run { statuses.count == 4 }
        #expect(statuses.last == 200 && bodies.last == "body 4" && accepted == 2)
        client.close()
        listener.close()
    }

    @Test func `no answer in time is a timeout`() throws {
        var outcome: HTTPClient.Outcome?
        client.request("GET", "/", milliseconds: 30) { outcome = $0 }
        listener.run { outcome != nil }
        #expect(throws: DroverClientError.timeout(listener.address, milliseconds: 30)) { try outcome?.get() }
        client.close()
        listener.close()
    }

    @Test func `the blocking form says who cannot be reached`() {
        listener.close()
        #expect(throws: DroverClientError.cannotReach(listener.address, reason: "Connection refused")) {
            try HTTPClient.request("GET", listener.address)
        }
    }
}
